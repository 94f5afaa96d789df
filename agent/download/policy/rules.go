package policy

import (
	"cmp"
	"strconv"
	"time"

	"otafleet/internal/ota"
)

// What zero Rules mean.
const (
	DefaultAttempts = 5
	DefaultPatience = 30 * time.Minute
	DefaultDeadline = 7 * 24 * time.Hour
	// DefaultStallTimeout is how long a request may bring too little.
	DefaultStallTimeout = 30 * time.Second
)

const (
	firstPause   = time.Second
	longestPause = time.Minute
	// longestRetry bounds what a server may ask for with Retry-After.
	longestRetry = 5 * time.Minute
	// evidence is how many requests in a row must have failed before all
	// addresses are said to have failed: one is not evidence, even of one.
	evidence = 2
)

// Rules are the limits of a download.
type Rules struct {
	// Attempts is the number of wrong answers in a row, without a new chunk
	// between them, at which a download has failed; 0 means 5.
	Attempts int
	// Patience is how long a download goes on without a new chunk while the
	// servers are away; 0 means 30 min. It is never shorter than Attempts requests.
	Patience time.Duration
	// Deadline is the longest time for one file, since the agent's start; 0 means
	// 7 days.
	Deadline time.Duration
}

// WithDefaults gives the rules with every zero replaced by what it means.
func (r Rules) WithDefaults() Rules {
	r.Attempts = cmp.Or(r.Attempts, DefaultAttempts)
	r.Patience = cmp.Or(r.Patience, DefaultPatience)
	r.Deadline = cmp.Or(r.Deadline, DefaultDeadline)
	return r
}

// Kind says what a request that brought less than was asked for tells of its
// address.
type Kind uint8

const (
	// Wrong is an answer that is not what was asked for: it costs an attempt.
	Wrong Kind = iota
	// Away is no answer, one that broke off, or one that says "later": it costs
	// time.
	Away
	// Gone is an answer, or an address, that says that asking again is of no use.
	Gone
)

// Result is what came of one request.
type Result struct {
	Gained bool // it brought a new verified chunk
	Spoilt bool // it brought a chunk with a wrong hash
	Slow   bool // it was ended because it brought too little
	// Offline says that the device had no connection to the platform: then a
	// request that fails counts for nothing.
	Offline bool
	// Failure is why it brought less than was asked for, nil if it did not; Kind
	// is of that.
	Failure *ota.Failure
	Kind    Kind
	// RetryAfter is how long the server asks not to be asked again; 0 for nothing.
	RetryAfter time.Duration
}

// Verdict is how a download goes on: with the next request if it is zero.
type Verdict struct {
	Need    ota.AddressReason // other addresses are to be asked for
	Failure *ota.Failure      // it has failed
}

// Ends reports whether no further request is to be made.
func (v Verdict) Ends() bool { return v.Need != "" || v.Failure != nil }

// StatusKind is what an HTTP status other than 200 and 206 tells of an address.
func StatusKind(status int) Kind {
	switch status {
	case 401, 403, 404:
		return Gone
	case 408, 425, 429:
		return Away
	}
	if status >= 500 {
		return Away
	}
	return Wrong
}

// StatusCode is the error code of a download that fails with an HTTP status other
// than 200 and 206.
func StatusCode(status int) ota.Code {
	switch {
	case StatusKind(status) == Gone:
		return ota.URLExpired
	case status == 416:
		return ota.SizeMismatch
	}
	return ota.HTTPError
}

// StatusWords says an HTTP status other than 200 and 206 for people.
func StatusWords(status int) string {
	words := ""
	switch {
	case status == 403:
		words = ": not allowed, or expired"
	case status == 404:
		words = ": no such object"
	case status == 416:
		words = ": the object is shorter than the manifest says"
	case status == 429:
		words = ": asked too often"
	case status >= 500:
		words = ": the storage is away or busy"
	}
	return "HTTP status " + strconv.Itoa(status) + words
}
