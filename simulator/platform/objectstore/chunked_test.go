package objectstore

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
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

// unframe reads a whole body of unsigned chunks.
func unframe(body string) (string, error) {
	got, err := io.ReadAll(&chunkReader{r: bufio.NewReaderSize(strings.NewReader(body), chunkLine)})
	return string(got), err
}

func TestChunks(t *testing.T) {
	for name, c := range map[string]struct{ body, want, code string }{
		"nothing":          {"", "", ""},
		"empty":            {"0\r\n\r\n", "", ""},
		"two":              {"3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n", "abc0123456789", ""},
		"line feeds":       {"3\nabc\n0\n\n", "abc", ""},
		"trailer":          {"3\r\nabc\r\n0\r\nx-amz-checksum-crc32c:AAAA\n\r\n\r\n", "abc", ""},
		"no last chunk":    {"3\r\nabc\r\n", "", "IncompleteBody"},
		"cut in a chunk":   {"5\r\nabc", "", "IncompleteBody"},
		"cut in a line":    {"5", "", "IncompleteBody"},
		"longer chunk":     {"3\r\nabcd\r\n0\r\n\r\n", "", "IncompleteBody"},
		"negative":         {"-3\r\nabc\r\n", "", "IncompleteBody"},
		"signed size":      {"+3\r\nabc\r\n0\r\n\r\n", "", "IncompleteBody"},
		"no size":          {"\r\nabc\r\n", "", "IncompleteBody"},
		"not hex":          {"zz\r\n", "", "IncompleteBody"},
		"huge":             {"ffffffffffffffff\r\n", "", "IncompleteBody"},
		"an endless line":  {strings.Repeat("0", 5000) + "\r\n", "", "IncompleteBody"},
		"an endless trail": {"0\r\n" + strings.Repeat("x", 20<<10), "", "IncompleteBody"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := unframe(c.body)
			if c.code == "" {
				require.NoError(t, err)
				assert.Equal(t, c.want, got)
				return
			}
			var f *failure
			require.ErrorAs(t, err, &f)
			assert.Equal(t, c.code, f.code)
		})
	}
}

var testKeys = Credentials{AccessKey: "device", SecretKey: "not a secret"}

// signedChunks frames a body in chunks that are signed after a claim.
func signedChunks(c claim, chunks ...string) string {
	const emptySum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	var b strings.Builder
	previous := c.signature
	for _, chunk := range append(chunks, "") {
		sum := sha256.Sum256([]byte(chunk))
		previous = testKeys.mac(c.time, "AWS4-HMAC-SHA256-PAYLOAD", c.time.Format(timeFormat), c.scope, previous, emptySum, fmt.Sprintf("%x", sum))
		fmt.Fprintf(&b, "%x;chunk-signature=%s\r\n%s\r\n", len(chunk), previous, chunk)
	}
	return b.String()
}

func TestSignedChunks(t *testing.T) {
	when := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	c := claim{time: when, scope: testKeys.scope(when), signature: strings.Repeat("5", 64)}
	good := signedChunks(c, "one", "two")
	read := func(body string) (string, error) {
		r := &chunkReader{r: bufio.NewReaderSize(strings.NewReader(body), chunkLine), verify: testKeys.chunkVerifier(c), sum: sha256.New()}
		got, err := io.ReadAll(r)
		return string(got), err
	}
	got, err := read(good)
	require.NoError(t, err)
	assert.Equal(t, "onetwo", got)
	for name, body := range map[string]string{
		"changed bytes":     strings.Replace(good, "two", "six", 1),
		"changed signature": strings.Replace(good, "chunk-signature=", "chunk-signature=0", 1),
		"no signature":      "3\r\none\r\n0\r\n\r\n",
		"one chunk less":    good[strings.Index(good, "two")+5:],
		"unsigned end":      good[:strings.LastIndex(good, "0;")] + "0\r\n\r\n",
	} {
		_, err := read(body)
		assert.True(t, errors.Is(err, signatureDoesNotMatch), "%s: %v", name, err)
	}
}

// uploadTo sends a PUT whose headers say what they like and are signed as such.
func uploadTo(t *testing.T, s *Store, payload, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	now := s.cfg.Now().UTC()
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPut, "http://store/packages/image", strings.NewReader(body))
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
	const streaming = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	big := strings.Repeat("x", 2<<20)
	for name, c := range map[string]struct {
		payload, body string
		headers       []string
		status        int
		code          string
	}{
		"plain":               {unsignedPayload, "abc", nil, 200, ""},
		"hash":                {fmt.Sprintf("%x", sha256.Sum256([]byte("abc"))), "abc", nil, 200, ""},
		"wrong hash":          {fmt.Sprintf("%x", sha256.Sum256([]byte("abd"))), "abc", nil, 400, "XAmzContentSHA256Mismatch"},
		"wrong MD5":           {unsignedPayload, "abc", []string{"Content-Md5", "AAAA"}, 400, "BadDigest"},
		"largest":             {unsignedPayload, big, nil, 200, ""},
		"too large":           {unsignedPayload, big + "x", nil, 400, "EntityTooLarge"},
		"no length":           {unsignedPayload, "abc", []string{"Content-Length", "-1"}, 411, "MissingContentLength"},
		"too short":           {unsignedPayload, "abc", []string{"Content-Length", "4"}, 400, "IncompleteBody"},
		"too short, big":      {unsignedPayload, "abc", []string{"Content-Length", "2000000"}, 400, "IncompleteBody"},
		"chunks":              {streaming, "3\r\nabc\r\n0\r\n\r\n", []string{"X-Amz-Decoded-Content-Length", "3"}, 200, ""},
		"chunks without size": {streaming, "3\r\nabc\r\n0\r\n\r\n", nil, 411, "MissingContentLength"},
		"chunks too short":    {streaming, "3\r\nabc\r\n0\r\n\r\n", []string{"X-Amz-Decoded-Content-Length", "4"}, 400, "IncompleteBody"},
		"chunks too long":     {streaming, "3\r\nabc\r\n0\r\n\r\n", []string{"X-Amz-Decoded-Content-Length", "2"}, 400, "IncompleteBody"},
		"chunks too large":    {streaming, "0\r\n\r\n", []string{"X-Amz-Decoded-Content-Length", "9999999999"}, 400, "EntityTooLarge"},
		"unsigned chunks":     {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "3\r\nabc\r\n0\r\n\r\n", []string{"X-Amz-Decoded-Content-Length", "3"}, 403, "SignatureDoesNotMatch"},
		"other chunks":        {"STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "", []string{"X-Amz-Decoded-Content-Length", "3"}, 501, "NotImplemented"},
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

func FuzzChunks(f *testing.F) {
	f.Add([]byte("3\r\nabc\r\n0\r\nx:y\r\n\r\n"))
	f.Add([]byte("a;chunk-signature=00\r\n0123456789\r\n0\r\n\r\n"))
	f.Add([]byte("7fffffffffffffff\r\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := unframe(string(body))
		if err == nil {
			assert.LessOrEqual(t, len(got), len(body))
		}
		var failed *failure
		assert.True(t, err == nil || errors.As(err, &failed), "%v", err)
		// Signed chunks that nobody signed are never accepted.
		c := &chunkReader{r: bufio.NewReaderSize(bytes.NewReader(body), chunkLine), verify: testKeys.chunkVerifier(claim{}), sum: sha256.New()}
		if _, err := io.ReadAll(c); err == nil {
			assert.Empty(t, body)
		}
	})
}

func FuzzClaim(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=a/20261123/r/s3/aws4_request,SignedHeaders=host;range,Signature="+strings.Repeat("0", 64), "20261123T100000Z", "")
	f.Add("", "", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a/20261123/r/s3/aws4_request&X-Amz-Date=20261123T100000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00")
	f.Fuzz(func(t *testing.T, authorization, date, query string) {
		r := &http.Request{Method: http.MethodGet, Host: "store", URL: &url.URL{Path: "/packages/image", RawQuery: query}, Header: http.Header{}}
		r.Header.Set("Authorization", authorization)
		r.Header.Set("X-Amz-Date", date)
		r.Header.Set("X-Amz-Content-Sha256", unsignedPayload)
		_, err := testKeys.verify(r, time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC))
		var failed *failure
		require.ErrorAs(t, err, &failed, "nobody can guess a signature")
		if values, err := url.ParseQuery(query); err == nil {
			if c, err := parseClaim(r.Header, values); err == nil {
				assert.Contains(t, c.signed, "host")
				assert.NotEmpty(t, c.accessKey)
				assert.LessOrEqual(t, c.valid, maxValid)
			}
		}
	})
}

func FuzzListing(f *testing.F) {
	f.Add("a/", "/", "", uint8(3))
	f.Add("", "", "YS8", uint8(1))
	f.Fuzz(func(t *testing.T, prefix, delimiter, token string, limit uint8) {
		objects := map[string]*object{"a/b": {}, "a/c/d": {}, "a/c/e": {}, "b": {}, "": {}, "a\xff": {}}
		query := url.Values{"prefix": {prefix}, "delimiter": {delimiter}, "continuation-token": {token}, "max-keys": {strconv.Itoa(int(limit))}}
		for range 10 { // the pages come to an end
			l, err := parseListing(query)
			if err != nil {
				return
			}
			page := l.answer("packages", objects)
			assert.LessOrEqual(t, len(page.Contents)+len(page.CommonPrefixes), int(limit))
			if !page.IsTruncated {
				return
			}
			query.Set("continuation-token", page.NextContinuationToken)
		}
		assert.Fail(t, "the pages do not end")
	})
}
