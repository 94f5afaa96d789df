package policy

import (
	"fmt"
	"time"

	"otafleet/agent"
	"otafleet/internal/ota"
)

// Course is the score of one download. All its times are durations since New.
type Course struct {
	rules     Rules
	score     agent.Setbacks
	addresses []address
	at        int  // the address to ask next
	asked     bool // whether any of the file's has been asked
	since     time.Duration
	last      *ota.Failure // why the last request without a new chunk brought none
}

// address is what is known of one address.
type address struct {
	gone     bool
	failed   bool          // its last request brought nothing, and none elsewhere has since
	slow     bool          // it was left because it was slow
	notUntil time.Duration // its server asks not to be asked before
}

// New begins a download, or goes on with one after other addresses have come.
func New(rules Rules, before agent.Setbacks) *Course {
	return &Course{rules: rules.WithDefaults(), score: before}
}

// Setbacks is what has gone wrong since the last new chunk, for the next New.
func (c *Course) Setbacks() agent.Setbacks { return c.score }

// File begins a file that has n addresses, none of which has been asked.
func (c *Course) File(n int) {
	c.addresses, c.at, c.asked = make([]address, n), 0, false
	for i := range c.addresses {
		c.addresses[i].notUntil = c.score.Retry
	}
	c.score.Retry = 0
}

// Whole ends a file: all of it is in place.
func (c *Course) Whole() { c.score.Spent = 0 }

// Drop gives up an address.
func (c *Course) Drop(i int) { c.addresses[i].gone = true }

// Next gives the address to ask and the pause before that; -1 when none is left.
// The pause is exponential, and drawn by jitter between 0 and its limit, so that
// devices which failed together do not ask together. Nothing is gained by waiting
// after an address that is gone.
func (c *Course) Next(now time.Duration, jitter func(limit time.Duration) time.Duration) (i int, pause time.Duration) {
	c.since = now
	if i = c.choose(now); i < 0 {
		return -1, 0
	}
	if c.score.Failed > 0 {
		pause = jitter(min(firstPause<<min(c.score.Failed-1, 16), longestPause))
	}
	return i, max(0, c.addresses[i].notUntil-now) + pause
}

// choose prefers the address whose turn it is, unless its server has asked for
// more time than another one.
func (c *Course) choose(now time.Duration) int {
	best := -1
	for k := range c.addresses {
		i := (c.at + k) % len(c.addresses)
		a := &c.addresses[i]
		switch {
		case a.gone:
		case a.notUntil <= now:
			c.at = i
			return i
		case best < 0 || a.notUntil < c.addresses[best].notUntil:
			best = i
		}
	}
	if best >= 0 {
		c.at = best
	}
	return best
}

// Better reports whether an address is worth leaving if it is slow: another one
// is left that was neither slow nor useless.
func (c *Course) Better(than int) bool {
	for i := range c.addresses {
		if a := &c.addresses[i]; i != than && !a.gone && !a.failed && !a.slow {
			return true
		}
	}
	return false
}

// Left is the longest that the next request may take.
func (c *Course) Left() time.Duration { return max(0, c.rules.Deadline-c.score.Spent) }

// Judge keeps the score after a request to address i, and says how the download
// goes on: an address that delivers right chunks is asked again.
func (c *Course) Judge(now time.Duration, i int, r Result) Verdict {
	a := &c.addresses[i]
	c.asked = true
	if r.Failure != nil {
		a.gone = a.gone || r.Kind == Gone
		a.notUntil = now + min(max(0, r.RetryAfter), longestRetry)
	}
	a.slow = a.slow || r.Slow
	if !r.Gained || r.Spoilt || r.Slow {
		c.at++
	}
	took := now - c.since
	if !r.Offline {
		c.score.Spent += took
	}
	if r.Gained {
		c.progressed()
	} else {
		c.fruitless(a, took, r)
	}
	if failure := c.exhausted(); failure != nil {
		return Verdict{Failure: failure}
	}
	if !r.Gained && !r.Offline && !c.score.Renewed && c.score.Failed >= evidence && c.allFailed() {
		c.score.Renewed = true
		c.score.Retry = c.retry(now)
		return Verdict{Need: ota.AddressMirrors}
	}
	return Verdict{}
}

// progressed starts a new round: something arrived from somewhere.
func (c *Course) progressed() {
	c.score = agent.Setbacks{Spent: c.score.Spent, Held: c.score.Held}
	for i := range c.addresses {
		c.addresses[i].failed = false
	}
}

// fruitless counts a request that brought nothing. Without a connection to the
// platform it only makes the pauses grow: what fails then is the line.
func (c *Course) fruitless(a *address, took time.Duration, r Result) {
	a.failed = true
	c.last = r.Failure
	if r.Kind != Gone {
		c.score.Failed++
	}
	if r.Offline {
		return
	}
	c.score.Fruitless++
	c.score.Waited += took
	if r.Kind == Away {
		c.score.Wrong = 0 // where a server is away, patience decides
	} else {
		c.score.Wrong++
	}
}

// exhausted is the failure of a download for which too much has gone wrong.
func (c *Course) exhausted() *ota.Failure {
	s := &c.score
	switch {
	case s.Wrong >= c.rules.Attempts:
		return &ota.Failure{Code: c.last.Code,
			Detail: fmt.Sprintf("%s in a row brought no new chunk, the last one: %s", ota.Counted(s.Fruitless, "request"),
				c.last.Detail)}
	case s.Waited >= c.rules.Patience && s.Fruitless >= c.rules.Attempts:
		return &ota.Failure{Code: c.last.Code,
			Detail: fmt.Sprintf("no new chunk came for %s, %s in a row, the last one: %s", s.Waited.Round(time.Second),
				ota.Counted(s.Fruitless, "request"), c.last.Detail)}
	case s.Spent >= c.rules.Deadline:
		return &ota.Failure{Code: ota.NetworkTimeout,
			Detail: fmt.Sprintf("the file has not come within %s", c.rules.Deadline)}
	}
	return nil
}

// NoneLeft says how to go on when Next found no address, and why that is. Where
// the addresses were so useless that not even a request could be made, that counts
// as a wrong answer, or the device would ask for others for ever.
func (c *Course) NoneLeft(why *ota.Failure) Verdict {
	if !c.asked {
		c.score.Fruitless++
		c.score.Wrong++
		c.last = &ota.Failure{Code: why.Code, Detail: "no address is left: " + why.Detail}
		if failure := c.exhausted(); failure != nil {
			return Verdict{Failure: failure}
		}
	}
	return Verdict{Need: ota.AddressExpired}
}

// allFailed reports whether some addresses are left and all of them have failed.
func (c *Course) allFailed() bool {
	left := 0
	for i := range c.addresses {
		a := &c.addresses[i]
		if a.gone {
			continue
		}
		if left++; !a.failed {
			return false
		}
	}
	return left > 0
}

// retry is how long even the first of the servers asks to be left alone.
func (c *Course) retry(now time.Duration) time.Duration {
	if i := c.choose(now); i >= 0 {
		return max(0, c.addresses[i].notUntil-now)
	}
	return 0
}
