//go:build real

package real_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/platform"
	"otafleet/simulator/platform/objectstore"
	"otafleet/test/harness"
)

const (
	bucket = "packages"
	region = "eu-1"
	domain = "s3.test" // of the store, in virtual-host style
)

// Keys of the platform, and of a device, which may read and nothing else.
const (
	platformAccess, platformSecret = "platform", "platform-secret"
	deviceAccess, deviceSecret     = "device", "device-secret"
)

// store is a third-party object store, with one empty bucket.
type store struct {
	*server
	url string
}

// startStore starts a store; with a certificate it speaks TLS.
func startStore(t *testing.T, secure bool) *store {
	t.Helper()
	dir := t.TempDir()
	for _, sub := range []string{"objects", "users"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, sub), 0o755))
	}
	s := &store{server: &server{t: t, address: harness.FreeAddress(t), dir: dir, program: versitygwProgram}}
	s.url = "http://" + s.address
	s.args = []string{
		"--quiet",
		"--keep-alive",
		"--port",
		s.address,
		"--access",
		platformAccess,
		"--secret",
		platformSecret,
		"--region",
		region,
		"--virtual-domain",
		domain,
		"--iam-dir",
		filepath.Join(dir, "users"),
	}
	if secure {
		certFile, keyFile := ca.issue(t, "store")
		s.args = append(s.args, "--cert", certFile, "--key", keyFile)
		s.url = "https://" + s.address
	}
	s.args = append(s.args, "posix", filepath.Join(dir, "objects"))
	s.start()
	require.NoError(t, s.client().MakeBucket(t.Context(), bucket, minio.MakeBucketOptions{Region: region}))
	return s
}

func (s *store) client() *minio.Client {
	client, err := minio.New(s.address, &minio.Options{Region: region, Secure: strings.HasPrefix(s.url, "https:"),
		Creds: credentials.NewStaticV4(platformAccess, platformSecret, "")})
	require.NoError(s.t, err)
	return client
}

// admit gives the device keys of its own, with which it may read.
func (s *store) admit() {
	s.t.Helper()
	made := harness.Run(s.t, s.dir, versitygwProgram, "admin", "--access", platformAccess, "--secret", platformSecret,
		"--region", region, "--endpoint-url", s.url, "create-user", "--access", deviceAccess, "--secret", deviceSecret,
		"--role", "user")
	require.Zero(s.t, made.Code, made.Err)
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["` + deviceAccess + `"]},
		"Action":["s3:GetObject"],"Resource":["arn:aws:s3:::` + bucket + `/*"]}]}`
	require.NoError(s.t, s.client().SetBucketPolicy(s.t.Context(), bucket, policy))
}

// remote is the store for a platform within the test, at an address of it.
func (s *store) remote(address string) *platform.RemoteStore {
	return &platform.RemoteStore{URL: address, Bucket: bucket,
		Credentials: objectstore.Credentials{AccessKey: platformAccess, SecretKey: platformSecret, Region: region}}
}

// flags are the store for a platform that is a program.
func (s *store) flags(address string) []string {
	return []string{"--store", address, "--store-bucket", bucket, "--store-region", region,
		"--store-access-key", platformAccess, "--store-secret-file", write(s.t, "secret", platformSecret+"\n")}
}

// front stands before a store and notes what is asked of it. It passes host and
// headers on as they are, since they are signed; it serves as a proxy, too.
type front struct {
	url string

	mu   sync.Mutex // guards the following
	gets []get
}

// get is a request for an object, or a part of one.
type get struct {
	host, path string
	presigned  bool
	from       int64 // first byte asked for
}

func (s *store) front() *front {
	s.t.Helper()
	f := &front{}
	target, err := url.Parse(s.url)
	require.NoError(s.t, err)
	proxy := &httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	listening := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			f.note(r)
		}
		proxy.ServeHTTP(w, r)
	}))
	s.t.Cleanup(listening.Close)
	f.url = listening.URL
	return f
}

func (f *front) note(r *http.Request) {
	first, _, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Range"), "bytes="), "-")
	from, _ := strconv.ParseInt(first, 10, 64) // without a range it is the whole object
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gets = append(f.gets, get{r.Host, r.URL.Path, r.URL.Query().Has("X-Amz-Signature"), from})
}

// asked gives what was asked for so far.
func (f *front) asked() []get {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]get{}, f.gets...)
}
