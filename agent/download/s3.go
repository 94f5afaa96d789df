//go:build !nos3

package download

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"

	"otafleet/internal/ota"
)

// store opens objects of an S3-compatible store.
type store struct{ core *minio.Core }

// openStore sets a store up. It sends nothing.
func openStore(s *Storage, transport http.RoundTripper) (*store, error) {
	access, secret, err := s.keys()
	if err != nil {
		return nil, err
	}
	endpoint, err := url.Parse(s.Endpoint)
	if err != nil {
		return nil, errors.New("the storage's endpoint is not a URL")
	}
	lookup := minio.BucketLookupDNS
	if s.PathStyle {
		lookup = minio.BucketLookupPath
	}
	core, err := minio.NewCore(endpoint.Host, &minio.Options{
		Creds:     credentials.NewStaticV4(access, secret, ""),
		Secure:    endpoint.Scheme == "https",
		Transport: listener{transport},
		// A region that is set saves the request that would ask for it.
		Region:       cmp.Or(s.Region, s3utils.GetRegionFromURL(*endpoint), "us-east-1"),
		BucketLookup: lookup,
		MaxRetries:   1, // the download counts and spaces its requests itself
	})
	if err != nil {
		return nil, fmt.Errorf("cannot set up the storage: %w", err)
	}
	return &store{core}, nil
}

// open asks for a range of an object.
func (s *store) open(ctx context.Context, bucket, key string, q ask) (*answer, error) {
	var options minio.GetObjectOptions
	options.Set("Range", q.rangeHeader())
	options.Set("Accept-Encoding", "identity")
	if q.etag != "" {
		options.Set("If-Match", q.etag)
	}
	a := &answer{body: http.NoBody, length: -1}
	body, _, _, err := s.core.GetObject(context.WithValue(ctx, heardKey{}, a), bucket, key, options)
	switch {
	case err == nil:
		a.body = body
	case a.status == 0: // nothing was heard
		return nil, err
	case a.status == http.StatusOK, a.status == http.StatusPartialContent:
		return nil, refusef(ota.HTTPError, "the storage's answer makes no sense")
	}
	return a, nil
}

// heardKey finds in a request's context the answer to fill in.
type heardKey struct{}

// listener is the transport under minio-go. It notes the answer as it came, and
// passes on only what minio-go needs of it: no error page, which minio-go would
// read into memory up to 5 MiB, and no header that could make it fail (it does
// without a Last-Modified).
type listener struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (l listener) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := l.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	if a, ok := request.Context().Value(heardKey{}).(*answer); ok {
		a.status, a.header, a.length = response.StatusCode, response.Header, response.ContentLength
	}
	response.Header = http.Header{"Last-Modified": {"Thu, 01 Jan 1970 00:00:00 GMT"}}
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusPartialContent {
		_ = response.Body.Close()
		response.Body, response.ContentLength = http.NoBody, 0
		response.StatusCode = http.StatusBadRequest // after which minio-go does not wait
	}
	return response, nil
}
