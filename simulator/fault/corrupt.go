package fault

import (
	"io"
	"net/http"
)

// corrupt flips one bit of a download's answer.
func (in *Injection) corrupt(g Gear) Gear {
	next, body := g.HTTP, g.Body
	g.HTTP = tripFunc(func(r *http.Request) (*http.Response, error) {
		answer, err := next.RoundTrip(r)
		component, _ := body.Busy()
		if err != nil || answer.StatusCode >= 300 || answer.ContentLength <= 0 || !in.about(component) {
			return answer, err
		}
		if occurrence, ok := in.strike(); ok {
			answer.Body = &flipped{ReadCloser: answer.Body, at: in.spot(occurrence, answer.ContentLength), tell: in.tell, spare: in.spare}
		}
		return answer, err
	})
	return g
}

// spot is the byte that is wrong: where the scenario says, else anywhere.
func (in *Injection) spot(occurrence int, length int64) int64 {
	if in.fault.After.ByShare() {
		return in.offset(occurrence, length)
	}
	return int64(in.draw(aspectByte, occurrence) * float64(length))
}

// flipped is a body with one wrong bit.
type flipped struct {
	io.ReadCloser
	at    int64  // bytes to the wrong one; negative behind it
	tell  func() // called when it is read
	spare func() // called if the body is closed before
}

func (b *flipped) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.at >= 0 && b.at < int64(n) {
		p[b.at] ^= 1
		b.tell()
	}
	b.at -= int64(n)
	return n, err
}

func (b *flipped) Close() error {
	if b.at >= 0 {
		b.at = -1
		b.spare()
	}
	return b.ReadCloser.Close()
}
