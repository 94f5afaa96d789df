package bucket

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"otafleet/internal/files"
)

const (
	// patience is how long one request may take, and a store may be silent.
	patience = 2 * time.Minute
	// maxAnswer bounds an answer that is not the content of a file, in bytes: the longest
	// is a list of a thousand keys.
	maxAnswer = 8 << 20
	// maxBundle bounds a file of certificates, in bytes.
	maxBundle = 4 << 20
)

// effort says for what a request is tried again: a run's history is worth more patience
// than an answer that a user waits for.
type effort int

const (
	reading effort = iota
	writing
)

// pauses are those between the tries of a request.
func pauses(e effort) []time.Duration {
	if e == reading {
		return []time.Duration{200 * time.Millisecond, time.Second, 4 * time.Second}
	}
	return []time.Duration{200 * time.Millisecond, time.Second, 4 * time.Second, 15 * time.Second, 30 * time.Second}
}

// store is what speaks S3.
type store struct {
	core   *minio.Core
	pauses func(effort) []time.Duration
}

func newStore(env func(string) string) (*store, error) {
	address := cmp.Or(env("AWS_ENDPOINT_URL_S3"), env("AWS_ENDPOINT_URL"), "https://s3.amazonaws.com")
	endpoint, err := url.Parse(address)
	if err != nil || endpoint.Host == "" || endpoint.Scheme != "https" && endpoint.Scheme != "http" ||
		endpoint.User != nil || endpoint.Path != "" && endpoint.Path != "/" || endpoint.RawQuery != "" {
		return nil, errors.New("AWS_ENDPOINT_URL: want https://host:port, or http:// within a network that you trust")
	}
	keys, err := credentialsOf(env)
	if err != nil {
		return nil, err
	}
	roots, err := authorities(env("AWS_CA_BUNDLE"))
	if err != nil {
		return nil, err
	}
	core, err := minio.NewCore(endpoint.Host, &minio.Options{
		Creds:      keys,
		Secure:     endpoint.Scheme == "https",
		Region:     cmp.Or(env("AWS_REGION"), env("AWS_DEFAULT_REGION"), "us-east-1"),
		MaxRetries: 1, // retry does it
		Transport:  bounded{transport(roots)},
	})
	if err != nil {
		return nil, fmt.Errorf("AWS_ENDPOINT_URL: %w", err)
	}
	return &store{core: core, pauses: pauses}, nil
}

// credentialsOf finds who uses the store. Nothing is anonymous.
func credentialsOf(env func(string) string) (*credentials.Credentials, error) {
	id, secret := env("AWS_ACCESS_KEY_ID"), env("AWS_SECRET_ACCESS_KEY")
	switch {
	case id != "" && secret != "":
		return credentials.NewStaticV4(id, secret, env("AWS_SESSION_TOKEN")), nil
	case id != "" || secret != "":
		return nil, errors.New("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: one of them is not set, and both are needed")
	case cmp.Or(env("AWS_WEB_IDENTITY_TOKEN_FILE"), env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
		env("AWS_CONTAINER_CREDENTIALS_FULL_URI")) != "":
		return credentials.NewIAM(""), nil
	}
	keys := credentials.NewFileAWSCredentials("", env("AWS_PROFILE"))
	value, err := keys.GetWithContext(nil)
	if err == nil && (value.AccessKeyID == "" || value.SecretAccessKey == "") {
		err = errors.New("they are not in ~/.aws/credentials")
	}
	if err != nil {
		return nil, fmt.Errorf("there are no credentials for the store: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "+
			"or have them in ~/.aws/credentials (%w)", err)
	}
	return keys, nil
}

// authorities reads a file of certificates; nil means those of the system.
func authorities(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	text, err := files.Read(path, maxBundle)
	if err != nil {
		return nil, fmt.Errorf("AWS_CA_BUNDLE: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("AWS_CA_BUNDLE: %s has no certificate", path)
	}
	return pool, nil
}

func transport(roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 15 * time.Second}).DialContext,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		TLSHandshakeTimeout:   15 * time.Second,
		ResponseHeaderTimeout: patience,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConnsPerHost:   16,
		DisableCompression:    true, // a file comes as it lies there
	}
}

// bounded bounds the lists of a store: minio-go bounds its other answers itself.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.next.RoundTrip(r)
	if err == nil && r.URL.Query().Has("list-type") {
		answer.Body = struct {
			io.Reader
			io.Closer
		}{&limited{answer.Body, maxAnswer}, answer.Body}
	}
	return answer, err
}

// limited fails behind so many bytes.
type limited struct {
	from io.Reader
	left int
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left == 0 {
		return 0, fmt.Errorf("its answer is longer than %d bytes", maxAnswer)
	}
	n, err := l.from.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

// retry does what may fail for a while, until it succeeds, or ctx ends.
func (s *store) retry(ctx context.Context, e effort, do func(context.Context) error) error {
	for _, pause := range s.pauses(e) {
		err := once(ctx, do)
		if err == nil || !transient(err) || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause/2 + rand.N(pause/2+1)): // many shards fail in the same moment
		}
	}
	return once(ctx, do)
}

func once(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return do(ctx)
}
