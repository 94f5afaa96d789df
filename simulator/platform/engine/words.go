package engine

// Bounds of the table of shared strings: devices choose their versions, and
// must not be able to fill the memory with them.
const (
	maxWords = 1 << 16
	maxWord  = 256 // bytes
)

// words shares equal strings, so that a fleet that runs three versions keeps
// three strings, and numbers them, so that a log line needs four bytes for one.
type words struct {
	numbers map[string]uint32
	list    []string // by number; 0 is the empty string
}

func newWords() words {
	return words{numbers: map[string]uint32{"": 0}, list: []string{""}}
}

// share returns the one copy of s, or s itself if the table has no room for it.
func (w *words) share(s string) string {
	if n := w.number(s); n != 0 {
		return w.list[n]
	}
	return s
}

// number returns the number of s; 0 for the empty string, one that is too long,
// and if the table is full.
func (w *words) number(s string) uint32 {
	n, known := w.numbers[s]
	if known || len(w.list) >= maxWords || len(s) > maxWord {
		return n
	}
	n = uint32(len(w.list))
	w.numbers[s] = n
	w.list = append(w.list, s)
	return n
}

// at returns the string of a number that number gave.
func (w *words) at(n uint32) string { return w.list[n] }
