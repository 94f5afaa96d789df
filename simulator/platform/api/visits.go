package api

import (
	"crypto/rand"
	"net"
	"sync"
	"time"
)

const (
	visitTime  = 12 * time.Hour // how long a browser that signed in may stay away
	maxVisits  = 1000           // browsers that are signed in at a time
	wrongPause = time.Second    // after a wrong token, for the address that gave it
	maxPauses  = 4096           // addresses that have to pause
)

// visits are the browsers that are signed in, and the callers that have given a
// wrong token. They end with the process.
type visits struct {
	mu      sync.Mutex
	until   map[string]time.Time // by the cookie's value
	pausing map[string]time.Time // by the caller's host: until when nothing of it is compared
}

func newVisits() *visits {
	return &visits{until: map[string]time.Time{}, pausing: map[string]time.Time{}}
}

// begin gives a new cookie's value.
func (v *visits) begin(now time.Time) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	trim(v.until, now, maxVisits)
	id := rand.Text()
	v.until[id] = now.Add(visitTime)
	return id
}

// goes reports whether a cookie's value is good, and for longer from now on.
func (v *visits) goes(id string, now time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if until, known := v.until[id]; !known || !now.Before(until) {
		return false
	}
	v.until[id] = now.Add(visitTime)
	return true
}

// end makes a cookie's value worthless.
func (v *visits) end(id string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.until, id)
}

// pauses reports whether a caller has given a wrong token a moment ago.
func (v *visits) pauses(caller string, now time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return now.Before(v.pausing[hostOf(caller)])
}

// wrong notes that a caller has given a wrong token.
func (v *visits) wrong(caller string, now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	trim(v.pausing, now, maxPauses)
	v.pausing[hostOf(caller)] = now.Add(wrongPause)
}

// trim makes room for one more: by what is over, else by what ends first.
func trim(times map[string]time.Time, now time.Time, most int) {
	if len(times) < most {
		return
	}
	first := ""
	for key, until := range times {
		if !now.Before(until) {
			delete(times, key)
		} else if first == "" || until.Before(times[first]) {
			first = key
		}
	}
	if len(times) >= most {
		delete(times, first)
	}
}

func hostOf(caller string) string {
	host, _, err := net.SplitHostPort(caller)
	if err != nil {
		return caller
	}
	return host
}
