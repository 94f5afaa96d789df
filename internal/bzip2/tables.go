package bzip2

import "slices"

// maxWritten is the longest code that is written, as by the bzip2 command.
const maxWritten = 17

// rounds is how often the tables are fitted to the groups that chose them.
const rounds = 4

// chooseTables makes up to six codes and says which of them each group of
// symbols uses.
func chooseTables(symbols []uint16, alphabet int) (lengths [][]uint8, selectors []uint8) {
	lengths = firstTables(symbols, alphabet)
	selectors = make([]uint8, (len(symbols)+groupSize-1)/groupSize)
	for range rounds {
		counts := make([][]int, len(lengths))
		for i := range counts {
			counts[i] = make([]int, alphabet)
		}
		for g := range selectors {
			group := symbols[g*groupSize : min((g+1)*groupSize, len(symbols))]
			best := cheapest(lengths, group)
			selectors[g] = uint8(best)
			for _, s := range group {
				counts[best][s]++
			}
		}
		for i := range lengths {
			lengths[i] = codeLengths(counts[i])
		}
	}
	return lengths, selectors
}

// firstTables share out the alphabet by frequency: each table is made for one
// range of symbols.
func firstTables(symbols []uint16, alphabet int) [][]uint8 {
	tables := maxTables
	for i, below := range []int{200, 600, 1200, 2400} { // by the number of symbols, as the bzip2 command
		if len(symbols) < below {
			tables = minTables + i
			break
		}
	}
	counts := make([]int, alphabet)
	for _, s := range symbols {
		counts[s]++
	}
	const cheap, dear = 1, 15
	lengths := make([][]uint8, tables)
	rest, from := len(symbols), 0
	for t := range lengths {
		share, to := 0, from
		for to < alphabet && (share < rest/(tables-t) || to == from) {
			share += counts[to]
			to++
		}
		lengths[t] = slices.Repeat([]uint8{dear}, alphabet)
		for s := from; s < to; s++ {
			lengths[t][s] = cheap
		}
		rest, from = rest-share, to
	}
	return lengths
}

// cheapest finds the table that codes a group in the fewest bits.
func cheapest(lengths [][]uint8, group []uint16) int {
	best, least := 0, 0
	for t, l := range lengths {
		bits := 0
		for _, s := range group {
			bits += int(l[s])
		}
		if t == 0 || bits < least {
			best, least = t, bits
		}
	}
	return best
}

// codeLengths makes a Huffman code. Every symbol gets a code, since the format
// wants one; where one would be too long, the counts are made more alike.
func codeLengths(counts []int) []uint8 {
	weights := make([]int, len(counts))
	for i, c := range counts {
		weights[i] = max(c, 1) << 8
	}
	for {
		lengths := huffman(weights)
		if slices.Max(lengths) <= maxWritten {
			return lengths
		}
		for i := range weights {
			weights[i] = (weights[i]>>9 + 1) << 8
		}
	}
}

// huffman gives the length of each symbol's code. The lower byte of a weight
// holds the depth of its tree, so that among equals flat ones are joined first.
func huffman(weights []int) []uint8 {
	type node struct{ weight, parent int }
	nodes := make([]node, len(weights), 2*len(weights))
	open := make([]int, len(weights))
	for i, w := range weights {
		nodes[i] = node{weight: w}
		open[i] = i
	}
	byWeight := func(a, b int) int { return nodes[b].weight - nodes[a].weight }
	slices.SortStableFunc(open, byWeight)
	for len(open) > 1 {
		a, b := open[len(open)-1], open[len(open)-2]
		open = open[:len(open)-2]
		wa, wb := nodes[a].weight, nodes[b].weight
		joined := wa&^0xff + wb&^0xff | 1 + max(wa&0xff, wb&0xff)
		nodes[a].parent, nodes[b].parent = len(nodes), len(nodes)
		nodes = append(nodes, node{weight: joined})
		at, _ := slices.BinarySearchFunc(open, len(nodes)-1, byWeight)
		open = slices.Insert(open, at, len(nodes)-1)
	}
	lengths := make([]uint8, len(weights))
	for i := range lengths {
		for n := i; nodes[n].parent != 0; n = nodes[n].parent {
			lengths[i]++
		}
	}
	return lengths
}

// canonical gives each symbol its code.
func canonical(lengths []uint8) []uint32 {
	codes := make([]uint32, len(lengths))
	code := uint32(0)
	for length := uint8(1); length <= maxCode; length++ {
		for s, l := range lengths {
			if l == length {
				codes[s] = code
				code++
			}
		}
		code <<= 1
	}
	return codes
}
