package hawkbit

import (
	"bytes"
	"net/http"
	"net/url"
)

// Answer is what the API answers to a request.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Ask answers a request of a device without a server: by the same rules, at once, and
// without anything but the platform.
func (h *Handler) Ask(method string, address *url.URL, body []byte) Answer {
	w := recorder{header: http.Header{}}
	r := &http.Request{Method: method, URL: address, Host: address.Host, Header: http.Header{}, Proto: "HTTP/1.1",
		ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(body)), Body: reader{bytes.NewReader(body)}}
	h.ServeHTTP(&w, r)
	w.WriteHeader(http.StatusOK) // as a server does
	return Answer{Status: w.status, Header: w.header, Body: w.body.Bytes()}
}

// reader is the body of a request.
type reader struct{ *bytes.Reader }

// Close has nothing to let go of.
func (reader) Close() error { return nil }

// recorder keeps an answer.
type recorder struct {
	status int
	header http.Header
	body   bytes.Buffer
}

// Header gives what stands before the body.
func (w *recorder) Header() http.Header { return w.header }

// WriteHeader notes the status; the first one counts.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

// Write keeps a part of the body.
func (w *recorder) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}
