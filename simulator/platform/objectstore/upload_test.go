package objectstore

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var testKeys = Credentials{AccessKey: "device", SecretKey: "not a secret"}

// uploadTo sends a PUT whose headers say what they like and are signed as such.
func uploadTo(t *testing.T, s *Store, payload, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	now := s.cfg.Now().UTC()
	r := httptest.NewRequestWithContext(
		context.Background(),
		http.MethodPut,
		"http://store/packages/image",
		strings.NewReader(body),
	)
	r.Header.Set("X-Amz-Date", now.Format(timeFormat))
	r.Header.Set("X-Amz-Content-Sha256", payload)
	signed := []string{"host", "x-amz-content-sha256", "x-amz-date"}
	for i := 0; i < len(headers); i += 2 {
		switch name := headers[i]; name {
		case "Content-Length":
			r.ContentLength, _ = strconv.ParseInt(headers[i+1], 10, 64)
		default:
			r.Header.Set(name, headers[i+1])
			if strings.HasPrefix(name, "X-Amz-") {
				signed = append(signed, strings.ToLower(name))
			}
		}
	}
	slices.Sort(signed)
	signature := testKeys.sign(now, canonicalRequest(r, nil, signed, payload))
	r.Header.Set("Authorization", fmt.Sprintf("%s Credential=%s/%s, SignedHeaders=%s, Signature=%s",
		algorithm, testKeys.AccessKey, testKeys.scope(now), strings.Join(signed, ";"), signature))
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestUploadRefusals(t *testing.T) {
	dir := t.TempDir()
	s, err := New(Config{Credentials: testKeys, Buckets: []string{"packages"}, MaxObject: 2 << 20, TempDir: dir})
	require.NoError(t, err)
	big := strings.Repeat("x", 2<<20)
	for name, c := range map[string]struct {
		payload, body string
		headers       []string
		status        int
		code          string
	}{
		"plain": {unsignedPayload, "abc", nil, 200, ""},
		"hash":  {fmt.Sprintf("%x", sha256.Sum256([]byte("abc"))), "abc", nil, 200, ""},
		"wrong hash": {fmt.Sprintf("%x", sha256.Sum256([]byte("abd"))), "abc", nil, 400,
			"XAmzContentSHA256Mismatch"},
		"wrong MD5":           {unsignedPayload, "abc", []string{"Content-Md5", "AAAA"}, 400, "BadDigest"},
		"largest":             {unsignedPayload, big, nil, 200, ""},
		"too large":           {unsignedPayload, big + "x", nil, 400, "EntityTooLarge"},
		"no length":           {unsignedPayload, "abc", []string{"Content-Length", "-1"}, 411, "MissingContentLength"},
		"too short":           {unsignedPayload, "abc", []string{"Content-Length", "4"}, 400, "IncompleteBody"},
		"too short, big":      {unsignedPayload, "abc", []string{"Content-Length", "2000000"}, 400, "IncompleteBody"},
		"signed chunks":       {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "", nil, 501, "NotImplemented"},
		"unsigned chunks":     {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", "", nil, 501, "NotImplemented"},
		"copy":                {unsignedPayload, "", []string{"X-Amz-Copy-Source", "/packages/other"}, 501, "NotImplemented"},
		"no kind of hash":     {"abc", "abc", nil, 400, "InvalidRequest"},
		"if none match a tag": {unsignedPayload, "", []string{"If-None-Match", `"x"`}, 501, "NotImplemented"},
	} {
		t.Run(name, func(t *testing.T) {
			w := uploadTo(t, s, c.payload, c.body, c.headers...)
			assert.Equal(t, c.status, w.Code, w.Body.String())
			if c.code != "" {
				assert.Contains(t, w.Body.String(), "<Code>"+c.code+"</Code>")
			}
		})
	}
}

func TestUploadNeedsItsDirectory(t *testing.T) {
	s, err := New(Config{Credentials: testKeys, Buckets: []string{"packages"}, TempDir: "/nowhere"})
	require.NoError(t, err)
	w := uploadTo(t, s, unsignedPayload, strings.Repeat("x", 2<<20))
	assert.Equal(t, http.StatusInternalServerError, w.Code)
	assert.NotContains(t, w.Body.String(), "nowhere")
}

func FuzzClaim(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=a/20261123/r/s3/aws4_request,SignedHeaders=host;range,Signature="+
		strings.Repeat("0", 64), "20261123T100000Z", "")
	f.Add("", "", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a/20261123/r/s3/aws4_request&"+
		"X-Amz-Date=20261123T100000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00")
	f.Fuzz(func(t *testing.T, authorization, date, query string) {
		r := &http.Request{
			Method: http.MethodGet, Host: "store", URL: &url.URL{Path: "/packages/image", RawQuery: query},
			Header: http.Header{},
		}
		r.Header.Set("Authorization", authorization)
		r.Header.Set("X-Amz-Date", date)
		r.Header.Set("X-Amz-Content-Sha256", unsignedPayload)
		_, err := testKeys.verify(r, time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC))
		var failed *failure
		require.ErrorAs(t, err, &failed, "a signature cannot be guessed")
		if values, err := url.ParseQuery(query); err == nil {
			if c, err := parseClaim(r.Header, values); err == nil {
				assert.Contains(t, c.signed, "host")
				assert.NotEmpty(t, c.accessKey)
				assert.LessOrEqual(t, c.valid, maxValid)
			}
		}
	})
}
