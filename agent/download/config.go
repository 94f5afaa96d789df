package download

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"otafleet/agent/download/policy"
	"otafleet/internal/files"
	"otafleet/internal/ota"
)

// What a zero Config means.
const (
	DefaultStallTimeout = policy.DefaultStallTimeout
	DefaultAttempts     = policy.DefaultAttempts
	DefaultLowestRate   = 4 << 10
	DefaultParallel     = 2
	DefaultUserAgent    = "ota-agent"
)

// maxParallel bounds the chunk buffers that a Fetcher may hold.
const maxParallel = 4096

// Config says how a Fetcher downloads.
type Config struct {
	// RateLimit is the most bytes a second, over all downloads of the Fetcher;
	// 0 means no limit.
	RateLimit int64
	// StallTimeout ends a request that has brought too little for so long: no
	// answer, or less than 64 bytes a second; 0 means 30 s.
	StallTimeout time.Duration
	// LowestRate is the bytes a second below which an address is left for another
	// one, if there is one that was not slow, too; 0 means 4 KiB/s.
	LowestRate int64
	// Attempts is the number of consecutive wrong answers without a new verified
	// chunk at which a download has failed, over all addresses; 0 means 5.
	Attempts int
	// Patience is how long a download goes on without a new chunk while its
	// servers are away; 0 means 30 min.
	Patience time.Duration
	// Deadline is the longest time for one file, since the agent's start; 0 means
	// 7 days.
	Deadline time.Duration
	// Parallel is the number of downloads that run at once; 0 means 2. Further
	// ones wait.
	Parallel int
	// Allow names the hosts and networks that may be asked although they are this
	// device or a private network, beside that of Storage; Deny those that may not
	// be asked, and counts for more. A Transport of the caller's own decides alone.
	Allow, Deny Hosts
	// HTTPSOnly refuses addresses, and redirects to addresses, that are not https.
	HTTPSOnly bool
	// UserAgent names the agent to the servers; empty means "ota-agent".
	UserAgent string
	// Storage opens s3:// addresses; nil skips them.
	Storage *Storage
	// TLS gives the TLS settings of the request that follows: another value only
	// when they have changed. It may be called from several downloads at once; nil
	// means TLS 1.2 or later, and the system's authorities. A Transport of the
	// caller's own has its own.
	TLS func() (*tls.Config, error)
	// Authorize adds to a request what its server wants to know of who asks, as a
	// platform does that serves its own packages; nil adds nothing. It must look at
	// the request's URL: packages may lie anywhere. It may be called from several
	// downloads at once.
	Authorize func(*http.Request) error
	// Transport carries every request; nil means a transport of the Fetcher's
	// own, with the proxy of the environment.
	Transport http.RoundTripper
	// Known is what is known of the bytes of packages; nil knows nothing, and each is
	// hashed.
	Known Known
	// Now is the device's clock, for what is said of addresses that have expired;
	// nil means time.Now.
	Now func() time.Time
	// Jitter draws the pause before another request, between 0 and limit; nil
	// draws evenly. It may be called from several downloads at once.
	Jitter func(limit time.Duration) time.Duration
	Log    *slog.Logger // nil discards
}

// Known is for a process that downloads the same packages for many devices: it lets
// bytes be compared with those that are known to be right, rather than be hashed again
// for each. It is called from several downloads at once.
type Known interface {
	// Has reports whether data is known to have the digest; false says nothing.
	Has(digest ota.Digest, data []byte) bool
	// IsWhole reports whether bytes with the digests of the file's chunks are known to
	// have the file's; false says nothing.
	IsWhole(file *ota.File) bool
	// Whole notes that they have.
	Whole(file *ota.File)
}

// Validate reports every problem of the configuration at once.
func (c Config) Validate() error {
	var problems []error
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	refuse(c.RateLimit < 0, "rate limit %d: must not be negative", c.RateLimit)
	refuse(c.StallTimeout < 0, "stall time-out %s: must not be negative", c.StallTimeout)
	refuse(c.LowestRate < 0, "lowest rate %d: must not be negative", c.LowestRate)
	refuse(c.Patience < 0, "patience %s: must not be negative", c.Patience)
	refuse(c.Deadline < 0, "deadline %s: must not be negative", c.Deadline)
	refuse(c.Attempts < 0, "attempts %d: must not be negative", c.Attempts)
	refuse(c.Parallel < 0 || c.Parallel > maxParallel, "parallel %d: must be 0 to %d", c.Parallel, maxParallel)
	problems = append(problems, c.Allow.Validate(), c.Deny.Validate())
	if c.Storage != nil {
		problems = append(problems, c.Storage.Validate())
		refuse(c.HTTPSOnly && strings.HasPrefix(c.Storage.Endpoint, "http:"),
			"storage endpoint: is not encrypted, and only https is wanted")
	}
	return errors.Join(problems...)
}

func (c Config) withDefaults() Config {
	c.StallTimeout = cmp.Or(c.StallTimeout, DefaultStallTimeout)
	c.LowestRate = cmp.Or(c.LowestRate, DefaultLowestRate)
	c.Parallel = cmp.Or(c.Parallel, DefaultParallel)
	c.UserAgent = cmp.Or(c.UserAgent, DefaultUserAgent)
	if c.TLS == nil {
		settings := &tls.Config{MinVersion: tls.VersionTLS12}
		c.TLS = func() (*tls.Config, error) { return settings, nil }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Jitter == nil {
		c.Jitter = func(limit time.Duration) time.Duration { return rand.N(limit + 1) }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Storage is an S3-compatible object store that the device has credentials
// for. Each key is given as a value or as a file; a file is read again for
// every download, so that it may be renewed under a running agent.
type Storage struct {
	Endpoint      string // https://host[:port] or http://host[:port]
	Region        string // empty means what the endpoint's name says, else us-east-1
	AccessKey     string
	SecretKey     string
	AccessKeyFile string
	SecretKeyFile string
	// PathStyle addresses https://host/bucket/key instead of
	// https://bucket.host/key.
	PathStyle bool
}

// Validate reports every problem of the storage at once. It reads no file.
func (s *Storage) Validate() error {
	var problems []error
	u, err := url.Parse(s.Endpoint)
	switch {
	case err != nil:
		problems = append(problems, errors.New("storage endpoint: not a URL"))
	case u.Scheme != "https" && u.Scheme != "http", u.Host == "":
		problems = append(problems, fmt.Errorf("storage endpoint %q: must be https://host or http://host", u.Redacted()))
	case u.User != nil, strings.Trim(u.Path, "/") != "", u.RawQuery != "", u.Fragment != "":
		problems = append(problems, fmt.Errorf("storage endpoint %q: must have nothing beside scheme, host and port",
			u.Redacted()))
	}
	if (s.AccessKey == "") == (s.AccessKeyFile == "") {
		problems = append(problems, errors.New("storage access key: give either the key or its file"))
	}
	if (s.SecretKey == "") == (s.SecretKeyFile == "") {
		problems = append(problems, errors.New("storage secret key: give either the key or its file"))
	}
	return errors.Join(problems...)
}

// LogValue leaves the keys out of every log.
func (s *Storage) LogValue() slog.Value {
	return slog.GroupValue(slog.String("endpoint", s.Endpoint), slog.String("region", s.Region))
}

// keys returns the credentials.
func (s *Storage) keys() (access, secret string, err error) {
	access, err = oneOf(s.AccessKey, s.AccessKeyFile)
	if err != nil {
		return "", "", fmt.Errorf("cannot read the storage's access key: %w", err)
	}
	secret, err = oneOf(s.SecretKey, s.SecretKeyFile)
	if err != nil {
		return "", "", fmt.Errorf("cannot read the storage's secret key: %w", err)
	}
	return access, secret, nil
}

func oneOf(value, file string) (string, error) {
	if file == "" {
		return value, nil
	}
	const longest = 64 << 10 // bytes of a key, generously
	text, err := files.Read(file, longest)
	if err != nil {
		return "", err
	}
	if value = strings.TrimSpace(string(text)); value == "" {
		return "", fmt.Errorf("%s is empty", file)
	}
	return value, nil
}
