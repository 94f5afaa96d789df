package wire

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"

	"otafleet/internal/ota"
)

// The types of this file are JSON strings with a form of their own. Reading one
// never fails: what cannot be read is marked, and the check of the message
// reports it with its path beside the message's other faults.

// timeLayout is how times are written: RFC 3339 with milliseconds, in UTC.
const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// instant is a time. Any RFC 3339 time is read, and becomes UTC with
// milliseconds.
type instant struct {
	t   time.Time
	bad bool
}

// IsZero reports whether the time was left out.
func (t instant) IsZero() bool { return t.t.IsZero() && !t.bad }

// valid reports whether the time is given and has a year of four digits in
// UTC. Devices without a clock start in 1970.
func (t instant) valid() bool {
	year := t.t.UTC().Year()
	return !t.bad && year >= 1970 && year <= 9999
}

func (t instant) MarshalText() ([]byte, error) {
	return t.append(make([]byte, 0, len(timeLayout))), nil
}

// append writes the time by timeLayout. Package time knows whole seconds by heart, and
// reads any other layout anew each time.
func (t instant) append(to []byte) []byte {
	utc := t.t.UTC()
	to = utc.AppendFormat(to, time.RFC3339)
	ms := utc.Nanosecond() / int(time.Millisecond)
	return append(to[:len(to)-1], '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z')
}

func (t *instant) UnmarshalText(text []byte) error {
	var parsed time.Time
	if parsed.UnmarshalText(text) != nil {
		*t = instant{bad: true}
		return nil
	}
	*t = instant{t: parsed.UTC().Truncate(time.Millisecond)}
	return nil
}

// digest is a SHA-256 in lower-case hex.
type digest struct {
	sum ota.Digest
	ok  bool // false if left out or not read
}

func (d digest) MarshalText() ([]byte, error) {
	return hex.AppendEncode(nil, d.sum[:]), nil
}

func (d *digest) UnmarshalText(text []byte) error {
	*d = digest{}
	if len(text) != hex.EncodedLen(len(d.sum)) {
		return nil
	}
	for _, c := range text {
		if 'A' <= c && c <= 'F' {
			return nil
		}
	}
	_, err := hex.Decode(d.sum[:], text)
	d.ok = err == nil
	return nil
}

// hashes is the base64 of SHA-256 values laid end to end.
type hashes struct {
	list []ota.Digest
	bad  bool
}

func (h hashes) MarshalText() ([]byte, error) {
	flat := make([]byte, 0, len(h.list)*len(ota.Digest{}))
	for i := range h.list {
		flat = append(flat, h.list[i][:]...)
	}
	return base64.StdEncoding.AppendEncode(nil, flat), nil
}

func (h *hashes) UnmarshalText(text []byte) error {
	const size = len(ota.Digest{})
	flat, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil || len(flat)%size != 0 {
		*h = hashes{bad: true}
		return nil
	}
	*h = hashes{}
	if len(flat) > 0 {
		h.list = make([]ota.Digest, len(flat)/size)
	}
	for i := range h.list {
		h.list[i] = ota.Digest(flat[i*size:])
	}
	return nil
}

// blob is bytes in base64. It is written in the standard alphabet; the
// URL-safe one is read too, as DSSE asks, with and without padding.
type blob struct {
	data []byte
	bad  bool
}

func (b blob) MarshalText() ([]byte, error) {
	return base64.StdEncoding.AppendEncode(nil, b.data), nil
}

func (b *blob) UnmarshalText(text []byte) error {
	data, err := decodeBase64(string(text))
	*b = blob{data: data, bad: err != nil}
	return nil
}

func decodeBase64(s string) ([]byte, error) {
	encoding := base64.StdEncoding
	if strings.ContainsAny(s, "-_") {
		encoding = base64.URLEncoding
	}
	if len(s)%4 != 0 {
		encoding = encoding.WithPadding(base64.NoPadding)
	}
	return encoding.DecodeString(s)
}

// mapped converts every item of a list. An empty list becomes nil, so that one
// that was left out and one that is empty are the same.
func mapped[From, To any](list []From, convert func(From) To) []To {
	if len(list) == 0 {
		return nil
	}
	out := make([]To, len(list))
	for i := range list {
		out[i] = convert(list[i])
	}
	return out
}
