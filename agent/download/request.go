package download

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"otafleet/agent/download/policy"
	"otafleet/internal/ota"
	"otafleet/internal/transport"
)

const (
	maxRedirects   = 5
	maxHeaderBytes = 64 << 10
	slowestRate    = 64 // bytes a second below which an answer counts as stalled
)

// errStalled is the cause of a request's end when its watch has run out.
var errStalled = errors.New("stalled")

// newTransport makes the transport of a Fetcher that is not given one. HTTP/2
// is left out: one stream at a time gains nothing from it, and its buffers are
// memory that a small device lacks.
func newTransport(g *guard, patience time.Duration, settings *tls.Config) *http.Transport {
	return &http.Transport{
		Proxy:                  g.proxy,
		DialContext:            g.dial,
		TLSClientConfig:        settings,
		TLSHandshakeTimeout:    patience,
		ResponseHeaderTimeout:  patience,
		MaxResponseHeaderBytes: maxHeaderBytes,
		MaxIdleConnsPerHost:    1,
		IdleConnTimeout:        15 * time.Second,
		DisableCompression:     true,
	}
}

// openHTTP asks a presigned or public address.
func (f *Fetcher) openHTTP(ctx context.Context, u *url.URL, q ask) (*answer, error) {
	if err := f.guard.scheme(u); err != nil {
		return nil, err
	}
	return send(f.client, newRequest(ctx, u, q, f.config.UserAgent))
}

// newRequest puts an ask into words.
func newRequest(ctx context.Context, u *url.URL, q ask, userAgent string) *http.Request {
	request := &http.Request{Method: http.MethodGet, URL: u, Host: strings.TrimSuffix(u.Host, ":"), Header: http.Header{
		"User-Agent": {userAgent}, "Accept-Encoding": {"identity"},
		"Range": {"bytes=" + strconv.FormatInt(q.first, 10) + "-" + strconv.FormatInt(q.last, 10)},
	}}
	if q.etag != "" {
		request.Header.Set("If-Match", q.etag)
	}
	if q.validator != "" {
		request.Header.Set("If-Range", q.validator)
	}
	return request.WithContext(ctx)
}

// send asks. The caller closes the answer's body.
func send(client *http.Client, request *http.Request) (*answer, error) {
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	return &answer{status: response.StatusCode, header: response.Header, length: response.ContentLength,
		body: response.Body}, nil
}

// explain turns the error that ended a request into the refusal to count.
func explain(err error, stalled bool, stall time.Duration) *refusal {
	var known *refusal
	if errors.As(err, &known) {
		return known
	}
	var unusable *transport.Unusable
	if errors.As(err, &unusable) {
		known = refusef(ota.StorageUnavailable, "this device's certificates for downloads cannot be used: %v", unusable.Err)
		known.kind = policy.Away // until they are in place again
		return known
	}
	why, kind := "too little arrived within "+stall.String(), policy.Away
	if !stalled {
		why, kind = words(err)
	}
	known = refusef(ota.NetworkTimeout, "%s", why)
	known.kind = kind
	return known
}

// words says what is wrong with a connection, and whether that is an answer. They
// are never those of the other end, nor of an address, which may carry a signature.
func words(err error) (string, policy.Kind) {
	var lookup *net.DNSError
	var certificate *tls.CertificateVerificationError
	var validity x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var system syscall.Errno
	var slow net.Error
	switch {
	case errors.As(err, &lookup):
		return "the host's name cannot be resolved", policy.Away
	case errors.As(err, &validity) && validity.Reason == x509.Expired:
		return "its certificate is not valid at the time of this device's clock", policy.Away
	case errors.As(err, &certificate):
		return "its certificate is not one that this device trusts for that host", policy.Away
	case errors.As(err, &record):
		return "it does not speak TLS", policy.Wrong
	case errors.As(err, &system):
		return system.Error(), policy.Away // the kernel's words
	case errors.As(err, &slow) && slow.Timeout():
		return "no answer in time", policy.Away
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return "the connection broke off", policy.Away
	}
	return "what came is not an answer", policy.Wrong
}

// watch ends a request that brings too little: it looks at spans of time in which
// the server is waited for, and each must bring enough bytes.
type watch struct {
	timer *time.Timer
	after time.Duration // the length of a span
	least int           // bytes that it must bring
	got   int           // of this span
	ends  time.Time     // of this span
	rest  time.Duration // of this span, while the watch is paused
	stop  context.CancelCauseFunc
}

// newWatch returns a context that ends with errStalled when fewer than rate bytes
// a second have come for so long. The caller stops the watch with end.
func newWatch(ctx context.Context, after time.Duration, rate int64) (context.Context, *watch) {
	ctx, stop := context.WithCancelCause(ctx)
	w := &watch{after: after, least: max(1, int(float64(rate)*after.Seconds())), stop: stop, ends: time.Now().Add(after)}
	w.timer = time.AfterFunc(after, func() { stop(errStalled) })
	return ctx, w
}

// received counts n bytes.
func (w *watch) received(n int) {
	if w.got += n; w.got >= w.least {
		w.restart()
	}
}

// pause lets the device itself take its time, until resume.
func (w *watch) pause() {
	w.timer.Stop()
	w.rest = time.Until(w.ends)
}

// resume goes on with the span that was paused.
func (w *watch) resume() {
	w.ends = time.Now().Add(w.rest)
	w.timer.Reset(w.rest)
}

// restart begins a new span.
func (w *watch) restart() {
	w.got, w.ends = 0, time.Now().Add(w.after)
	w.timer.Reset(w.after)
}

// end stops the watch and whatever still runs of the request.
func (w *watch) end() {
	w.timer.Stop()
	w.stop(nil)
}
