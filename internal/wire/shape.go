package wire

import (
	"unicode/utf8"

	"otafleet/internal/ota"
)

// Bounds of a payload beside its size. No message needs a third of either; the
// rest is room for fields to come.
const (
	maxDepth  = 16   // objects and lists within each other
	maxValues = 4096 // members and items, over the whole payload
)

const (
	ruleSize   = "must not be larger than 1 MiB"
	ruleUTF8   = "must be valid UTF-8"
	ruleObject = "must be a JSON object"
	ruleDepth  = "must not nest deeper than 16 levels"
	ruleValues = "must not have more than 4096 values"
)

// checkShape refuses a payload whose decoding would take more memory than a
// message can be worth, and returns the rule that it breaks, or "". It does
// not check that the payload is JSON.
func checkShape(payload []byte) (rule string) {
	switch {
	case len(payload) > ota.MaxPayload:
		return ruleSize
	case !utf8.Valid(payload):
		return ruleUTF8
	case !startsObject(payload):
		return ruleObject
	}
	depth, values := 0, 0
	for i := 0; i < len(payload); i++ {
		switch payload[i] {
		case '"':
			i = endOfString(payload, i)
		case '{', '[':
			depth++
			values++
		case '}', ']':
			depth--
		case ',':
			values++
		}
		if depth > maxDepth {
			return ruleDepth
		}
		if values > maxValues {
			return ruleValues
		}
	}
	return ""
}

func startsObject(payload []byte) bool {
	for _, b := range payload {
		switch b {
		case ' ', '\t', '\r', '\n':
		default:
			return b == '{'
		}
	}
	return false
}

// endOfString returns the place of the quote that ends the string which starts
// at start, or the end of the payload.
func endOfString(payload []byte, start int) int {
	for i := start + 1; i < len(payload); i++ {
		switch payload[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return len(payload)
}
