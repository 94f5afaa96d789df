package yamlform

import "strings"

// Suggest ends a message about an unknown word: it names the nearest of the
// known words, or all of them if none is near and they are few.
func Suggest(word string, known []string) string {
	const few = 24
	if near := nearest(word, known); near != "" {
		return "; did you mean " + quote(near) + "?"
	}
	if len(known) == 0 || len(known) > few {
		return ""
	}
	return "; want one of " + strings.Join(known, ", ")
}

// nearest is the known word to which word is a likely misspelling: one change in
// a short word, up to three in a long one.
func nearest(word string, known []string) string {
	best, least := "", min(3, (len(word)+2)/3, len(word)-1)+1
	for _, k := range known {
		if d := len(k) - len(word); d > 3 || d < -3 {
			continue
		}
		if d := distance(word, k); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance counts the letters to insert, drop, change or swap with their
// neighbour that make b of a.
func distance(a, b string) int {
	before, last, row := []int(nil), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			changed := last[j-1]
			if a[i-1] != b[j-1] {
				changed++
			}
			row[j] = min(changed, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, make([]int, len(b)+1)
	}
	return last[len(b)]
}
