package objectstore

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// claim is what a request says about its signature.
type claim struct {
	accessKey string
	scope     string // <date>/<region>/<service>/aws4_request
	time      time.Time
	signed    []string // names of the signed headers, lower case, in order
	signature string
	payload   string // hash of the body, or a word that stands for it

	presigned bool          // whether the address carries it
	valid     time.Duration // from time on, if presigned
}

// parseClaim reads a claim from a header or from a query; every refusal is a
// *failure.
func parseClaim(header http.Header, query url.Values) (claim, error) {
	authorization := header.Get("Authorization")
	switch presigned := query.Has("X-Amz-Signature") || query.Has("X-Amz-Algorithm"); {
	case authorization != "" && presigned:
		return claim{}, invalidRequest.saying("Only one way to authenticate is allowed.")
	case presigned:
		return claimOfQuery(header, query)
	case authorization != "":
		return claimOfHeader(header, authorization)
	}
	return claim{}, accessDenied
}

// claimOfHeader reads
//
//	AWS4-HMAC-SHA256 Credential=<access key>/<scope>, SignedHeaders=<a;b>, Signature=<hex>
func claimOfHeader(header http.Header, authorization string) (claim, error) {
	rest, ok := strings.CutPrefix(authorization, algorithm+" ")
	if !ok {
		return claim{}, invalidRequest.saying("The authorization mechanism is not supported. Use %s.", algorithm)
	}
	fields := make(map[string]string, 3)
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		fields[name] = value
	}
	c := claim{signature: fields["Signature"], payload: header.Get("X-Amz-Content-Sha256")}
	if !c.setCredential(fields["Credential"]) || !c.setHeaders(fields["SignedHeaders"]) || len(c.signature) != 64 {
		return claim{}, malformedHeader
	}
	if !validPayload(c.payload) {
		return claim{}, invalidRequest.saying("x-amz-content-sha256 must be a hash, %s or STREAMING-….", unsignedPayload)
	}
	when, err := time.Parse(timeFormat, header.Get("X-Amz-Date"))
	if err != nil {
		if when, err = http.ParseTime(header.Get("Date")); err != nil {
			return claim{}, accessDenied.saying("A valid Date or x-amz-date header is required.")
		}
	}
	c.time = when.UTC()
	return c, nil
}

// claimOfQuery reads the X-Amz parameters of a presigned address.
func claimOfQuery(header http.Header, query url.Values) (claim, error) {
	for _, name := range []string{"Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature"} {
		if len(query["X-Amz-"+name]) != 1 {
			return claim{}, malformedQuery.saying("X-Amz-%s must be in the query once.", name)
		}
	}
	c := claim{presigned: true, signature: query.Get("X-Amz-Signature"), payload: unsignedPayload}
	if hash := header.Get("X-Amz-Content-Sha256"); hash != "" {
		c.payload = hash
	}
	seconds, err := strconv.ParseUint(query.Get("X-Amz-Expires"), 10, 32)
	c.valid = time.Duration(seconds) * time.Second
	switch {
	case query.Get("X-Amz-Algorithm") != algorithm:
		return claim{}, malformedQuery.saying("X-Amz-Algorithm must be %s.", algorithm)
	case err != nil || c.valid <= 0 || c.valid > maxValid:
		return claim{}, malformedQuery.saying("X-Amz-Expires must be 1 to %d seconds.", int(maxValid.Seconds()))
	case !validPayload(c.payload):
		return claim{}, malformedQuery.saying("x-amz-content-sha256 must be a hash, %s or STREAMING-….", unsignedPayload)
	case !c.setCredential(query.Get("X-Amz-Credential")):
		return claim{}, malformedQuery.saying("X-Amz-Credential must be <access key>/<date>/<region>/s3/aws4_request.")
	case !c.setHeaders(query.Get("X-Amz-SignedHeaders")):
		return claim{}, malformedQuery.saying("X-Amz-SignedHeaders must be in order and name the host.")
	}
	if c.time, err = time.Parse(timeFormat, query.Get("X-Amz-Date")); err != nil {
		return claim{}, malformedQuery.saying("X-Amz-Date must look like %s.", timeFormat)
	}
	return c, nil
}

// validPayload reports whether a payload is a hash, or a word that stands for
// one.
func validPayload(payload string) bool {
	return len(payload) == 64 || payload == unsignedPayload || strings.HasPrefix(payload, streamingPayload)
}

// setCredential splits <access key>/<date>/<region>/<service>/aws4_request.
func (c *claim) setCredential(credential string) bool {
	c.accessKey, c.scope, _ = strings.Cut(credential, "/")
	return c.accessKey != "" && strings.Count(c.scope, "/") == 3
}

// setHeaders splits the list of signed headers: lower case, in order, each
// once, the host among them.
func (c *claim) setHeaders(list string) bool {
	c.signed = strings.Split(list, ";")
	for i, name := range c.signed {
		if name == "" || name != strings.ToLower(name) || i > 0 && name <= c.signed[i-1] {
			return false
		}
	}
	return slices.Contains(c.signed, "host")
}
