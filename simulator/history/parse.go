package history

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"otafleet/internal/ota"
	"otafleet/simulator/verdict"
)

// parser reads lines back. It accepts exactly the lines that appendLine writes,
// so that a history read and written again is the same to the byte. appendLine says
// why no library does it.
type parser struct {
	rest     []byte // of the line
	texts    interner
	kinds    map[string]verdict.Kind
	statuses map[string]ota.Status
}

func newParser() *parser {
	p := &parser{kinds: map[string]verdict.Kind{}, statuses: map[string]ota.Status{}}
	for _, kind := range verdict.Kinds() {
		p.kinds[kind.String()] = kind
	}
	for _, row := range ota.Statuses() {
		p.statuses[row.Wire] = row.Status
	}
	return p
}

var errForm = errors.New("the line is not of the form that a history has")

// parse reads a line without its end.
func (p *parser) parse(line []byte, e *verdict.Event) error {
	*e = verdict.Event{}
	p.rest = line
	if !p.cut("{") {
		return errForm
	}
	if p.cut(`"t":`) {
		at, err := p.number(1, math.MaxInt64)
		if err != nil {
			return fmt.Errorf("t: %w", err)
		}
		e.At = time.Duration(at)
		if !p.cut(",") {
			return errForm
		}
	}
	if !p.cut(`"k":"`) {
		return errForm
	}
	kind, known := p.kinds[string(p.word())]
	if !known {
		return errors.New("k: unknown kind of event")
	}
	e.Kind = kind
	if err := p.fields(e); err != nil {
		return err
	}
	if !p.cut("}") || len(p.rest) > 0 {
		return errForm
	}
	return nil
}

// fields reads what may be left out.
func (p *parser) fields(e *verdict.Event) (err error) {
	text := func(key string, into *string) {
		if err == nil && p.cut(key) {
			if *into, err = p.text(); err != nil {
				err = fmt.Errorf("%c: %w", key[2], err)
			}
		}
	}
	number := func(key string, least, most int64) (n int64) {
		if err == nil && p.cut(key) {
			if n, err = p.number(least, most); err != nil {
				err = fmt.Errorf("%c: %w", key[2], err)
			}
		}
		return n
	}
	text(`,"d":"`, &e.Device)
	text(`,"p":"`, &e.Plan)
	text(`,"c":"`, &e.Component)
	if err == nil && p.cut(`,"s":"`) {
		status := p.statuses[string(p.word())]
		if status == 0 {
			return errors.New("s: unknown status")
		}
		e.Status = status
	}
	e.Seq = int(number(`,"q":`, 1, math.MaxInt32))
	e.N = number(`,"n":`, math.MinInt64, math.MaxInt64)
	text(`,"x":"`, &e.Text)
	text(`,"f":"`, &e.Detail)
	return err
}

// cut takes a prefix off the line, if it is there.
func (p *parser) cut(prefix string) bool {
	if len(p.rest) < len(prefix) || string(p.rest[:len(prefix)]) != prefix {
		return false
	}
	p.rest = p.rest[len(prefix):]
	return true
}

// word takes everything up to the next quote, and the quote.
func (p *parser) word() []byte {
	end := bytes.IndexByte(p.rest, '"')
	if end < 0 {
		return nil
	}
	word := p.rest[:end]
	p.rest = p.rest[end+1:]
	return word
}

// number takes a number that is not 0.
func (p *parser) number(least, most int64) (int64, error) {
	digits, negative := p.rest, false
	if len(digits) > 0 && digits[0] == '-' {
		digits, negative = digits[1:], true
	}
	var n uint64 // 19 digits always fit
	end := 0
	for end < len(digits) && end < 20 && digits[end] >= '0' && digits[end] <= '9' {
		n = n*10 + uint64(digits[end]-'0')
		end++
	}
	value, fits := int64(n), n <= math.MaxInt64
	if negative {
		value, fits = -value, n <= -math.MinInt64
	}
	if end == 0 || end == 20 || digits[0] == '0' || !fits || value < least || value > most {
		return 0, fmt.Errorf("want a whole number from %d to %d, and no key for 0", least, most)
	}
	p.rest = digits[end:]
	return value, nil
}

// text takes a text that is not empty, and the quote behind it.
func (p *parser) text() (string, error) {
	end := bytes.IndexByte(p.rest, '"')
	if end > 0 && end <= verdict.MaxText && isPlain(p.rest[:end]) {
		text := p.texts.intern(p.rest[:end])
		p.rest = p.rest[end+1:]
		return text, nil
	}
	return p.escaped()
}

// escaped takes a text in which something is escaped, or that is not ASCII.
func (p *parser) escaped() (string, error) {
	var text []byte
	for i := 0; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			if len(text) == 0 || len(text) > verdict.MaxText || !utf8.Valid(text) {
				return "", fmt.Errorf("want 1 to %d bytes of UTF-8", verdict.MaxText)
			}
			p.rest = p.rest[i+1:]
			return p.texts.intern(text), nil
		case c < ' ':
			return "", errForm
		case c == '\\':
			plain, size := unescape(p.rest[i:])
			if size == 0 {
				return "", errors.New("an escape is not one that a history has")
			}
			text = append(text, plain)
			i += size - 1
		default:
			text = append(text, c)
		}
	}
	return "", errors.New("the text has no end")
}

// unescape reads an escape at the beginning of b; size 0 if it is none.
func unescape(b []byte) (c byte, size int) {
	if len(b) > 1 && (b[1] == '"' || b[1] == '\\') {
		return b[1], 2
	}
	const digits = "0123456789abcdef"
	if len(b) < 6 || string(b[:4]) != `\u00` {
		return 0, 0
	}
	high, low := bytes.IndexByte([]byte(digits), b[4]), bytes.IndexByte([]byte(digits), b[5])
	if high < 0 || high > 1 || low < 0 {
		return 0, 0
	}
	return byte(high<<4 | low), 6
}

// interner gives the same string for the same bytes, most of the time, without
// taking memory. It keeps some thousands of strings, and forgets one for another.
type interner struct{ kept [1 << 14]string }

func (n *interner) intern(b []byte) string {
	h := uint32(2166136261)
	for _, c := range b {
		h = (h ^ uint32(c)) * 16777619
	}
	slot := &n.kept[(h^h>>14)%uint32(len(n.kept))]
	if *slot != string(b) {
		*slot = string(b)
	}
	return *slot
}
