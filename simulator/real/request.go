package real

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"otafleet/simulator/fault"
	"otafleet/simulator/model"
	"otafleet/simulator/real/netem"
)

// requests lets the requests of a device, and of those for which it speaks, to a
// platform that is polled happen: over its link, answered as their faults say.
type requests struct{ device *device }

// RoundTrip sends one request.
func (t requests) RoundTrip(r *http.Request) (*http.Response, error) {
	link := t.device.link
	if link.IsDown() {
		return nil, netem.ErrDown
	}
	x := &fault.Request{Place: model.HawkBitPlace(r.Method, r.URL.Path)}
	if l := t.speaker(r.URL.Path).booted(); l != nil {
		l.request(x)
	}
	if x.Status != 0 {
		return unheard(r, x), nil
	}
	return link.RoundTrip(r)
}

// speaker is the device whose request it is, by the name in its path.
func (t requests) speaker(path string) *device {
	for _, d := range t.device.behind {
		if strings.Contains(path+"/", "/"+d.ID.Device+"/") {
			return d
		}
	}
	return t.device
}

// unheard is the answer to a request of which the platform has heard nothing.
func unheard(r *http.Request, x *fault.Request) *http.Response {
	header := http.Header{}
	if x.RetryAfter > 0 {
		header.Set("Retry-After", fmt.Sprint(int(x.RetryAfter/time.Second)))
	}
	return &http.Response{
		Status: http.StatusText(x.Status), StatusCode: x.Status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(strings.NewReader("")), Request: r,
	}
}
