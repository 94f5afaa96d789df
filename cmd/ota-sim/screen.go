package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// ANSI sequences. The cursor is hidden only within a frame, which is written at
// once: however the program ends, the cursor is there.
const (
	beginFrame = "\x1b[?2026h\x1b[?25l" // draw nothing until the end of the frame; hide the cursor
	endFrame   = "\x1b[?25h\x1b[?2026l"
	eraseRight = "\x1b[K"
	eraseBelow = "\x1b[J"

	green = "\x1b[32m"
	cyan  = "\x1b[36m"
	red   = "\x1b[31m"
	dim   = "\x1b[2m"
	plain = "\x1b[0m"
)

// The length of the bar, in characters.
const (
	longestBar = 60
	leastBar   = 10
)

// screen draws a run's state as a block of lines, over the one before.
type screen struct {
	w     io.Writer
	width func() int // of the terminal now, in characters
	color bool
	drawn []int // lengths of the lines on the screen
}

// draw replaces the block by that of a run, which fits into a width.
func (x *screen) draw(block func(x *screen, width int) []string) {
	width := max(1, x.width())
	var b strings.Builder
	b.WriteString(beginFrame)
	if up := rows(x.drawn, width); up > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r", up)
	}
	x.drawn = x.drawn[:0]
	for _, text := range block(x, width-1) { // a full last column makes some terminals wrap
		text, length := clip(text, width-1)
		b.WriteString(text + eraseRight + "\n")
		x.drawn = append(x.drawn, length)
	}
	b.WriteString(eraseBelow + endFrame)
	_, _ = io.WriteString(x.w, b.String())
}

// rows is how many rows lines of such lengths take, after the terminal may have
// become narrower.
func rows(lengths []int, width int) int {
	n := 0
	for _, length := range lengths {
		n += max(1, (length+width-1)/width)
	}
	return n
}

func (x *screen) paint(color, text string) string {
	if !x.color {
		return text
	}
	return color + text + plain
}

// share is the devices of one colour of a bar.
type share struct {
	name  string
	n     int
	glyph string
	color string
}

// bar draws shares, the last of which takes what is left, of so many characters.
func (x *screen) bar(shares []share, length int) string {
	var b strings.Builder
	left, total := length, 0
	for _, part := range shares {
		total += part.n
	}
	for i, part := range shares {
		n := left
		if i < len(shares)-1 {
			n = min(left, part.n*length/max(1, total))
		}
		left -= n
		if n > 0 {
			b.WriteString(x.paint(part.color, strings.Repeat(part.glyph, n)))
		}
	}
	return b.String()
}

// clip cuts a text to a number of characters, without counting what only colours
// it.
func clip(text string, width int) (clipped string, length int) {
	colored := false
	for i := 0; i < len(text); {
		if text[i] == '\x1b' {
			end := strings.IndexByte(text[i:], 'm')
			if end < 0 {
				return text[:i], length
			}
			colored = text[i:i+end+1] != plain
			i += end + 1
			continue
		}
		if length == width {
			if colored {
				return text[:i] + plain, length
			}
			return text[:i], length
		}
		_, size := utf8.DecodeRuneInString(text[i:])
		i += size
		length++
	}
	return text, length
}
