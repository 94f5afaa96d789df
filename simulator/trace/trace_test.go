package trace_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/trace"
)

// drive is a line with an outage.
const drive = `time_s,down_kbit_s,up_kbit_s,latency_ms,loss_percent
0,8000,800,40,0
10,0,0,40,0
12.5,4000,400,80.5,2.5
20,4000,400,80.5,2.5
`

func parse(t *testing.T, text string) *trace.Trace {
	t.Helper()
	tr, err := trace.Parse("drive.csv", []byte(text))
	require.NoError(t, err)
	return tr
}

func TestAt(t *testing.T) {
	tr := parse(t, drive)
	assert.Equal(t, 27500*time.Millisecond, tr.Length(), "the last line lasts as long as the one before")
	for at, want := range map[time.Duration]trace.Point{
		0:                        {Down: 1e6, Up: 1e5, Latency: 40 * time.Millisecond},
		10*time.Second - 1:       {Down: 1e6, Up: 1e5, Latency: 40 * time.Millisecond},
		10 * time.Second:         {At: 10 * time.Second, Latency: 40 * time.Millisecond},
		13 * time.Second:         slow(),
		27 * time.Second:         slow(),
		27500 * time.Millisecond: {Down: 1e6, Up: 1e5, Latency: 40 * time.Millisecond},
		27500*time.Millisecond*3 + 10*time.Second: {At: 10 * time.Second, Latency: 40 * time.Millisecond},
	} {
		p, lasts := tr.At(at)
		assert.Equal(t, want, *p, at)
		_, next := tr.At(at + lasts)
		assert.Positive(t, lasts)
		assert.Positive(t, next)
	}
	assert.Zero(t, tr.Outage(9*time.Second))
	assert.Equal(t, 1500*time.Millisecond, tr.Outage(11*time.Second))
	assert.Equal(t, 10*time.Second, tr.NextOutage(0, 2*time.Second))
	assert.Equal(t, 24500*time.Millisecond, tr.NextOutage(13*time.Second, time.Second))
	assert.Negative(t, tr.NextOutage(0, 3*time.Second))
	assert.Equal(t, int64(636363), tr.Average())
}

func slow() trace.Point {
	return trace.Point{At: 12500 * time.Millisecond, Down: 5e5, Up: 5e4, Latency: 80500 * time.Microsecond, Loss: 2.5}
}

// TestAnOutageOverTheEnd goes on at the beginning.
func TestAnOutageOverTheEnd(t *testing.T) {
	tr := parse(t, "time_s,down_bytes_s\n0,0\n1,5\n3,0\n4\n")
	assert.Equal(t, 1500*time.Millisecond, tr.Outage(3500*time.Millisecond))
	assert.Equal(t, 2*time.Second, tr.NextOutage(time.Second, 2*time.Second))
}

func TestEnd(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"time_s,down_bytes_s\n0,1\n60\n":           time.Minute,
		"time_s,down_bytes_s\n0,1\n60,\n":          time.Minute,
		"time_ms,down_bytes_s\r\n0,1\r\n1,2\r\n":   2 * time.Millisecond,
		"\ufefftime_s,latency_ms\n0,1\n2,1\n2.001": 2001 * time.Millisecond,
	} {
		assert.Equal(t, want, parse(t, text).Length(), text)
	}
}

func TestMahimahi(t *testing.T) {
	// Two packets in the first 100 ms, none in the second, one in the 50 ms that are left.
	tr := parse(t, "0\n100\n250\n")
	assert.Equal(t, trace.Gives{Down: true}, tr.Gives)
	assert.Equal(t, 250*time.Millisecond, tr.Length())
	for at, want := range map[time.Duration]int64{0: 30_000, 100 * time.Millisecond: 0, 200 * time.Millisecond: 30_000,
		250 * time.Millisecond: 30_000, 360 * time.Millisecond: 0} {
		p, _ := tr.At(at)
		assert.Equal(t, want, p.Down, at)
	}
	constant := parse(t, "1\r\n")
	assert.Equal(t, int64(1_500_000), constant.Average(), "12 Mbit/s, as mahimahi's own example has them")
	assert.Equal(t, time.Millisecond, constant.Length())
}

func TestMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"":                                           "t.csv:1:1: is empty; want a line with the names of the columns",
		"time_s\n0\n":                                "t.csv:1:1: time_s: is the only column; want more",
		"down_bytes_s,time_s\n0,1\n":                 "t.csv:1:1: down_bytes_s: is the first column; want time_ms",
		"time_s,down\n0,1\n":                         `t.csv:1:8: header: "down" is not a column`,
		"time_s,latency_mss\n0,1\n":                  `"latency_mss" is not a column; did you mean "latency_ms"?`,
		"time_s,up_bytes_s,up_kbit_s\n":              "t.csv:1:19: up_kbit_s: is there twice",
		"time_s,time_ms\n":                           "t.csv:1:8: time_ms: is there twice",
		"time_s,up_bytes_s\n":                        "t.csv: has no line behind its header",
		"time_s,up_bytes_s\n0,1\n":                   "t.csv: does not say when it ends",
		"time_s,up_bytes_s\n1,1\n2,1\n":              "t.csv:2:1: time_s: the first line is at 1; want 0",
		"time_s,up_bytes_s\n0\n2,1\n":                "t.csv:2:1: time_s: the first line has nothing but a time",
		"time_s,up_bytes_s\n0,1\n0,1\n":              "t.csv:3:1: time_s: 0 does not come behind the line before",
		"time_s,up_bytes_s\n0,1\n5\n6,1\n":           "t.csv:4:1: comes behind the line of a time alone",
		"time_s,up_bytes_s\n0,x\n5\n":                `t.csv:2:3: up_bytes_s: "x" is not a number; want digits, and a point`,
		"time_s,up_bytes_s\n0,-1\n5\n":               `t.csv:2:3: up_bytes_s: "-1" is not a number`,
		"time_s,up_bytes_s\n0,1e3\n5\n":              `"1e3" is not a number`,
		"time_s,up_bytes_s\n0,1..2\n5\n":             `"1..2" is not a number`,
		"time_s,up_bytes_s,latency_ms\n0,1,":         `t.csv:2:5: latency_ms: "" is not a number`,
		"time_s,up_bytes_s\n0,1,2\n5\n":              "t.csv:2:1: has 3 values; want 2",
		"time_s,up_bytes_s\n0,\"1\n5\n":              "nothing behind this was looked at",
		"time_s,up_bytes_s\n0,1\n90000\n":            "is out of bounds; want at most 24h",
		"time_s,up_mbit_s\n0,99999999\n5\n":          "is out of bounds; want at most 1099511627776 bytes a second",
		"time_s,latency_ms\n0,60001\n5\n":            "is out of bounds; want at most a minute",
		"time_s,loss_percent\n0,99.5\n5\n":           "is out of bounds; want at most 99",
		"time_s,down_bytes_s\n0,0\n5\n":              "t.csv: never carries anything",
		"time_s,down_bytes_s,up_bytes_s\n0,1,0\n5\n": "t.csv: never carries anything",
		"time_s,up_bytes_s\n0,1\n0.0000001\n":        "does not come behind the line before",
		"0\n":                                        "t.csv: lasts 0s; want more than 0s",
		"5\n4\n":                                     "t.csv:2:1: 4 comes before the line above",
		"5\n+6\n":                                    `t.csv:2:1: "+6" is no millisecond of mahimahi's`,
		"5\n\n6\n":                                   `t.csv:2:1: "" is no millisecond of mahimahi's`,
		"5 6\n":                                      `t.csv:1:1: "5 6" is no millisecond of mahimahi's`,
		"86400001\n":                                 "t.csv:1:1: 86400001 is out of bounds; want at most 24h",
		strings.Repeat("1\n", trace.MaxBytes/2+1):    "t.csv: has 16777218 bytes; want at most 16777216",
		different(trace.MaxPoints + 1):               "t.csv: has more than 20000 points that differ",
		sparse(trace.MaxPoints + 1):                  "t.csv: has more than 20000 points that differ",
	} {
		_, err := trace.Parse("t.csv", []byte(text))
		assert.ErrorContains(t, err, want, "%.60s", text)
	}
}

// different is a CSV file of so many points.
func different(points int) string {
	var b strings.Builder
	b.WriteString("time_s,up_bytes_s\n")
	for i := range points {
		b.WriteString(itoa(i) + "," + itoa(1+i%2) + "\n")
	}
	return b.String()
}

// sparse is a file of mahimahi's with so many buckets, every second of which is empty.
func sparse(buckets int) string {
	var b strings.Builder
	for i := range buckets {
		if i%2 == 0 {
			b.WriteString(itoa(100*i+50) + "\n")
		}
	}
	return b.String()
}

func itoa(n int) string { return strconv.Itoa(n) }

// FuzzParse reads anything, and holds that what a trace is written as is the same
// trace.
func FuzzParse(f *testing.F) {
	for _, text := range []string{drive, "1\n", "0\n100\n250\n250\n", "time_ms,loss_percent\n0,0.1\n0.5\n", "time_s\n",
		"\ufefftime_s,up_mbit_s\r\n0,\"1\"\r\n1,0\r\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tr, err := trace.Parse("fuzz", data)
		if err != nil {
			assert.Nil(t, tr)
			return
		}
		again, err := trace.Parse("again", []byte(tr.Text()))
		require.NoError(t, err, tr.Text())
		assert.Equal(t, tr, again)
		for _, at := range []time.Duration{0, 1, tr.Length() - 1, tr.Length(), 7 * tr.Length() / 3} {
			_, lasts := tr.At(at)
			assert.Positive(t, lasts)
			assert.Less(t, tr.Outage(at), tr.Length()+1)
		}
	})
}
