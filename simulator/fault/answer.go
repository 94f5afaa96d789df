package fault

import (
	"io"
	"net/http"
	"strings"
)

// answer lets the storage refuse: at once, or after a share of the bytes by
// breaking off and refusing what is asked next.
func (in *Injection) answer(g Gear, status int) Gear {
	next, body := g.HTTP, g.Body
	refuse := false
	refusing := tripFunc(func(r *http.Request) (*http.Response, error) {
		if component, _ := body.Busy(); !in.about(component) {
			return next.RoundTrip(r)
		}
		if !refuse {
			if in.fault.After.ByShare() {
				return next.RoundTrip(r)
			}
			if _, ok := in.strike(); !ok {
				return next.RoundTrip(r)
			}
			in.tell()
		}
		refuse = false
		return refusal(r, status), nil
	})
	g.HTTP = refusing
	if in.fault.After.ByShare() {
		g.HTTP = in.onTransfer(g, func(int) { refuse = true }).HTTP
	}
	return g
}

// refusal is an answer of the storage as S3 gives it.
func refusal(r *http.Request, status int) *http.Response {
	text := "<Error><Code>" + strings.ReplaceAll(http.StatusText(status), " ", "") + "</Code></Error>"
	return &http.Response{
		Status: http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {"application/xml"}},
		Body:          io.NopCloser(strings.NewReader(text)),
		ContentLength: int64(len(text)), Request: r,
	}
}
