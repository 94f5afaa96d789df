package verdict

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"slices"
	"strings"
	"unicode/utf8"

	"otafleet/simulator/scenario"
)

// DeviceSum is the digest of one device's events: the SHA-256 over the canonical
// form of each, in their order. Without events it is 32 zero bytes.
//
// The canonical form of an event does not name the device. It is, the lowest byte
// of each number first: kind and component status, one byte each; the time in
// nanoseconds, 8 bytes; N, 8 bytes; the number of the report, 4 bytes; the
// lengths of plan, component, text and detail, 2 bytes each; then these four.
type DeviceSum [sha256.Size]byte

// DeviceHash computes a DeviceSum. The zero value is ready; it takes about 200
// bytes, and no more for more events. It is not safe for concurrent use.
type DeviceHash struct {
	hash hash.Hash
	some bool // an event was added
	sum  DeviceSum
}

// Add takes the device's next event. The scratch is overwritten, and may be
// shared by many devices.
func (d *DeviceHash) Add(e *Event, scratch *[]byte) {
	if d.hash == nil {
		d.hash = sha256.New()
	}
	d.some = true
	*scratch = appendCanonical((*scratch)[:0], e)
	d.hash.Write(*scratch)
}

// Sum is the digest of what was added, and begins anew.
func (d *DeviceHash) Sum() DeviceSum {
	if !d.some {
		return DeviceSum{}
	}
	d.hash.Sum(d.sum[:0])
	d.hash.Reset()
	d.some = false
	return d.sum
}

// MaxText is how much of a text a history keeps, in bytes.
const MaxText = 1024

func appendCanonical(b []byte, e *Event) []byte {
	plan, component, text, detail := CleanText(e.Plan), CleanText(e.Component), CleanText(e.Text), CleanText(e.Detail)
	n := len(b)
	b = slices.Grow(b, headSize+len(plan)+len(component)+len(text)+len(detail))[:n+headSize]
	head := b[n : n+headSize]
	head[0], head[1] = byte(e.Kind), byte(e.Status)
	binary.LittleEndian.PutUint64(head[2:], uint64(e.At))
	binary.LittleEndian.PutUint64(head[10:], uint64(e.N))
	binary.LittleEndian.PutUint32(head[18:], uint32(e.Seq))
	lengths := uint64(len(plan)) | uint64(len(component))<<16 | uint64(len(text))<<32 | uint64(len(detail))<<48
	binary.LittleEndian.PutUint64(head[22:], lengths)
	b = append(b, plan...)
	b = append(b, component...)
	b = append(b, text...)
	return append(b, detail...)
}

// headSize is the length of the canonical form without its texts, in bytes.
const headSize = 30

// CleanText is a text as a history keeps it, so that a history read again has
// the digest of the run: at most MaxText bytes, and what is not UTF-8 replaced.
func CleanText(text string) string {
	if len(text) <= MaxText && isASCII(text) {
		return text
	}
	return cleanText(text)
}

func isASCII(text string) bool {
	var bits byte
	for i := range len(text) {
		bits |= text[i]
	}
	return bits < utf8.RuneSelf
}

func cleanText(text string) string {
	text = strings.ToValidUTF8(text, "\ufffd")
	return cut(text, MaxText)
}

// cut shortens a text to so many bytes, and to whole characters.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}

// Digest gathers the digests of a run's devices. Parts of a run, judged apart,
// are merged. The zero value is ready.
type Digest struct{ sums byDevice[DeviceSum] }

// set notes the digest of a device, by its ordinal.
func (d *Digest) set(ordinal int, sum DeviceSum) { *d.sums.at(ordinal) = sum }

// merge takes over the devices that only the other one has.
func (d *Digest) merge(other *Digest) {
	for ordinal, sum := range other.sums.all() {
		if *sum != (DeviceSum{}) {
			d.set(ordinal, *sum)
		}
	}
}

// Of is the digest of a scenario's run: the SHA-256 over the digests of all its
// devices, in the order of the fleets and of the numbers in them, as lower-case
// hexadecimal. It depends neither on the order in which devices were judged nor
// on how many shards ran them.
func (d *Digest) Of(s *scenario.Scenario) string {
	whole := sha256.New()
	var none DeviceSum
	for ordinal := range s.Devices() {
		sum := &none
		if known := d.sums.get(ordinal); known != nil {
			sum = known
		}
		whole.Write(sum[:])
	}
	return hex.EncodeToString(whole.Sum(nil))
}
