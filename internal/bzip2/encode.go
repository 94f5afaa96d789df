package bzip2

import (
	"slices"

	"otafleet/internal/suffixes"
)

// encode writes the block.
func (w *Writer) encode(sum uint32) {
	sorted, first := rotate(w.block)
	w.out.magic(blockMagic)
	w.out.put(32, sum)
	w.out.put(1, 0) // not randomised
	w.out.put(24, uint32(first))
	front := w.writeUsed(sorted)
	symbols := moveToFront(sorted, front)
	lengths, selectors := chooseTables(symbols, len(front)+2)
	w.out.put(3, uint32(len(lengths)))
	w.out.put(15, uint32(len(selectors)))
	w.writeSelectors(selectors)
	for _, l := range lengths {
		w.writeLengths(l)
	}
	codes := make([][]uint32, len(lengths))
	for i, l := range lengths {
		codes[i] = canonical(l)
	}
	for i, symbol := range symbols {
		t := selectors[i/groupSize]
		w.out.put(uint(lengths[t][symbol]), codes[t][symbol])
	}
}

// rotate gives the last bytes of the block's rotations, in their order, and the
// place of the block itself among them.
func rotate(block []byte) (last []byte, place int) {
	n := len(block)
	// In the doubled text a suffix compares as the rotation that begins there.
	order := suffixes.Sort(append(slices.Clone(block), block...))
	last = make([]byte, 0, n)
	for _, at := range order {
		if int(at) >= n {
			continue
		}
		if at == 0 {
			place = len(last)
		}
		last = append(last, block[(int(at)+n-1)%n])
	}
	return last, place
}

// writeUsed writes which bytes the block has, and returns them.
func (w *Writer) writeUsed(text []byte) []byte {
	var has [256]bool
	for _, c := range text {
		has[c] = true
	}
	var used []byte
	var ranges uint32
	var present [16]uint32
	for c := range 256 {
		if has[c] {
			used = append(used, byte(c))
			ranges |= 1 << (15 - c/16)
			present[c/16] |= 1 << (15 - c%16)
		}
	}
	w.out.put(16, ranges)
	for _, p := range present {
		if p != 0 {
			w.out.put(16, p)
		}
	}
	return used
}

// moveToFront replaces each byte by how many others have come since it was last
// seen, runs of zeros by their length in digits, and adds the end.
func moveToFront(text, used []byte) []uint16 {
	front := slices.Clone(used)
	symbols := make([]uint16, 0, len(text)+1)
	run := 0
	for _, c := range text {
		i := slices.Index(front, c)
		if i == 0 {
			run++
			continue
		}
		symbols = appendRun(symbols, run)
		run = 0
		copy(front[1:i+1], front[:i])
		front[0] = c
		symbols = append(symbols, uint16(i+1))
	}
	symbols = appendRun(symbols, run)
	return append(symbols, uint16(len(used)+1))
}

// appendRun writes a length with the digits 1 and 2, the lowest first.
func appendRun(symbols []uint16, n int) []uint16 {
	for ; n > 0; n = (n - 1) / 2 {
		symbols = append(symbols, uint16(1-n%2)) // runA for 1, runB for 2
	}
	return symbols
}

func (w *Writer) writeSelectors(selectors []uint8) {
	order := [maxTables]uint8{0, 1, 2, 3, 4, 5}
	for _, s := range selectors {
		k := slices.Index(order[:], s)
		for range k {
			w.out.put(1, 1)
		}
		w.out.put(1, 0)
		copy(order[1:k+1], order[:k])
		order[0] = s
	}
}

func (w *Writer) writeLengths(lengths []uint8) {
	at := lengths[0]
	w.out.put(5, uint32(at))
	for _, l := range lengths {
		for ; at < l; at++ {
			w.out.put(2, 0b10)
		}
		for ; at > l; at-- {
			w.out.put(2, 0b11)
		}
		w.out.put(1, 0)
	}
}
