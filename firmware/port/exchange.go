package port

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Exchange is a text and the answer to it.
type Exchange struct {
	Send     string         // empty sends nothing
	Expect   *regexp.Regexp // nil waits for nothing
	Refusal  *regexp.Regexp // an answer that ends the exchange as ErrRefused; nil for none
	Timeout  time.Duration  // of one attempt
	Attempts int            // how often Send is sent; 0 for once
}

// Bounds of an exchange.
const (
	MaxSend   = 1024 // bytes of Exchange.Send
	maxAnswer = 4096 // bytes of an answer that are looked at, the last ones
)

// settle is how long nothing may come until an answer that ends where the bytes
// end is taken for whole: a version might be only half of itself. One that ends
// with the end of a line is whole.
const settle = 100 * time.Millisecond

// ErrRefused says that the other side answered with a refusal.
var ErrRefused = errors.New("refused")

// Exchange sends and waits. It gives the text that Expect describes and its
// groups, as regexp.FindStringSubmatch does. What comes after that text is read
// next.
func (p *Port) Exchange(e Exchange) ([]string, error) {
	for attempt := 1; ; attempt++ {
		if e.Send != "" {
			p.Drop() // an answer to an earlier question is none to this
			if err := p.Write([]byte(e.Send)); err != nil {
				return nil, err
			}
		}
		if e.Expect == nil {
			return nil, nil
		}
		found, err := p.await(e.Expect, e.Refusal, e.Timeout)
		if err == nil || attempt >= e.Attempts || !errors.Is(err, ErrSilent) {
			return found, err
		}
	}
}

// Await waits until what has come contains pattern, as Exchange does.
func (p *Port) Await(pattern *regexp.Regexp, timeout time.Duration) ([]string, error) {
	return p.await(pattern, nil, timeout)
}

func (p *Port) await(pattern, refusal *regexp.Regexp, timeout time.Duration) ([]string, error) {
	for end := time.Now().Add(timeout); ; {
		p.held = p.held[max(0, len(p.held)-maxAnswer):]
		at := pattern.FindSubmatchIndex(p.held)
		wait := time.Until(end)
		if at != nil && (at[1] < len(p.held) || lineEnds(p.held)) {
			return p.take(pattern, at), nil
		}
		if no := refused(refusal, p.held); at == nil && no != nil {
			text := strings.TrimSpace(string(p.held[no[0]:no[1]]))
			p.held = p.held[no[1]:]
			return nil, fmt.Errorf("%w: %s", ErrRefused, text)
		}
		if at != nil {
			wait = min(wait, settle)
		}
		if wait <= 0 && at == nil {
			return nil, fmt.Errorf("%w like %q within %s%s", ErrSilent, pattern, timeout, p.heard())
		}
		err := p.more(max(wait, 0))
		switch {
		case err == nil:
		case at != nil && errors.Is(err, ErrSilent):
			return p.take(pattern, at), nil
		case !errors.Is(err, ErrSilent):
			return nil, err
		}
	}
}

func refused(by *regexp.Regexp, b []byte) []int {
	if by == nil {
		return nil
	}
	return by.FindIndex(b)
}

func lineEnds(b []byte) bool {
	return len(b) > 0 && (b[len(b)-1] == '\n' || b[len(b)-1] == '\r')
}

// take gives a match and drops the bytes up to its end.
func (p *Port) take(pattern *regexp.Regexp, at []int) []string {
	found := pattern.FindStringSubmatch(string(p.held))
	p.held = p.held[at[1]:]
	return found
}

// heard says what came instead, for who reads the error.
func (p *Port) heard() string {
	const last = 60 // bytes
	if len(p.held) == 0 {
		return ""
	}
	return "; heard " + strconv.QuoteToASCII(string(p.held[max(0, len(p.held)-last):]))
}
