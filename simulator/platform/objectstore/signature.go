package objectstore

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Words of Signature Version 4.
const (
	algorithm        = "AWS4-HMAC-SHA256"
	scopeEnd         = "aws4_request"
	service          = "s3"
	timeFormat       = "20060102T150405Z"
	dateFormat       = "20060102"
	unsignedPayload  = "UNSIGNED-PAYLOAD"
	streamingPayload = "STREAMING-" // begins the words for aws-chunked
)

// Limits of Signature Version 4.
const (
	maxSkew  = 15 * time.Minute
	maxValid = 7 * 24 * time.Hour
)

// Credentials are a key pair and the region it signs for.
type Credentials struct {
	AccessKey string
	SecretKey string
	Region    string // empty means us-east-1
}

// Validate reports everything that is wrong with c.
func (c Credentials) Validate() error {
	var errs []error
	if c.AccessKey == "" || strings.ContainsAny(c.AccessKey, "/,; ") {
		errs = append(errs,
			fmt.Errorf("access key %q: want one or more characters other than slash, comma, semicolon and space", c.AccessKey))
	}
	if c.SecretKey == "" {
		errs = append(errs, errors.New("secret key: want one"))
	}
	if strings.ContainsAny(c.Region, "/,; ") {
		errs = append(errs, fmt.Errorf("region %q: want a word", c.Region))
	}
	return errors.Join(errs...)
}

func (c Credentials) region() string {
	if c.Region == "" {
		return "us-east-1"
	}
	return c.Region
}

// PresignGet signs an address of an object that anybody may GET, and nothing
// else, from now on for as long as valid says: whole seconds, up to a week.
// The base is the store's address, such as Server.URL gives it; the bucket
// becomes the first level of the path.
func (c Credentials) PresignGet(base, bucket, key string, now time.Time, valid time.Duration) (string, error) {
	return c.presign(http.MethodGet, base, bucket, key, now, valid)
}

// PresignPut is PresignGet for an upload.
func (c Credentials) PresignPut(base, bucket, key string, now time.Time, valid time.Duration) (string, error) {
	return c.presign(http.MethodPut, base, bucket, key, now, valid)
}

// PresignDelete is PresignGet for a removal.
func (c Credentials) PresignDelete(base, bucket, key string, now time.Time, valid time.Duration) (string, error) {
	return c.presign(http.MethodDelete, base, bucket, key, now, valid)
}

func (c Credentials) presign(method, base, bucket, key string, now time.Time, valid time.Duration) (string, error) {
	u, err := url.Parse(base)
	switch {
	case err != nil:
		return "", fmt.Errorf("cannot presign: %w", err)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "":
		return "", fmt.Errorf("cannot presign: %q is not an http address without a query", base)
	case bucket == "" || !validKey(key):
		return "", fmt.Errorf("cannot presign: %s/%q is not an object", bucket, key)
	case valid < time.Second || valid > maxValid:
		return "", fmt.Errorf("cannot presign for %s: want one second to one week", valid)
	}
	now = now.UTC()
	u.Path = strings.TrimSuffix(u.Path, "/") + "/" + bucket + "/" + key
	u.RawPath = escape(u.Path, false)
	query := url.Values{
		"X-Amz-Algorithm":     {algorithm},
		"X-Amz-Credential":    {c.AccessKey + "/" + c.scope(now)},
		"X-Amz-Date":          {now.Format(timeFormat)},
		"X-Amz-Expires":       {strconv.FormatInt(int64(valid/time.Second), 10)},
		"X-Amz-SignedHeaders": {"host"},
	}
	r := &http.Request{Method: method, URL: u, Host: u.Host}
	u.RawQuery = canonicalQuery(query) + "&X-Amz-Signature=" +
		c.sign(now, canonicalRequest(r, query, []string{"host"}, unsignedPayload))
	return u.String(), nil
}

// verify checks the signature of a request; every refusal is a *failure. The
// claim it returns is true.
func (c Credentials) verify(r *http.Request, now time.Time) (claim, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return claim{}, invalidURI
	}
	claimed, err := parseClaim(r.Header, query)
	if err != nil {
		return claim{}, err
	}
	if err := c.accept(claimed, now); err != nil {
		return claim{}, err
	}
	if err := allSigned(r.Header, claimed.signed); err != nil {
		return claim{}, err
	}
	query.Del("X-Amz-Signature")
	want := c.sign(claimed.time, canonicalRequest(r, query, claimed.signed, claimed.payload))
	if !hmac.Equal([]byte(want), []byte(claimed.signature)) {
		return claim{}, signatureDoesNotMatch
	}
	return claimed, nil
}

// accept checks everything about a claim but its signature.
func (c Credentials) accept(claimed claim, now time.Time) error {
	age := now.Sub(claimed.time)
	switch {
	case claimed.accessKey != c.AccessKey:
		return invalidAccessKey
	case claimed.scope != c.scope(claimed.time):
		return wrongScope.saying("The credential's scope %s is not %s.", claimed.scope, c.scope(claimed.time))
	case !claimed.presigned && age.Abs() > maxSkew:
		return timeTooSkewed
	case claimed.presigned && age > claimed.valid:
		return accessDenied.saying("Request has expired")
	case claimed.presigned && age < -maxSkew:
		return accessDenied.saying("Request is not yet valid")
	}
	return nil
}

// scope is what a signature of that time is good for.
func (c Credentials) scope(when time.Time) string {
	return when.Format(dateFormat) + "/" + c.region() + "/" + service + "/" + scopeEnd
}

// sign gives the signature of a canonical request.
func (c Credentials) sign(when time.Time, canonical string) string {
	sum := sha256.Sum256([]byte(canonical))
	return c.mac(when, algorithm, when.Format(timeFormat), c.scope(when), hex.EncodeToString(sum[:]))
}

// mac signs lines with the key of the day.
func (c Credentials) mac(when time.Time, lines ...string) string {
	key := []byte("AWS4" + c.SecretKey)
	for _, part := range []string{when.Format(dateFormat), c.region(), service, scopeEnd, strings.Join(lines, "\n")} {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(part))
		key = h.Sum(nil)
	}
	return hex.EncodeToString(key)
}

// allSigned refuses headers that change a request's meaning and that its
// signature does not cover.
func allSigned(header http.Header, signed []string) error {
	for name := range header {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-amz-") && !slices.Contains(signed, lower) {
			return accessDenied.saying("The header %s is not signed.", lower)
		}
	}
	return nil
}

// canonicalRequest is the form of a request in which both sides sign it.
func canonicalRequest(r *http.Request, query url.Values, signed []string, payload string) string {
	var b strings.Builder
	path := escape(r.URL.Path, false)
	if path == "" {
		path = "/"
	}
	fmt.Fprintf(&b, "%s\n%s\n%s\n", r.Method, path, canonicalQuery(query))
	for _, name := range signed {
		b.WriteString(name + ":" + headerValue(r, name) + "\n")
	}
	fmt.Fprintf(&b, "\n%s\n%s", strings.Join(signed, ";"), payload)
	return b.String()
}

// headerValue joins a header's values; net/http keeps two headers elsewhere.
func headerValue(r *http.Request, name string) string {
	switch name {
	case "host":
		return r.Host
	case "content-length":
		return strconv.FormatInt(r.ContentLength, 10)
	}
	var values []string
	for _, v := range r.Header.Values(name) {
		values = append(values, strings.Join(strings.Fields(v), " "))
	}
	return strings.Join(values, ",")
}

// canonicalQuery orders a query by its escaped names and values.
func canonicalQuery(query url.Values) string {
	var pairs []string
	for name, values := range query {
		for _, v := range values {
			pairs = append(pairs, escape(name, true)+"="+escape(v, true))
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// escape leaves letters, digits and -_.~ as they are, and slashes if they
// separate the levels of a path.
func escape(s string, slashes bool) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '-', c == '_', c == '.', c == '~', c == '/' && !slashes:
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
		}
	}
	return b.String()
}
