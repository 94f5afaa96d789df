package bsdiff

import "bytes"

// longest is how far two places are compared: where they agree as far as that,
// the walk moves on by as much and compares again. Without a bound, images with
// long runs would take the square of their length.
const longest = 4 << 10

// better is by how many bytes a match must be longer than what the alignment in
// work gives, to be worth a triple of its own.
const better = 8

// part is one triple and where it applies.
type part struct {
	add, take, move int
	at, from        int // where it begins in the new and in the old image
}

// matcher walks through the new image. The rules for what makes a good match
// are Colin Percival's ("Naive Differences of Executable Code", 2003).
type matcher struct {
	old, new []byte
	order    []int32 // suffixes of old

	scan, length, position int // the match in hand: where in new, how long, where in old
	lastScan, lastPosition int // where the last part ends, in new and in old
	shift                  int // of the alignment in work, from new to old
}

// next returns the next part; false at the end.
func (m *matcher) next() (part, bool) {
	for m.scan < len(m.new) {
		score := m.search()
		if m.length == score && m.scan < len(m.new) {
			continue // the alignment in work does as well
		}
		return m.emit(), true
	}
	return part{}, false
}

// search moves to the next place from which a match is better than the
// alignment in work. It returns how many bytes of the match that gives right.
func (m *matcher) search() (score int) {
	m.scan += m.length
	m.length = 0
	for counted := m.scan; m.scan < len(m.new); m.scan++ {
		if n := m.aligned(); n == longest {
			m.length, m.position = n, m.scan+m.shift
			return n
		}
		m.length, m.position = m.find(m.new[m.scan:])
		for ; counted < m.scan+m.length; counted++ {
			score += m.right(counted)
		}
		if m.length == score && m.length != 0 || m.length > score+better {
			return score
		}
		score -= m.right(m.scan)
	}
	return score
}

// right is 1 if the alignment in work gives the byte at i.
func (m *matcher) right(i int) int {
	if at := i + m.shift; at >= 0 && at < len(m.old) && m.old[at] == m.new[i] {
		return 1
	}
	return 0
}

// aligned is how far the alignment in work gives what follows.
func (m *matcher) aligned() int {
	at := m.scan + m.shift
	if at < 0 || at >= len(m.old) {
		return 0
	}
	return common(m.old[at:], m.new[m.scan:])
}

// find searches the longest match of text in the old image, up to longest.
func (m *matcher) find(text []byte) (length, position int) {
	text = text[:min(len(text), longest)]
	low, high := 0, len(m.order)
	for low < high {
		middle := (low + high) / 2
		suffix := m.old[m.order[middle]:]
		if bytes.Compare(suffix[:min(len(suffix), longest)], text) < 0 {
			low = middle + 1
		} else {
			high = middle
		}
	}
	for _, i := range []int{low - 1, low} {
		if i < 0 || i >= len(m.order) {
			continue
		}
		if n := common(m.old[m.order[i]:], text); n > length {
			length, position = n, int(m.order[i])
		}
	}
	return length, position
}

// common is how many bytes a and b begin with alike, up to longest.
func common(a, b []byte) int {
	n := min(len(a), len(b), longest)
	a, b = a[:n], b[:n]
	const word = 32 // bytes that are compared at once
	i := 0
	for i+word <= n && bytes.Equal(a[i:i+word], b[i:i+word]) {
		i += word
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

// emit ends the part in work, which goes forwards from the last match and meets
// what goes backwards from the one in hand.
func (m *matcher) emit() part {
	forward, backward := m.forward(), m.backward()
	if overlap := m.lastScan + forward - (m.scan - backward); overlap > 0 {
		keep := m.divide(forward, backward, overlap)
		forward += keep - overlap
		backward -= keep
	}
	p := part{at: m.lastScan, from: m.lastPosition, add: forward,
		take: m.scan - backward - (m.lastScan + forward),
		move: m.position - backward - (m.lastPosition + forward)}
	m.lastScan, m.lastPosition = m.scan-backward, m.position-backward
	m.shift = m.position - m.scan
	return p
}

// forward is how far the last alignment is worth going on: to where it gives the
// most bytes right against those that it gives wrong.
func (m *matcher) forward() (length int) {
	score, best := 0, 0
	for i := 0; m.lastScan+i < m.scan && m.lastPosition+i < len(m.old); {
		if m.old[m.lastPosition+i] == m.new[m.lastScan+i] {
			score++
		}
		i++
		if score*2-i > best*2-length {
			best, length = score, i
		}
	}
	return length
}

// backward is the same for the match in hand, towards its beginning.
func (m *matcher) backward() (length int) {
	if m.scan >= len(m.new) {
		return 0
	}
	score, best := 0, 0
	for i := 1; m.scan >= m.lastScan+i && m.position >= i; i++ {
		if m.old[m.position-i] == m.new[m.scan-i] {
			score++
		}
		if score*2-i > best*2-length {
			best, length = score, i
		}
	}
	return length
}

// divide says how much of the overlap of both the first keeps.
func (m *matcher) divide(forward, backward, overlap int) (keep int) {
	score, best := 0, 0
	for i := range overlap {
		if at := m.lastScan + forward - overlap + i; m.new[at] == m.old[m.lastPosition+forward-overlap+i] {
			score++
		}
		if at := m.scan - backward + i; m.new[at] == m.old[m.position-backward+i] {
			score--
		}
		if score > best {
			best, keep = score, i+1
		}
	}
	return keep
}
