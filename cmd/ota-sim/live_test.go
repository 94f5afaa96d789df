package main

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator"
)

// snapshot is a run of 200 devices in the middle.
func snapshot() simulator.Snapshot {
	return simulator.Snapshot{
		Elapsed: 12*time.Second + 400*time.Millisecond, Devices: 200, Arrived: 180, Connected: 150,
		Statuses: [5]int{ota.DeviceNotUpgraded: 80, ota.DeviceUpgrading: 20, ota.DeviceUpgraded: 60,
			ota.DeviceUpgradeFailed: 10, ota.DeviceNoUpdateRequired: 10},
		Refusals: 3, Reports: 777, Bytes: 5 << 20, PowerCuts: 4,
		Faults:   []simulator.Tally{{Name: "lossy-line", N: 6}, {Name: "forger", N: 0}, {Name: "brown-out", N: 3}},
		Failures: []simulator.Tally{{Name: "download_failed", N: 12}, {Name: "health_check_failed", N: 2}},
	}
}

// earlier is the same run two seconds before.
func earlier() simulator.Snapshot {
	s := snapshot()
	s.Elapsed -= 2 * time.Second
	s.Arrived, s.Reports, s.Bytes = 160, 577, 1<<20
	s.Statuses[ota.DeviceUpgraded] = 57
	return s
}

func TestLine(t *testing.T) {
	assert.Equal(t, "   12s  arrived 180  connected 150  upgrading 20  upgraded 70  failed 10"+
		"  refusals 3  downloaded 5.0 MiB  faults 9", line(snapshot()))
}

// draw is what a terminal of so many columns shows, without the sequences that
// begin and end a frame.
func draw(t *testing.T, x *screen) string {
	t.Helper()
	var out bytes.Buffer
	x.w = &out
	run := &realRun{run: fixed{snapshot()}, recent: []simulator.Snapshot{earlier()}}
	x.draw(run.block)
	frame := out.String()
	require.True(t, strings.HasPrefix(frame, beginFrame))
	require.True(t, strings.HasSuffix(frame, eraseBelow+endFrame), "the cursor is shown again")
	return strings.TrimSuffix(strings.TrimPrefix(frame, beginFrame), eraseBelow+endFrame)
}

func TestScreen(t *testing.T) {
	width := 100
	x := &screen{width: func() int { return width }}
	lines := strings.Split(strings.ReplaceAll(draw(t, x), eraseRight, ""), "\n")
	assert.Equal(t, []string{
		"  " + strings.Repeat("█", 21) + strings.Repeat("▒", 6) + "xxx" + strings.Repeat("░", 30) + "   35%  12s",
		"  █ upgraded 70   ▒ upgrading 20   x failed 10   ░ not upgraded 100",
		"  arrived 180 of 200 10/s   upgraded 70 1.5/s   connected 150",
		"  downloaded 5.0 MiB 2.0 MiB/s   reports 777 100/s   refusals 3   power cuts 4",
		"  faults   lossy-line 6  brown-out 3",
		"  errors   download_failed 12  health_check_failed 2",
		"",
	}, lines)
	assert.True(t, strings.HasPrefix(draw(t, x), "\x1b[6A\r"), "the block of six lines is replaced")

	width = 33 // the terminal has broken the lines into 3, 3, 2, 3, 2 and 2 rows
	assert.True(t, strings.HasPrefix(draw(t, x), "\x1b[15A\r"))
	assert.True(t, strings.HasPrefix(draw(t, x), "\x1b[6A\r"), "what is narrow was drawn so")
	for line := range strings.SplitSeq(strings.TrimPrefix(draw(t, x), "\x1b[6A\r"), "\n") {
		_, length := clip(strings.TrimSuffix(line, eraseRight), 1000)
		assert.LessOrEqual(t, length, 32)
	}
}

func TestScreenInColour(t *testing.T) {
	x := &screen{width: func() int { return 100 }, color: true}
	frame := draw(t, x)
	assert.Contains(t, frame, green+strings.Repeat("█", 21)+plain+cyan+strings.Repeat("▒",
		6)+plain+red+"xxx"+plain+dim+strings.Repeat("░", 30)+plain)
	assert.Contains(t, frame, "upgraded 70 "+dim+"1.5/s"+plain)
	x.color = false
	assert.NotRegexp(t, "\x1b\\[[0-9;]*m", draw(t, x))
}

func TestBarIsAsLongAsItSays(t *testing.T) {
	x := &screen{}
	for _, statuses := range [][5]int{{}, {ota.DeviceUpgraded: 200}, {ota.DeviceUpgradeFailed: 1},
		{ota.DeviceUpgraded: 67, ota.DeviceUpgrading: 67, ota.DeviceUpgradeFailed: 66}} {
		s := simulator.Snapshot{Devices: 200, Statuses: statuses}
		for _, length := range []int{leastBar, 33, longestBar} {
			_, n := clip(x.bar(shares(s), length), 1000)
			assert.Equal(t, length, n)
		}
	}
	assert.Equal(t, strings.Repeat("░", 10), x.bar(shares(simulator.Snapshot{}), 10))
	assert.Equal(t, 0, percent(0, 0))
}

// TestVirtualRun has no more to show than how far it is.
func TestVirtualRun(t *testing.T) {
	run := virtualRun{fixed{simulator.Snapshot{Elapsed: 10 * time.Second, Devices: 1000, Ended: 500}}}
	assert.Equal(t, "   10s  500 of 1000 devices at the end", run.line())
	x := &screen{}
	assert.Equal(t, []string{"  " + strings.Repeat("█", 13) + strings.Repeat("░", 14) + "   50%  10s",
		"  500 of 1000 devices at the end 50/s"}, run.block(x, 40))
}

func TestTallies(t *testing.T) {
	all := []simulator.Tally{{Name: "aaaaa", N: 1}, {Name: "bbbbb", N: 2}, {Name: "none"}, {Name: "ccccc", N: 3}}
	assert.Equal(t, "head  aaaaa 1  bbbbb 2  ccccc 3", tallies("head", all, 31))
	assert.Equal(t, "head  aaaaa 1   and 2 more", tallies("head", all, 30))
	assert.Equal(t, "head   and 3 more", tallies("head", all, 5))
	assert.Equal(t, "head  none yet", tallies("head", all[2:3], 40))
}

func TestClip(t *testing.T) {
	for _, tt := range []struct {
		text   string
		width  int
		want   string
		length int
	}{
		{"plain", 9, "plain", 5},
		{"plain", 3, "pla", 3},
		{"größe", 3, "grö", 3},
		{green + "green" + plain + "!", 3, green + "gre" + plain, 3},
		{green + "green" + plain + "!", 5, green + "green" + plain, 5},
		{green + "green" + plain + "!!", 6, green + "green" + plain + "!", 6},
		{"cut\x1b[3", 9, "cut", 3},
		{"", 0, "", 0},
	} {
		text, length := clip(tt.text, tt.width)
		assert.Equal(t, tt.want, text)
		assert.Equal(t, tt.length, length)
	}
}

func TestRates(t *testing.T) {
	assert.Zero(t, rate(5, 1, 0))
	assert.Zero(t, rate(1, 5, time.Second), "no rate is negative")
	for r, want := range map[float64]string{0: "0/s", 0.44: "0.4/s", 2: "2/s", 9.96: "10/s", 31.4: "31/s",
		1800: "1800/s"} {
		assert.Equal(t, want, shortRate(r))
	}
}

// fixed is a run that stands still.
type fixed struct{ s simulator.Snapshot }

func (f fixed) Snapshot() simulator.Snapshot { return f.s }

// TestLiveInALog shows at least how it ended.
// TestWindowsInALog: each is shown once, when it is over.
func TestWindowsInALog(t *testing.T) {
	s := snapshot()
	s.Windows, s.Window = 3, "2h0m0s to 3h0m0s: 40 upgraded, 0 failed, held"
	run := &realRun{run: fixed{s}}
	assert.Equal(t, line(s)+"\nwindow 3, 2h0m0s to 3h0m0s: 40 upgraded, 0 failed, held", run.line())
	assert.Equal(t, line(s), run.line())
	lines := block(&screen{}, s, earlier(), 100)
	assert.Equal(t, "  window 3, 2h0m0s to 3h0m0s: 40 upgraded, 0 failed, held", lines[len(lines)-1])
}

func TestLiveInALog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		startLive(&out, &realRun{run: fixed{snapshot()}}).stop()
		assert.Equal(t, line(snapshot())+"\n", out.String())
	})
}
