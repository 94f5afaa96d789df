package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"otafleet/internal/ota"
	"otafleet/simulator"
	"otafleet/simulator/verdict"
)

// ANSI sequences. The cursor is hidden only within a frame, which is written at
// once: whoever ends the program, the cursor is there.
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

// draw replaces the block. Rates are from the moment of an earlier snapshot.
func (x *screen) draw(s, before simulator.Snapshot) {
	width := max(1, x.width())
	var b strings.Builder
	b.WriteString(beginFrame)
	if up := rows(x.drawn, width); up > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r", up)
	}
	x.drawn = x.drawn[:0]
	for _, text := range x.block(s, before, width-1) { // a full last column makes some terminals wrap
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

// block is the run in some lines.
func (x *screen) block(s, before simulator.Snapshot, width int) []string {
	upgraded, took := done(s), s.Elapsed-before.Elapsed
	perSecond := func(n, was int) string { return x.paint(dim, shortRate(rate(int64(n), int64(was), took))) }
	tail := fmt.Sprintf("  %3d%%  %s", percent(upgraded, s.Devices), s.Elapsed.Round(time.Second))
	lines := []string{
		"  " + x.bar(s, min(longestBar, max(leastBar, width-2-len(tail)))) + tail,
		x.legend(s),
		fmt.Sprintf("  arrived %d of %d %s   upgraded %d %s   connected %d", s.Arrived, s.Devices, perSecond(s.Arrived, before.Arrived),
			upgraded, perSecond(upgraded, done(before)), s.Connected),
		fmt.Sprintf("  downloaded %s %s   reports %d %s   refusals %d   power cuts %d", verdict.Bytes(s.Bytes),
			x.paint(dim, verdict.Bytes(int64(rate(s.Bytes, before.Bytes, took)))+"/s"), s.Reports, perSecond(s.Reports, before.Reports), s.Refusals, s.PowerCuts),
	}
	if len(s.Faults) > 0 {
		lines = append(lines, tallies("  faults ", s.Faults, width))
	}
	if len(s.Failures) > 0 {
		lines = append(lines, x.paint(red, tallies("  errors ", s.Failures, width)))
	}
	return lines
}

// share is the devices of one colour of the bar.
type share struct {
	name  string
	n     int
	glyph string
	color string
}

// shares divides the devices of a run. Without colours, the glyphs tell them
// apart.
func (x *screen) shares(s simulator.Snapshot) []share {
	all := []share{
		{"upgraded", done(s), "█", green},
		{"upgrading", s.Statuses[ota.DeviceUpgrading], "▒", cyan},
		{"failed", s.Statuses[ota.DeviceUpgradeFailed], "x", red},
	}
	rest := share{"not upgraded", s.Devices, "░", dim}
	for i := range all {
		rest.n -= all[i].n
		if x.color {
			all[i].glyph = "█"
		}
	}
	return append(all, rest)
}

// bar draws the shares, of so many characters.
func (x *screen) bar(s simulator.Snapshot, length int) string {
	var b strings.Builder
	left := length
	shares := x.shares(s)
	for i, part := range shares {
		n := 0
		if s.Devices > 0 {
			n = min(left, part.n*length/s.Devices)
		}
		if i == len(shares)-1 {
			n = left
		}
		left -= n
		if n > 0 {
			b.WriteString(x.paint(part.color, strings.Repeat(part.glyph, n)))
		}
	}
	return b.String()
}

func (x *screen) legend(s simulator.Snapshot) string {
	var parts []string
	for _, part := range x.shares(s) {
		parts = append(parts, fmt.Sprintf("%s %s %d", x.paint(part.color, part.glyph), part.name, part.n))
	}
	return "  " + strings.Join(parts, "   ")
}

// tallies lists what has happened, as much as fits into a line, and says how much
// does not.
func tallies(head string, all []simulator.Tally, width int) string {
	const more = len("   and 100 more")
	all = slices.DeleteFunc(slices.Clone(all), func(t simulator.Tally) bool { return t.N == 0 })
	if len(all) == 0 {
		return head + "  none yet"
	}
	whole := head
	for _, t := range all {
		whole += fmt.Sprintf("  %s %d", t.Name, t.N)
	}
	if len(whole) <= width {
		return whole
	}
	text := head
	for i, t := range all {
		next := fmt.Sprintf("  %s %d", t.Name, t.N)
		if len(text)+len(next)+more > width {
			return text + fmt.Sprintf("   and %d more", len(all)-i)
		}
		text += next
	}
	return text
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
