package bzip2

// table is one code of a block, in its canonical form: codes of one length are
// consecutive numbers, in the order of the symbols.
type table struct {
	limit   [maxCode + 1]int32 // the largest code of each length; -1 where there is none
	base    [maxCode + 1]int32 // what to take from a code of that length to get its place in symbols
	symbols [maxSymbols]uint16
	least   uint // the shortest length
}

// read takes one symbol.
func (t *table) read(in *bitReader) (symbol uint16, ok bool) {
	ahead := int32(in.peek(maxCode))
	for length := t.least; length <= maxCode; length++ {
		if code := ahead >> (maxCode - length); code <= t.limit[length] {
			in.take(length)
			return t.symbols[code-t.base[length]], true
		}
	}
	return 0, false
}

// set makes the table of a code whose lengths are given. It refuses lengths
// that are too many for a code.
func (t *table) set(lengths []uint8) bool {
	var counts [maxCode + 1]int32
	for _, l := range lengths {
		counts[l]++
	}
	code, place := int32(0), int32(0)
	t.least = 0
	for length := 1; length <= maxCode; length++ {
		code <<= 1
		t.base[length], t.limit[length] = code-place, code+counts[length]-1
		if counts[length] == 0 {
			t.limit[length] = -1
		} else if t.least == 0 {
			t.least = uint(length)
		}
		code, place = code+counts[length], place+counts[length]
		if code > 1<<length {
			return false
		}
	}
	next := 0
	for length := 1; length <= maxCode; length++ {
		for symbol, l := range lengths {
			if int(l) == length {
				t.symbols[next] = uint16(symbol)
				next++
			}
		}
	}
	return true
}

// readTables reads the codes of a block with so many symbols, and which of them
// each group of symbols uses. It returns the number of groups.
func (s *Space) readTables(in *bitReader, symbols int) (groups int, err error) {
	tables := int(in.take(3))
	groups = int(in.take(15))
	if tables < minTables || tables > maxTables || groups == 0 {
		return 0, ErrMalformed
	}
	order := [maxTables]uint8{0, 1, 2, 3, 4, 5}
	for i := range groups {
		k := 0
		for in.flag() {
			if k++; k == tables {
				return 0, ErrMalformed
			}
		}
		chosen := order[k]
		copy(order[1:k+1], order[:k])
		order[0] = chosen
		if i < maxSelectors { // some writers add more, which no block can use
			s.selectors[i] = chosen
		}
	}
	for i := range tables {
		if err := s.tables[i].readLengths(in, symbols); err != nil {
			return 0, err
		}
	}
	return min(groups, maxSelectors), nil
}

// readLengths reads one code: the first length, then for each symbol by how much
// it differs.
func (t *table) readLengths(in *bitReader, symbols int) error {
	var lengths [maxSymbols]uint8
	length := in.take(5)
	for i := range symbols {
		for {
			if length < 1 || length > maxCode || in.err != nil {
				return ErrMalformed
			}
			if !in.flag() {
				break
			}
			if in.flag() {
				length--
			} else {
				length++
			}
		}
		lengths[i] = uint8(length)
	}
	if !t.set(lengths[:symbols]) {
		return ErrMalformed
	}
	return nil
}
