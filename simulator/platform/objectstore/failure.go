package objectstore

import (
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
)

// failure is an error of the S3 protocol.
type failure struct {
	status  int
	code    string
	message string
}

func (f *failure) Error() string { return f.code + ": " + f.message }

// saying is the failure with another message.
func (f *failure) saying(format string, args ...any) *failure {
	return &failure{f.status, f.code, fmt.Sprintf(format, args...)}
}

// The failures that a store answers with. They are values and never changed.
var (
	accessDenied          = &failure{http.StatusForbidden, "AccessDenied", "Access Denied."}
	invalidAccessKey      = &failure{http.StatusForbidden, "InvalidAccessKeyId", "The access key is not known."}
	signatureDoesNotMatch = &failure{
		http.StatusForbidden, "SignatureDoesNotMatch", "The signature is not the one that the request and the key give.",
	}
	timeTooSkewed = &failure{
		http.StatusForbidden, "RequestTimeTooSkewed", "The request's time and the server's are too far apart.",
	}
	malformedHeader = &failure{
		http.StatusBadRequest, "AuthorizationHeaderMalformed", "The authorization header is malformed.",
	}
	wrongScope = &failure{
		http.StatusBadRequest, "AuthorizationHeaderMalformed", "The credential is for another scope.",
	}
	malformedQuery = &failure{
		http.StatusBadRequest, "AuthorizationQueryParametersError", "The authorization in the query is malformed.",
	}
	invalidRequest     = &failure{http.StatusBadRequest, "InvalidRequest", "The request is invalid."}
	invalidURI         = &failure{http.StatusBadRequest, "InvalidURI", "The address cannot be parsed."}
	keyTooLong         = &failure{http.StatusBadRequest, "KeyTooLongError", "The key is too long."}
	noSuchBucket       = &failure{http.StatusNotFound, "NoSuchBucket", "The bucket does not exist."}
	noSuchKey          = &failure{http.StatusNotFound, "NoSuchKey", "The key does not exist."}
	preconditionFailed = &failure{
		http.StatusPreconditionFailed, "PreconditionFailed", "A condition of the request does not hold.",
	}
	invalidRange = &failure{
		http.StatusRequestedRangeNotSatisfiable, "InvalidRange", "The range lies outside the object.",
	}
	notImplemented = &failure{http.StatusNotImplemented, "NotImplemented", "This store does not do that."}
	missingLength  = &failure{
		http.StatusLengthRequired, "MissingContentLength", "The length of the content must be given.",
	}
	entityTooLarge = &failure{
		http.StatusBadRequest, "EntityTooLarge", "The object is larger than the store accepts.",
	}
	incompleteBody = &failure{
		http.StatusBadRequest, "IncompleteBody", "The content is not as long or not as framed as announced.",
	}
	badDigest = &failure{
		http.StatusBadRequest, "BadDigest", "The content does not have the digest that was announced.",
	}
	payloadMismatch = &failure{
		http.StatusBadRequest, "XAmzContentSHA256Mismatch", "The content does not have the hash that was signed.",
	}
	internalError = &failure{http.StatusInternalServerError, "InternalError", "The store failed."}
)

// errorBody is a failure as S3 writes it.
type errorBody struct {
	XMLName    xml.Name `xml:"Error"`
	Code       string
	Message    string
	BucketName string `xml:",omitempty"`
	Key        string `xml:",omitempty"`
	Resource   string
	Region     string `xml:",omitempty"` // where to sign for, when another was
}

// fail answers with err. What is not a *failure is the store's own trouble,
// which the client learns nothing about.
func (s *Store) fail(w http.ResponseWriter, r *http.Request, at place, err error) {
	var f *failure
	if !errors.As(err, &f) {
		s.cfg.Logger.Error("cannot answer", "method", r.Method, "bucket", at.bucket, "key", at.key, "error", err)
		f = internalError
	}
	s.cfg.Logger.Debug("refused", "method", r.Method, "bucket", at.bucket, "key", at.key, "code", f.code, "reason",
		f.message)
	body := errorBody{Code: f.code, Message: f.message, BucketName: at.bucket, Key: at.key, Resource: r.URL.Path}
	if f.code == wrongScope.code {
		body.Region = s.credentials.Load().region()
		w.Header().Set("X-Amz-Bucket-Region", body.Region)
	}
	writeXML(w, r, f.status, body)
}

// writeXML answers with a document, which a HEAD does without.
func writeXML(w http.ResponseWriter, r *http.Request, status int, document any) {
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Del("Content-Length")
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	if body, err := xml.Marshal(document); err == nil {
		_, _ = w.Write(append([]byte(xml.Header), body...))
	}
}
