package report

import (
	"strings"

	"otafleet/simulator/verdict"
)

// barWidth is the length of a full bar, in characters.
const barWidth = 30

// bar draws a share as a bar. What is not nothing is at least a sliver.
func bar(n, total int) string {
	if n == 0 || total == 0 {
		return ""
	}
	eighths := max(1, n*barWidth*8/total)
	partial := []string{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"}
	return strings.Repeat("█", eighths/8) + partial[eighths%8]
}

// spark draws a figure over time as a row of bars, as long as a full bar. What
// is not nothing is at least a sliver.
func spark(moments []verdict.Moment, figure func(*verdict.Moment) int, most int) string {
	levels := []rune("▁▂▃▄▅▆▇█")
	var b strings.Builder
	for i := range barWidth {
		// The first moment is before anything has happened.
		n := figure(&moments[1+i*(len(moments)-1)/barWidth])
		if n == 0 {
			b.WriteRune(' ')
		} else {
			b.WriteRune(levels[(n*len(levels)-1)/most])
		}
	}
	return b.String()
}
