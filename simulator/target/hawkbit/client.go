package hawkbit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"otafleet/internal/ota"
)

// Config says which hawkBit to work with, and as whom.
type Config struct {
	URL      *url.URL // https://host[:port][/path], up to what stands before its API
	User     string   // with the tenant before it if hawkBit has several: TENANT\user
	Password string   // never logged
	// Transport carries the requests; nil for a plain one.
	Transport http.RoundTripper
}

// Client is an operator of a hawkBit. It is safe for concurrent use.
type Client struct {
	config        Config
	client        *http.Client
	reads, writes pacer
	waits         func(ctx context.Context, d time.Duration)
}

// Quotas of hawkBit for each address that asks, but for those of private networks.
const (
	readsASecond  = 200
	writesASecond = 50
)

// Bounds of one request.
const (
	timeout   = time.Minute
	maxAnswer = 16 << 20         // bytes
	maxTries  = 6                // of a request that the server refuses for now
	longest   = 30 * time.Second // that a server may ask for before the next
)

// New returns a client that has asked for nothing yet.
func New(c Config) (*Client, error) {
	switch {
	case c.URL == nil || c.URL.Host == "" || c.URL.Scheme != "https" && c.URL.Scheme != "http":
		return nil, errors.New("hawkBit's address must be https://host or http://host")
	case c.URL.User != nil:
		return nil, errors.New("hawkBit's address must not hold a password: give it in a file")
	case c.User == "" || c.Password == "":
		return nil, errors.New("hawkBit's Management API needs a user name and a password")
	}
	x := &Client{config: c, client: &http.Client{Transport: c.Transport, Timeout: timeout}, waits: sleep}
	if !private(c.URL.Hostname()) {
		x.reads, x.writes = pacer{every: time.Second / readsASecond}, pacer{every: time.Second / writesASecond}
	}
	return x, nil
}

// private reports whether hawkBit counts no requests from here: it is on this machine
// or in a private network.
func private(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && (a.IsLoopback() || a.IsPrivate())
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// URL is the address of the server.
func (c *Client) URL() *url.URL { return c.config.URL }

// StatusError is an answer that is a refusal.
type StatusError struct {
	Method, Path string
	Status       int
	Message      string // the server's
}

// Error says what was asked, and what the server answered.
func (e *StatusError) Error() string {
	text := fmt.Sprintf("hawkBit answers %s %s with %d %s", e.Method, e.Path, e.Status, http.StatusText(e.Status))
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

func hasStatus(err error, status int) bool {
	var e *StatusError
	return errors.As(err, &e) && e.Status == status
}

// get reads a document.
func (c *Client) get(ctx context.Context, path string, into any) error {
	return c.ask(ctx, http.MethodGet, path, "", nil, into)
}

// post sends a document.
func (c *Client) post(ctx context.Context, path string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("cannot ask hawkBit: %w", err)
	}
	return c.ask(ctx, http.MethodPost, path, "application/json", text, into)
}

// remove deletes what may be gone already.
func (c *Client) remove(ctx context.Context, path string) error {
	err := c.ask(ctx, http.MethodDelete, path, "", nil, nil)
	if hasStatus(err, http.StatusNotFound) {
		return nil
	}
	return err
}

// ask makes a request, again and again while the server wants it later.
func (c *Client) ask(ctx context.Context, method, path, kind string, body []byte, into any) error {
	for try := 1; ; try++ {
		pace := &c.writes
		if method == http.MethodGet {
			pace = &c.reads
		}
		c.waits(ctx, pace.next(time.Now()))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		again, err := c.once(ctx, method, path, kind, body, into)
		if again == 0 || try == maxTries {
			return err
		}
		c.waits(ctx, again)
	}
}

// once makes a request; again is when to make it once more, 0 for not at all.
func (c *Client) once(ctx context.Context, method, path, kind string, body []byte, into any) (again time.Duration,
	err error) {
	request, err := http.NewRequestWithContext(ctx, method, c.config.URL.String()+"/rest/v1/"+path, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("cannot ask hawkBit: %w", err)
	}
	request.SetBasicAuth(c.config.User, c.config.Password)
	request.Header.Set("Accept", "application/hal+json, application/json")
	request.Header.Set("User-Agent", "ota-sim")
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	answer, err := c.client.Do(request)
	var failed *url.Error // whose text repeats the address
	if errors.As(err, &failed) {
		err = failed.Err
	}
	if err != nil {
		return 0, fmt.Errorf("cannot reach hawkBit at %s: %w", c.config.URL.Redacted(), err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case err != nil:
		return 0, fmt.Errorf("hawkBit's answer broke off: %w", err)
	case len(text) > maxAnswer:
		return 0, errors.New("hawkBit's answer is longer than any of its documents")
	case answer.StatusCode >= http.StatusMultipleChoices:
		path, _, _ = strings.Cut(path, "?")
		return later(answer), &StatusError{method, path, answer.StatusCode, messageOf(text)}
	case into == nil:
		return 0, nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return 0, fmt.Errorf("what answers at %s is not hawkBit: %w", c.config.URL.Redacted(), err)
	}
	return 0, nil
}

// later is when a server may be asked again that refuses for now; 0 for one that
// refuses for good.
func later(answer *http.Response) time.Duration {
	switch answer.StatusCode {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusLocked:
	default:
		return 0
	}
	seconds, err := strconv.Atoi(answer.Header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		seconds = 1
	}
	return min(time.Duration(seconds)*time.Second+100*time.Millisecond, longest)
}

// messageOf is what the server says of a refusal, in one line.
func messageOf(text []byte) string {
	var said struct{ Message string }
	_ = json.Unmarshal(text, &said) // a proxy's page says nothing
	return ota.Clip(strings.Join(strings.Fields(said.Message), " "), 300)
}
