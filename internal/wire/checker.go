package wire

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"otafleet/internal/ota"
)

// The rules of single fields, as a person reads them after the field's path.
const (
	ruleKey         = "must be 1 to 64 characters of A-Z a-z 0-9 _ -"
	rulePlanID      = "must be 1 to 64 characters of A-Z a-z 0-9 _ . -, not . or .."
	ruleComponentID = "must be 1 to 32 characters of A-Z a-z 0-9 _ . -, not . or .."
	ruleFileName    = "must be 1 to 128 characters of A-Z a-z 0-9 _ . -, not . or .."
	ruleVersion     = "must be 1 to 64 printable characters"
	ruleUnique      = "must not stand twice in the list"
	ruleTime        = "must be an RFC 3339 time of the years 1970 to 9999"
	ruleAttempt     = "must be a number from 1"
	ruleSeq         = "must be a number from 1"
	ruleBytes       = "must be a number of bytes from 0 to 5 TiB"
	ruleBattery     = "must be a percentage from 0 to 100"
	ruleRSSI        = "must be a number of dBm from -200 to 100"
	ruleType        = "must be module or mcu"
	rulePackageKind = "must be full or delta"
	ruleBase64      = "must be base64, and not empty"
)

// maxBytes bounds a size that may count all files of a package.
const maxBytes = ota.MaxFileSize * ota.MaxFiles

// maxProblems is how many faults of one message are spelled out.
const maxProblems = 16

// checker collects what is wrong with a message. It knows where in the message
// the check stands, and spells the path out only when there is something to
// say: a sound message costs it no memory.
type checker struct {
	path     [3]place // files[1].output is as deep as it gets
	depth    int
	problems []string
	more     int // problems beyond maxProblems
}

// place is one step of a path: an item of a list, or an object.
type place struct {
	name  string
	index int // -1 for an object
}

// enter goes into item index of a list; leave comes out again.
func (c *checker) enter(name string, index int) {
	c.path[c.depth] = place{name, index}
	c.depth++
}

// enterObject goes into an object; leave comes out again.
func (c *checker) enterObject(name string) { c.enter(name, -1) }

func (c *checker) leave() { c.depth-- }

// add notes that a field of the current place breaks a rule.
func (c *checker) add(field, rule string) {
	if len(c.problems) == maxProblems {
		c.more++
		return
	}
	var text strings.Builder
	for _, p := range c.path[:c.depth] {
		text.WriteString(p.name)
		if p.index >= 0 {
			text.WriteString("[" + strconv.Itoa(p.index) + "]")
		}
		text.WriteByte('.')
	}
	c.problems = append(c.problems, text.String()+field+": "+rule)
}

// once requires that a value of a list stands there once; seen are those before.
func (c *checker) once(seen map[string]bool, value, field string) {
	c.must(!seen[value], field, ruleUnique)
	seen[value] = true
}

// must notes that a field breaks a rule unless it holds.
func (c *checker) must(holds bool, field, rule string) {
	if !holds {
		c.add(field, rule)
	}
}

// count checks the length of a list, and reports whether its items are worth
// looking at.
func (c *checker) count(field string, n, least, most int) bool {
	if n < least || n > most {
		c.add(field, "must have "+strconv.Itoa(least)+" to "+strconv.Itoa(most)+" items")
		return false
	}
	return true
}

// time checks a time that must be given.
func (c *checker) time(field string, t instant) { c.must(t.valid(), field, ruleTime) }

// optionalTime checks a time that may be left out.
func (c *checker) optionalTime(field string, t instant) {
	c.must(t.IsZero() || t.valid(), field, ruleTime)
}

// text checks a text for people, or one that is only passed on.
func (c *checker) text(field, s string, most int) {
	if !validText(s, most) {
		c.add(field, "must be at most "+strconv.Itoa(most)+" characters without control characters")
	}
}

// bytes checks a number of bytes.
func (c *checker) bytes(field string, n int64) { c.must(n >= 0 && n <= maxBytes, field, ruleBytes) }

// plan checks the id of a plan.
func (c *checker) plan(id string) { c.must(ota.ValidPlanID(id), "plan", rulePlanID) }

// attempt checks the number of a plan's attempt.
func (c *checker) attempt(n int) { c.must(validAttempt(n), "attempt", ruleAttempt) }

// failed reports whether a problem was found.
func (c *checker) failed() bool { return len(c.problems) > 0 }

// invalid makes the error of a message in which problems were found.
func (c *checker) invalid(kind string, b body) error {
	e := &Invalid{Kind: kind, Problems: c.problems}
	if c.more > 0 {
		e.Problems = append(e.Problems, "and "+strconv.Itoa(c.more)+" more")
	}
	if p, ok := b.(planned); ok {
		plan, attempt := p.subject()
		if ota.ValidPlanID(plan) {
			e.Plan = plan
		}
		if validAttempt(attempt) {
			e.Attempt = attempt
		}
	}
	if p, ok := b.(*packageBody); ok && ota.ValidComponentID(p.Component) {
		e.Component = p.Component
	}
	return e
}

func validAttempt(n int) bool { return n >= 1 && n <= ota.MaxAttempt }

func validText(s string, most int) bool {
	return len(s) <= most*utf8.UTFMax && utf8.ValidString(s) &&
		utf8.RuneCountInString(s) <= most && strings.IndexFunc(s, unicode.IsControl) < 0
}

// clip makes a text for people fit.
func clip(s string) string { return ota.Clip(s, ota.MaxDetail) }
