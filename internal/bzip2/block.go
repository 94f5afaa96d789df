package bzip2

// Space is what decoding takes beside the stream. Readers that share one must
// be used by one goroutine at a time. The zero Space is ready for use.
type Space struct {
	// A block at first, a byte in each place; then the chain of it, of 20 bits
	// a link, the upper four in a half of high.
	low  []uint16
	high []byte

	owner     *Reader // whose block it holds
	tables    [maxTables]table
	selectors [maxSelectors]uint8
}

// Need is how many bytes a Space takes that has decoded blocks of a level.
func Need(level int) int64 { return int64(level) * blockUnit * 5 / 2 }

// reserve makes room for blocks of up to n bytes.
func (s *Space) reserve(n int) {
	if len(s.low) < n {
		s.low, s.high = make([]uint16, n), make([]byte, (n+1)/2)
	}
}

func (s *Space) link(i uint32) uint32 {
	return uint32(s.low[i]) | uint32(s.high[i/2]>>(i%2*4)&0xf)<<16
}

func (s *Space) setLink(i, to uint32) {
	s.low[i] = uint16(to)
	shift := i % 2 * 4
	s.high[i/2] = s.high[i/2]&^(0xf<<shift) | byte(to>>16)<<shift
}

// block is what must be known of a block in a Space to follow it.
type block struct {
	size  int    // bytes, before runs are expanded
	first uint32 // where the chain begins
	// starts tells for each byte where its share of the sorted block begins,
	// and how long the block is. hints tells the byte at each 4096th place.
	starts [257]uint32
	hints  [1 << 8]uint8
}

const hintShift = 12

// byteAt is the byte of the sorted block at a place.
func (b *block) byteAt(i uint32) byte {
	c := b.hints[i>>hintShift]
	for b.starts[int(c)+1] <= i {
		c++
	}
	return c
}

// decode reads a block behind its magic into the space, and makes the chain. limit
// is how many bytes it may have.
func (s *Space) decode(in *bitReader, b *block, limit int) error {
	in.take(32) // the checksum
	if in.flag() {
		return ErrMalformed // randomised
	}
	b.first = in.take(24)
	var used [256]byte
	symbols := readUsed(in, &used)
	if symbols == 0 {
		return ErrMalformed
	}
	groups, err := s.readTables(in, symbols+2)
	if err != nil {
		return err
	}
	s.reserve(limit)
	if err := s.readSymbols(in, b, used[:symbols], groups, limit); err != nil {
		return err
	}
	if in.err != nil {
		return in.err
	}
	if b.first >= uint32(b.size) {
		return ErrMalformed
	}
	s.chain(b)
	return nil
}

// readUsed reads which bytes the block has, and returns how many.
func readUsed(in *bitReader, used *[256]byte) int {
	n := 0
	ranges := in.take(16)
	for high := range 16 {
		if ranges>>(15-high)&1 == 0 {
			continue
		}
		present := in.take(16)
		for low := range 16 {
			if present>>(15-low)&1 == 1 {
				used[n] = byte(high<<4 | low)
				n++
			}
		}
	}
	return n
}

// readSymbols undoes the Huffman codes, the runs and the move-to-front of a
// block into low, and counts its bytes in b.starts.
func (s *Space) readSymbols(in *bitReader, b *block, front []byte, groups, limit int) error {
	b.starts = [257]uint32{}
	end := uint16(len(front) + 1)
	n, run, digit := 0, 0, 1
	for k := 0; ; k++ {
		if k == groups*groupSize || in.err != nil {
			return ErrMalformed // no end
		}
		symbol, ok := s.tables[s.selectors[k/groupSize]].read(in)
		if !ok {
			return errNoCode
		}
		if symbol <= runB {
			run += digit << symbol
			digit <<= 1
			if run > limit-n {
				return ErrMalformed
			}
			continue
		}
		for ; run > 0; run-- {
			s.low[n] = uint16(front[0])
			b.starts[int(front[0])+1]++
			n++
		}
		digit = 1
		if symbol == end {
			b.size = n
			return nil
		}
		if symbol > end || n == limit {
			return ErrMalformed
		}
		c := front[symbol-1]
		copy(front[1:symbol], front[:symbol-1])
		front[0] = c
		s.low[n] = uint16(c)
		b.starts[int(c)+1]++
		n++
	}
}

// chain sorts the block's bytes and links each place of the sorted block to the
// one of the byte that follows it in the text.
func (s *Space) chain(b *block) {
	for c := range 256 {
		b.starts[c+1] += b.starts[c]
	}
	c := 0
	for i := range (b.size-1)>>hintShift + 1 {
		for int(b.starts[c+1]) <= i<<hintShift {
			c++
		}
		b.hints[i] = byte(c)
	}
	place := b.starts
	for i := range uint32(b.size) {
		c := s.low[i]
		s.setLink(i, place[c])
		place[c]++
	}
	// The links lead backwards now; they are turned round one after another.
	from, at := b.first, s.link(b.first)
	for {
		next := s.link(at)
		s.setLink(at, from)
		if at == b.first {
			return
		}
		from, at = at, next
	}
}
