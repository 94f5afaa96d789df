package ota

import (
	"cmp"
	"strings"
)

// SemVer is a semantic version, by the rules of semver.org 2.0.0. A "v" before it is
// allowed, as in many tags.
type SemVer struct {
	numbers [3]string // without leading zeros
	before  []string  // identifiers of a version before the release; empty for the release
}

// ParseSemVer reads a version; false if it is not a semantic one.
func ParseSemVer(text string) (v SemVer, valid bool) {
	text, build, isBuilt := strings.Cut(strings.TrimPrefix(text, "v"), "+")
	text, before, isBefore := strings.Cut(text, "-")
	numbers := strings.Split(text, ".")
	if len(numbers) != len(v.numbers) || isBuilt && !identifiers(build, false) || isBefore && !identifiers(before, true) {
		return SemVer{}, false
	}
	for i, n := range numbers {
		if !numeric(n) || leadingZero(n) {
			return SemVer{}, false
		}
		v.numbers[i] = n
	}
	if isBefore {
		v.before = strings.Split(before, ".")
	}
	return v, true
}

// identifiers reports whether a text is a list of identifiers with dots between them.
func identifiers(text string, strict bool) bool {
	for part := range strings.SplitSeq(text, ".") {
		if !word(part, false) || strings.Contains(part, "_") || strict && numeric(part) && leadingZero(part) {
			return false
		}
	}
	return true
}

func numeric(s string) bool { return s != "" && number(s) == len(s) }

func leadingZero(s string) bool { return len(s) > 1 && s[0] == '0' }

// Compare returns -1, 0 or 1. What stands after a plus sign does not count.
func (v SemVer) Compare(w SemVer) int {
	for i := range v.numbers {
		if order := compareNumbers(v.numbers[i], w.numbers[i]); order != 0 {
			return order
		}
	}
	if len(v.before) == 0 || len(w.before) == 0 {
		return cmp.Compare(len(w.before), len(v.before)) // the release comes after what was before it
	}
	for i := range min(len(v.before), len(w.before)) {
		if order := compareIdentifiers(v.before[i], w.before[i]); order != 0 {
			return order
		}
	}
	return cmp.Compare(len(v.before), len(w.before))
}

// compareNumbers compares numbers of any length that have no leading zeros.
func compareNumbers(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

// compareIdentifiers orders numbers before words.
func compareIdentifiers(a, b string) int {
	switch x, y := numeric(a), numeric(b); {
	case x && y:
		return compareNumbers(a, b)
	case x:
		return -1
	case y:
		return 1
	}
	return strings.Compare(a, b)
}
