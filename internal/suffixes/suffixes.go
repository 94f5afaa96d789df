// Package suffixes sorts the suffixes of a text: what the compression of a patch
// and the search for common parts of two images both rest on.
//
// One flow through it: Sort tells the positions of the text apart that begin a
// descent (LMS positions), names what lies between them, sorts these names by
// itself, and induces the order of all other suffixes from theirs. This is
// SA-IS (Nong, Zhang, Chan: "Two Efficient Algorithms for Linear Time Suffix
// Array Construction", 2011): linear in time, whatever the text repeats.
//
// The package searches nothing, and no device needs it: patches are made where
// packages are made.
package suffixes

import "slices"

// Need is how many bytes Sort takes at most for a text of n bytes, its result
// included and the text itself not.
func Need(n int64) int64 { return 14 * n }

// Sort returns the positions at which the suffixes of text begin, in the order
// of the suffixes. The text must be shorter than 2 GiB.
func Sort(text []byte) []int32 {
	const alphabet = 256
	return sort(text, alphabet)
}

// sort sorts a text of letters from 0 to alphabet-1.
func sort[T byte | int32](text []T, alphabet int) []int32 {
	if len(text) < 2 {
		return make([]int32, len(text))
	}
	s := newSorter(text, alphabet)
	first := s.lms()
	s.induce(first)
	if len(first) == 0 {
		return s.order
	}
	names, count := s.name(first)
	var next []int32
	if count == len(first) {
		next = make([]int32, len(first))
		for i, name := range names {
			next[name] = int32(i)
		}
	} else {
		next = sort(names, count)
	}
	sorted := names
	for i, n := range next {
		sorted[i] = first[n]
	}
	s.induce(sorted)
	return s.order
}

// sorter sorts one text.
type sorter[T byte | int32] struct {
	text   []T
	order  []int32
	rising []uint64 // a bit for each position: its suffix is smaller than the next one (S type)
	bounds []int32  // for each letter, where its bucket begins; and where the last one ends
	starts []int32  // for each letter, where in its bucket the rising suffixes begin
	place  []int32  // of one pass
}

func newSorter[T byte | int32](text []T, alphabet int) *sorter[T] {
	n := len(text)
	s := &sorter[T]{text: text, order: make([]int32, n), rising: make([]uint64, n/64+1),
		bounds: make([]int32, alphabet+1), starts: make([]int32, alphabet), place: make([]int32, alphabet+1)}
	for i := n - 2; i >= 0; i-- {
		if text[i] < text[i+1] || text[i] == text[i+1] && s.rises(i+1) {
			s.rising[i/64] |= 1 << (i % 64)
		}
	}
	falling := s.starts // counted first, and then moved to where the rising ones begin
	for i, letter := range text {
		s.bounds[int(letter)+1]++
		if !s.rises(i) {
			falling[letter]++
		}
	}
	for letter := range alphabet {
		s.bounds[letter+1] += s.bounds[letter]
		s.starts[letter] += s.bounds[letter]
	}
	return s
}

func (s *sorter[T]) rises(i int) bool { return s.rising[i/64]>>(i%64)&1 == 1 }

// isLMS reports whether a rising suffix follows a falling one at i.
func (s *sorter[T]) isLMS(i int) bool { return i > 0 && s.rises(i) && !s.rises(i-1) }

// lms lists the positions in question, in the order of the text.
func (s *sorter[T]) lms() []int32 {
	count := 0
	for i := range s.text {
		if s.isLMS(i) {
			count++
		}
	}
	list := make([]int32, 0, count)
	for i := range s.text {
		if s.isLMS(i) {
			list = append(list, int32(i))
		}
	}
	return list
}

// induce sorts all suffixes, given those that begin at LMS positions in the
// order that they shall have within their letter's bucket.
func (s *sorter[T]) induce(sorted []int32) {
	for i := range s.order {
		s.order[i] = -1
	}
	copy(s.place, s.starts)
	for _, p := range sorted {
		s.put(p)
	}
	copy(s.place, s.bounds)
	s.put(int32(len(s.text) - 1))
	for _, p := range s.order {
		if p > 0 && !s.rises(int(p-1)) {
			s.put(p - 1)
		}
	}
	copy(s.place, s.bounds)
	for i := len(s.order) - 1; i >= 0; i-- {
		if p := s.order[i]; p > 0 && s.rises(int(p-1)) {
			letter := s.text[p-1]
			s.place[int(letter)+1]--
			s.order[s.place[int(letter)+1]] = p - 1
		}
	}
}

// put gives a suffix the next place in its letter's bucket.
func (s *sorter[T]) put(p int32) {
	letter := s.text[p]
	s.order[s.place[letter]] = p
	s.place[letter]++
}

// name gives every LMS position, in the order of the text, the rank of what
// lies between it and the next one. It also says how many ranks there are.
func (s *sorter[T]) name(first []int32) (names []int32, count int) {
	// No two LMS positions are neighbours, so half of the position is enough.
	ranks := make([]int32, len(s.text)/2+1)
	last := -1
	for _, p := range s.order {
		if !s.isLMS(int(p)) {
			continue
		}
		if last >= 0 && !s.same(last, int(p)) {
			count++
		}
		ranks[p/2] = int32(count)
		last = int(p)
	}
	names = make([]int32, len(first))
	for i, p := range first {
		names[i] = ranks[p/2]
	}
	return slices.Clip(names), count + 1
}

// same compares what begins at two LMS positions, up to the next one of each.
func (s *sorter[T]) same(a, b int) bool {
	for i := 0; ; i++ {
		if a+i == len(s.text) || b+i == len(s.text) || s.text[a+i] != s.text[b+i] || s.rises(a+i) != s.rises(b+i) {
			return false
		}
		if i > 0 && (s.isLMS(a+i) || s.isLMS(b+i)) {
			return s.isLMS(a+i) && s.isLMS(b+i)
		}
	}
}
