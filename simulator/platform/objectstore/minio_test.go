package objectstore_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/platform/objectstore"
)

// dial makes a client that addresses buckets by path or by host. Hosts under
// localhost lead to the server, whatever the resolver thinks of them.
func dial(t testing.TB, server *objectstore.Server, style string, change ...func(*minio.Options)) *minio.Client {
	t.Helper()
	u, err := url.Parse(server.URL())
	require.NoError(t, err)
	options := &minio.Options{
		Creds:        credentials.NewStaticV4(keys.AccessKey, keys.SecretKey, ""),
		Region:       keys.Region,
		BucketLookup: minio.BucketLookupPath,
		MaxRetries:   1,
		Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, server.Addr().String())
		}},
	}
	if style == "host" {
		options.BucketLookup = minio.BucketLookupDNS
		u.Host = "localhost:" + u.Port()
	}
	for _, c := range change {
		c(options)
	}
	client, err := minio.New(u.Host, options)
	require.NoError(t, err)
	return client
}

func random(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

func TestMinioRoundTrip(t *testing.T) {
	ctx := context.Background()
	store, server := open(t, nil)
	for _, style := range []string{"path", "host"} {
		client := dial(t, server, style)
		for name, options := range map[string]minio.PutObjectOptions{
			"unsigned": {DisableContentSha256: true},
			"with MD5": {DisableContentSha256: true, SendContentMd5: true},
		} {
			for _, size := range []int{0, 1, 64 << 10, 1<<20 + 1, 3 << 20} {
				t.Run(fmt.Sprintf("%s/%s/%d", style, name, size), func(t *testing.T) {
					data, key := random(size), fmt.Sprintf("dir/%s %d", name, size)
					options.DisableMultipart = true
					options.ContentType = "application/x-image"
					put, err := client.PutObject(ctx, "packages", key, bytes.NewReader(data), int64(size), options)
					require.NoError(t, err)
					stored, ok := store.Stat("packages", key)
					require.True(t, ok)
					assert.Equal(t, stored.ETag, put.ETag)
					assert.Equal(t, int64(size), stored.Size)

					stat, err := client.StatObject(ctx, "packages", key, minio.StatObjectOptions{})
					require.NoError(t, err)
					assert.Equal(t, int64(size), stat.Size)
					assert.Equal(t, "application/x-image", stat.ContentType)

					object, err := client.GetObject(ctx, "packages", key, minio.GetObjectOptions{})
					require.NoError(t, err)
					got, err := io.ReadAll(object)
					require.NoError(t, err)
					assert.True(t, bytes.Equal(data, got))

					require.NoError(t, client.RemoveObject(ctx, "packages", key, minio.RemoveObjectOptions{}))
					_, err = client.StatObject(ctx, "packages", key, minio.StatObjectOptions{})
					assert.Equal(t, "NoSuchKey", minio.ToErrorResponse(err).Code)
				})
			}
		}
	}
}

func TestMinioRange(t *testing.T) {
	ctx := context.Background()
	store, server := open(t, nil)
	o, err := store.Put("packages", "image", []byte("0123456789"))
	require.NoError(t, err)
	client := dial(t, server, "host")
	var options minio.GetObjectOptions
	require.NoError(t, options.SetRange(2, 4))
	require.NoError(t, options.SetMatchETag(o.ETag))
	object, err := client.GetObject(ctx, "packages", "image", options)
	require.NoError(t, err)
	got, err := io.ReadAll(object)
	require.NoError(t, err)
	assert.Equal(t, "234", string(got))

	require.NoError(t, options.SetMatchETag("other"))
	object, err = client.GetObject(ctx, "packages", "image", options)
	require.NoError(t, err)
	_, err = io.ReadAll(object)
	assert.Equal(t, "PreconditionFailed", minio.ToErrorResponse(err).Code)
}

func TestMinioOverTLS(t *testing.T) {
	ctx := context.Background()
	web := httptest.NewTLSServer(nil) // for its certificate
	defer web.Close()
	store, err := objectstore.New(objectstore.Config{Credentials: keys, Buckets: []string{"packages"}})
	require.NoError(t, err)
	server := serve(t, objectstore.ServerConfig{Handler: store, TLS: &tls.Config{Certificates: web.TLS.Certificates}})
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	client := dial(t, server, "path", func(o *minio.Options) {
		o.Secure = true
		o.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	})
	data := random(200_000)
	for _, options := range []minio.PutObjectOptions{{}, {SendContentMd5: true}} {
		_, err = client.PutObject(ctx, "packages", "image", bytes.NewReader(data), int64(len(data)), options)
		require.NoError(t, err)
		object, err := client.GetObject(ctx, "packages", "image", minio.GetObjectOptions{})
		require.NoError(t, err)
		got, err := io.ReadAll(object)
		require.NoError(t, err)
		assert.True(t, bytes.Equal(data, got))
	}
}

func TestMinioBucket(t *testing.T) {
	ctx := context.Background()
	_, server := open(t, nil)
	client := dial(t, server, "path")
	ok, err := client.BucketExists(ctx, "packages")
	require.NoError(t, err)
	assert.True(t, ok)
	ok, err = client.BucketExists(ctx, "nothing")
	require.NoError(t, err)
	assert.False(t, ok)
	_, err = client.PutObject(ctx, "nothing", "key", bytes.NewReader(nil), 0, minio.PutObjectOptions{})
	assert.Equal(t, "NoSuchBucket", minio.ToErrorResponse(err).Code)
	for o := range client.ListObjects(ctx, "packages", minio.ListObjectsOptions{}) {
		assert.Equal(t, "NotImplemented", minio.ToErrorResponse(o.Err).Code)
	}
	_, err = client.ListBuckets(ctx)
	assert.Equal(t, "NotImplemented", minio.ToErrorResponse(err).Code)
	_, err = client.GetObjectTagging(ctx, "packages", "key", minio.GetObjectTaggingOptions{})
	assert.Equal(t, "NotImplemented", minio.ToErrorResponse(err).Code)
}

func TestMinioConditionalPut(t *testing.T) {
	ctx := context.Background()
	store, server := open(t, nil)
	client := dial(t, server, "path")
	put := func(change func(*minio.PutObjectOptions)) error {
		options := minio.PutObjectOptions{DisableContentSha256: true}
		change(&options)
		_, err := client.PutObject(ctx, "packages", "image", bytes.NewReader([]byte("x")), 1, options)
		return err
	}
	isNew := func(o *minio.PutObjectOptions) { o.SetMatchETagExcept("*") }
	isOther := func(o *minio.PutObjectOptions) { o.SetMatchETag("other") }
	assert.Equal(t, "PreconditionFailed", minio.ToErrorResponse(put(isOther)).Code)
	require.NoError(t, put(isNew))
	assert.Equal(t, "PreconditionFailed", minio.ToErrorResponse(put(isNew)).Code)
	assert.Equal(t, "PreconditionFailed", minio.ToErrorResponse(put(isOther)).Code)
	o, _ := store.Stat("packages", "image")
	require.NoError(t, put(func(options *minio.PutObjectOptions) { options.SetMatchETag(o.ETag) }))
}
