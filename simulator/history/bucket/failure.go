package bucket

import (
	"context"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	"github.com/minio/minio-go/v7"
)

// Refusal is a failure that another try does not mend: something that was set up has to
// change.
type Refusal struct {
	Place string // the address of the file, or of what was to be listed
	Why   string // what is wrong, and what to do
	Err   error  // what the store said; may be nil
}

func (r *Refusal) Error() string {
	text := r.Place + ": " + r.Why
	if r.Err != nil {
		text += " (" + r.Err.Error() + ")"
	}
	return text
}

// Unwrap returns what the store said.
func (r *Refusal) Unwrap() error { return r.Err }

// ErrUnavailable says that a store could not be reached, or failed, for longer than it was
// waited for.
var ErrUnavailable = errors.New("the store is not available")

// transient reports whether a request may succeed when it is made again.
func transient(err error) bool {
	var refused *Refusal
	var response minio.ErrorResponse
	switch {
	case errors.As(err, &refused), errors.Is(err, context.Canceled), isNoStore(err):
		return false
	case !errors.As(err, &response):
		return true // of the network, or the request took too long
	}
	switch response.Code {
	case "InternalError", "RequestTimeout", "SlowDown", "SlowDownWrite", "SlowDownRead", "ServiceUnavailable",
		"Throttling", "ThrottlingException", "RequestLimitExceeded", "OperationAborted", "ConditionalRequestConflict",
		"IncompleteBody":
		return true
	}
	switch code := response.StatusCode; code {
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	case http.StatusNotImplemented:
		return false
	default:
		return code >= http.StatusInternalServerError
	}
}

// isNoStore reports whether who answers is no store, or not the one that is meant.
func isNoStore(err error) bool {
	var syntax *xml.SyntaxError
	var form xml.UnmarshalError
	var certificate *tls.CertificateVerificationError
	return errors.As(err, &syntax) || errors.As(err, &form) || errors.As(err, &certificate) ||
		strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}

// explain makes an error one that says where it happened and what to do; needs is the
// permission that the request takes.
func (p *Place) explain(err error, needs string) error {
	var refused *Refusal
	if err == nil || errors.As(err, &refused) {
		return err
	}
	endpoint := p.store.core.EndpointURL()
	refuse := func(format string, args ...any) error {
		return &Refusal{Place: p.String(), Why: fmt.Sprintf(format, args...), Err: err}
	}
	var certificate *tls.CertificateVerificationError
	var response minio.ErrorResponse
	switch {
	case errors.As(err, &certificate):
		return refuse("the certificate of %s cannot be verified: name its authorities' file by AWS_CA_BUNDLE", endpoint)
	case isNoStore(err):
		return refuse("%s does not answer as a store that speaks S3: check AWS_ENDPOINT_URL", endpoint)
	case !errors.As(err, &response):
		return fmt.Errorf("%s: %w at %s: check AWS_ENDPOINT_URL and the network: %w", p, ErrUnavailable, endpoint, err)
	}
	switch response.Code {
	case "NoSuchKey":
		return &fs.PathError{Op: "open", Path: p.String(), Err: fs.ErrNotExist}
	case "NoSuchBucket":
		return refuse("%s has no bucket %s: make it, or check AWS_ENDPOINT_URL and AWS_REGION", endpoint, p.bucket)
	case "AccessDenied", "AllAccessDisabled":
		return refuse("access denied by %s: the credentials need %s on bucket %s, and s3:ListBucket to tell what is not "+
			"there", endpoint, needs, p.bucket)
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "InvalidTokenId", "ExpiredToken":
		return refuse("%s does not take the credentials: check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and "+
			"AWS_SESSION_TOKEN", endpoint)
	case "RequestTimeTooSkewed", "RequestExpired":
		return refuse("the clocks of this machine and of %s differ too much: set this one's", endpoint)
	case "PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "InvalidRegion",
		"IllegalLocationConstraintException", "301 Moved Permanently":
		return refuse("bucket %s is in another region: set AWS_REGION%s", p.bucket, suffixed("=", response.Region))
	}
	return fmt.Errorf("%s: %w: %s answers %d %s: %w", p, ErrUnavailable, endpoint, response.StatusCode, response.Code, err)
}

// suffixed is a text behind a sign, or nothing.
func suffixed(sign, text string) string {
	if text == "" {
		return ""
	}
	return sign + text
}
