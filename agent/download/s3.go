//go:build !nos3

package download

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/minio/minio-go/v7/pkg/s3utils"
	"github.com/minio/minio-go/v7/pkg/signer"

	"otafleet/internal/ota"
)

// noBody is the SHA-256 of nothing, which a signed request without a body names.
const noBody = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// store opens objects of an S3-compatible store. Of minio-go it takes the
// signature and how a key is written in an address; its client is left out,
// which would read error pages into memory, ask again by itself, and take
// 0.7 MB of the agent.
type store struct {
	endpoint       *url.URL
	region         string
	access, secret string
	pathStyle      bool
	client         *http.Client
	userAgent      string
}

// openStore sets a store up. It sends nothing.
func openStore(s *Storage, transport http.RoundTripper, userAgent string) (*store, error) {
	access, secret, err := s.keys()
	if err != nil {
		return nil, err
	}
	endpoint, err := url.Parse(s.Endpoint)
	if err != nil {
		return nil, errors.New("the storage's endpoint is not a URL")
	}
	region := cmp.Or(s.Region, s3utils.GetRegionFromURL(*endpoint), "us-east-1")
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // a signature is for one host
	}}
	return &store{endpoint: endpoint, region: region, access: access, secret: secret,
		pathStyle: s.PathStyle, client: client, userAgent: userAgent}, nil
}

// open asks for a range of an object.
func (s *store) open(ctx context.Context, bucket, key string, q ask) (*answer, error) {
	u, err := s.address(bucket, key)
	if err != nil {
		return nil, err
	}
	request := newRequest(ctx, u, q, s.userAgent)
	request.Header.Set("X-Amz-Content-Sha256", noBody)
	return send(s.client, signer.SignV4(*request, s.access, s.secret, "", s.region))
}

// address is where an object lies: the bucket is a part of the host's name, or
// the first part of the path. A bucket's name must not lead to another host,
// which would be shown a valid signature.
func (s *store) address(bucket, key string) (*url.URL, error) {
	unnamed := gonef(ota.HTTPError, "no object can have this name")
	if s3utils.CheckValidBucketName(bucket) != nil || s3utils.CheckValidObjectName(key) != nil {
		return nil, unnamed
	}
	host, path := bucket+"."+s.endpoint.Host, "/"
	if s.pathStyle {
		host, path = s.endpoint.Host, "/"+bucket+"/"
	}
	u, err := url.Parse(s.endpoint.Scheme + "://" + host + path + s3utils.EncodePath(key))
	if err != nil {
		return nil, unnamed
	}
	return u, nil
}
