package ota

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bounds of the protocol: what is larger is refused before memory is taken.
const (
	MaxPayload     = 1 << 20       // bytes of one message
	MaxPacket      = 1<<20 + 4<<10 // bytes of one MQTT packet, announced by the device
	MaxKey         = 64            // characters of a product, device or plan id
	MaxComponentID = 32            // characters of a component id
	MaxVersion     = 64            // characters of a version
	MaxFileName    = 128           // characters of a package's file name
	MaxPlanName    = 100           // characters of a plan's name
	MaxComponents  = 20            // components of a plan
	MaxSources     = 8             // versions a full package may start from
	MaxFiles       = 5             // files of a package
	MaxURLs        = 16            // addresses of one file
	MaxURL         = 8 << 10       // characters of one address
	MaxSignatures  = 16            // signatures of an envelope
	MaxHardware    = 64            // hardware revisions of a manifest
	MaxDetail      = 4 << 10       // bytes of an error's detail
	MinChunk       = 512           // bytes of a chunk
	MaxChunk       = 4 << 20       // bytes of a chunk: what a device holds in memory before it writes
	MaxFileSize    = 1 << 40       // bytes of a file
	MaxInventory   = 64            // components of an inventory
	MaxAttempt     = 1 << 30       // attempts of a plan
)

// DefaultChunk is the chunk size in bytes where none is asked for: small enough
// to lose little at a cut, large enough that a manifest of a 100 MiB image
// stays below 70 KiB.
const DefaultChunk = 64 << 10

// Bounds of what an operator asks of a plan.
const (
	MaxRetries = 5    // automatic ones, of each component
	LowestRSSI = -113 // dBm
	// How long after a refusal a silent plan is not pushed.
	ShortestQuiet = 10 * time.Minute
	LongestQuiet  = 24 * time.Hour
	DefaultQuiet  = 2 * time.Hour
)

// Clip bounds a text for people to most bytes of UTF-8, at least 16. It keeps the
// beginning, which says who speaks, and of a longer text rather the end: the last
// words of a program tell why it failed.
func Clip(text string, most int) string {
	const gap, mostHead = " … ", 256
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= most {
		return text
	}
	head := min(mostHead, most/4)
	for !utf8.RuneStart(text[head]) {
		head--
	}
	tail := len(text) - (most - head - len(gap))
	for !utf8.RuneStart(text[tail]) {
		tail++
	}
	return text[:head] + gap + text[tail:]
}

// ValidKey reports whether s may be a product or a device.
func ValidKey(s string) bool { return len(s) <= MaxKey && word(s, false) }

// ValidPlanID reports whether s may be the id of a plan.
func ValidPlanID(s string) bool { return len(s) <= MaxKey && word(s, true) }

// ValidComponentID reports whether s may be the id of a component.
func ValidComponentID(s string) bool { return len(s) <= MaxComponentID && word(s, true) }

// ValidFileName reports whether s may name a file of a package. Such a name
// has no separator and is not "." or "..", so it never leaves its directory.
func ValidFileName(s string) bool { return len(s) <= MaxFileName && word(s, true) }

// ValidVersion reports whether s may be a version: 1 to 64 printable
// characters, compared for equality only.
func ValidVersion(s string) bool {
	n := 0
	for _, r := range s {
		if n == MaxVersion || !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return false
		}
		n++
	}
	return n > 0
}

// word checks for [A-Za-z0-9_-]+, with a dot where dots says so, and refuses
// the two names that every directory has.
func word(s string, dots bool) bool {
	if s == "" || s == "." || s == ".." {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-':
		case c == '.' && dots:
		default:
			return false
		}
	}
	return true
}
