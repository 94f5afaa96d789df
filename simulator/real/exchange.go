package real

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"otafleet/simulator/fault"
	"otafleet/simulator/real/netem"
)

// storage lets a device's exchanges with the storage happen: real requests over
// its link, and real answers, changed as its faults say.
type storage struct {
	link   *netem.Link
	send   http.RoundTripper // over it
	busy   func() (component string, install time.Duration)
	faults func(*fault.Exchange)
}

// RoundTrip sends one request.
func (s storage) RoundTrip(r *http.Request) (*http.Response, error) {
	if s.link.IsDown() {
		return nil, netem.ErrDown
	}
	component, _ := s.busy()
	x := &fault.Exchange{Component: component, Length: askedFor(r)}
	s.faults(x)
	if x.Status != 0 {
		x.Refund()
		return refusal(r, x.Status), nil
	}
	answer, err := s.send.RoundTrip(shifted(r, x.Shift))
	if err != nil || answer.StatusCode >= http.StatusMultipleChoices {
		x.Refund()
		return answer, err
	}
	if x.Changed {
		answer.Header.Set("ETag", `"changed"`)
	}
	answer.Body = &spoiltBody{ReadCloser: answer.Body, ctx: r.Context(), x: x, moments: x.Answer()}
	return answer, nil
}

// asked is the range of bytes that a request asks for; false without one.
func asked(r *http.Request) (first, last int64, ok bool) {
	text, is := strings.CutPrefix(r.Header.Get("Range"), "bytes=")
	from, to, two := strings.Cut(text, "-")
	first, wrong := strconv.ParseInt(from, 10, 64)
	last, wrongToo := strconv.ParseInt(to, 10, 64)
	return first, last, is && two && wrong == nil && wrongToo == nil && last >= first
}

// askedFor is how many bytes a request asks for; 0 without a range.
func askedFor(r *http.Request) int64 {
	first, last, ok := asked(r)
	if !ok {
		return 0
	}
	return last - first + 1
}

// shifted is the request for later bytes than the agent wants.
func shifted(r *http.Request, by int64) *http.Request {
	first, last, ok := asked(r)
	if by == 0 || !ok {
		return r
	}
	r = r.Clone(r.Context())
	r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", min(first+by, last), last))
	return r
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

// spoiltBody is an answer's body in which the moments of an exchange come.
type spoiltBody struct {
	io.ReadCloser
	ctx     context.Context
	x       *fault.Exchange
	moments []fault.Moment // to come, in their order
	at      int64          // bytes that have been read
}

// Read reads up to the next moment, and lets it come.
func (b *spoiltBody) Read(p []byte) (int, error) {
	for len(b.moments) > 0 && b.moments[0].At <= b.at && b.moments[0].Turn != fault.Flips {
		m := &b.moments[0]
		b.moments = b.moments[1:]
		m.Reach()
		switch m.Turn {
		case fault.Ends:
			return 0, io.EOF
		case fault.Stalls:
			netem.Sleep(b.ctx, m.For)
		case fault.Passes:
		default:
			return 0, io.ErrUnexpectedEOF
		}
	}
	n, err := b.ReadCloser.Read(p[:b.upTo(int64(len(p)))])
	b.spoil(p[:n])
	b.at += int64(n)
	return n, err
}

// upTo is how many of n bytes may be read before the next moment that is not
// about the bytes themselves.
func (b *spoiltBody) upTo(n int64) int64 {
	for i := range b.moments {
		if b.moments[i].Turn != fault.Flips {
			return min(n, max(0, b.moments[i].At-b.at))
		}
	}
	return n
}

// spoil makes those of the bytes wrong that are meant to be.
func (b *spoiltBody) spoil(p []byte) {
	if b.x.OtherObject {
		for i := range p {
			p[i] ^= 0xff
		}
	}
	for len(b.moments) > 0 && b.moments[0].Turn == fault.Flips && b.moments[0].At < b.at+int64(len(p)) {
		m := &b.moments[0]
		b.moments = b.moments[1:]
		if m.At >= b.at {
			p[m.At-b.at] ^= 1
		}
		m.Reach()
	}
}

// Close leaves the moments that have not come.
func (b *spoiltBody) Close() error {
	for i := range b.moments {
		b.moments[i].Leave()
	}
	b.moments = nil
	return b.ReadCloser.Close()
}
