package history

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/verdict"
)

// TestLines gives the form of lines, which other programs read.
func TestLines(t *testing.T) {
	for want, e := range map[string]verdict.Event{
		`{"k":"arrived","d":"gw-000001","x":"gw"}`: {Kind: verdict.Arrived, Device: "gw-000001", Text: "gw"},
		`{"t":1500000,"k":"connected","d":"gw-000001"}`: {At: 1500 * time.Microsecond, Kind: verdict.Connected,
			Device: "gw-000001"},
		`{"t":1,"k":"downloaded","d":"a","n":65536}`:   {At: 1, Kind: verdict.Downloaded, Device: "a", N: 65536},
		`{"t":1,"k":"answered","d":"a","p":"p","n":1}`: {At: 1, Kind: verdict.Answered, Device: "a", Plan: "p", N: 1},
		`{"k":"violation","d":"a","x":"say \"no\"\u000a\\ü"}`: {Kind: verdict.Violation, Device: "a",
			Text: "say \"no\"\n\\ü"},
		`{"t":9223372036854775807,"k":"numbered","d":"a","p":"p","c":"app","s":"upgrade_failed","q":3,` +
			`"n":-9223372036854775808,"x":"boot_failed","f":"black"}`: {
			At: math.MaxInt64, Kind: verdict.Numbered, Device: "a", Plan: "p", Component: "app",
			Status: ota.UpgradeFailed, Seq: 3, N: math.MinInt64, Text: "boot_failed", Detail: "black"},
	} {
		line := appendLine(nil, &e)
		assert.Equal(t, want+"\n", string(line))
		var back verdict.Event
		require.NoError(t, newParser().parse([]byte(want), &back))
		assert.Equal(t, e, back)
	}
}

// TestUncleanTexts: what cannot be kept is cut or replaced, and then stays.
func TestUncleanTexts(t *testing.T) {
	for text, want := range map[string]string{
		"a\xffb":                       "a\ufffdb",
		strings.Repeat("x", 2000):      strings.Repeat("x", verdict.MaxText),
		strings.Repeat("ü", 2000):      strings.Repeat("ü", verdict.MaxText/2),
		"x" + strings.Repeat("ü", 600): "x" + strings.Repeat("ü", verdict.MaxText/2-1),
		strings.Repeat("\x00", 2000):   strings.Repeat("\x00", verdict.MaxText),
	} {
		e := verdict.Event{Kind: verdict.Violation, Text: text}
		line := appendLine(nil, &e)
		assert.LessOrEqual(t, len(line), maxLine)
		var back verdict.Event
		require.NoError(t, newParser().parse(bytes.TrimSuffix(line, []byte("\n")), &back))
		assert.Equal(t, want, back.Text)
	}
}

func TestBadLines(t *testing.T) {
	for line, want := range map[string]string{
		``:                                       "not of the form",
		`{}`:                                     "not of the form",
		`[]`:                                     "not of the form",
		`{"t":1}`:                                "not of the form",
		`{"t":0,"k":"arrived"}`:                  "t: want a whole number",
		`{"t":-1,"k":"arrived"}`:                 "t: want a whole number",
		`{"t":01,"k":"arrived"}`:                 "t: want a whole number",
		`{"t":1e3,"k":"arrived"}`:                "not of the form",
		`{"t":99999999999999999999,"k":"a"}`:     "t: want a whole number",
		`{"k":"arrived"`:                         "not of the form",
		`{"k":"arrived"}}`:                       "not of the form",
		`{"k":"arrived" }`:                       "not of the form",
		`{"k":"arriv`:                            "k: unknown kind",
		`{"k":"arrived","p":"p","d":"d"}`:        "not of the form",
		`{"k":"arrived","d":""}`:                 "d: want 1 to 1024 bytes",
		`{"k":"arrived","d":"a`:                  "d: the text has no end",
		`{"k":"arrived","d":"\n"}`:               "d: an escape",
		`{"k":"arrived","d":"\u000G"}`:           "d: an escape",
		`{"k":"arrived","d":"\u000A"}`:           "d: an escape",
		`{"k":"arrived","d":"\u0041"}`:           "d: an escape",
		"{\"k\":\"arrived\",\"d\":\"a\tb\"}":     "d: the line is not",
		"{\"k\":\"arrived\",\"d\":\"\xff\"}":     "of UTF-8",
		`{"k":"stored","s":"plan_not_received"}`: "s: unknown status",
		`{"k":"stored","s":"sung"}`:              "s: unknown status",
		`{"k":"stored","q":0}`:                   "q: want a whole number from 1 to",
		`{"k":"stored","q":4294967296}`:          "q: want a whole number",
		`{"k":"stored","n":-0}`:                  "n: want a whole number",
		`{"k":"stored","x":"` + strings.Repeat("x", 1025) + `"}`: "x: want 1 to 1024 bytes",
	} {
		assert.ErrorContains(t, newParser().parse([]byte(line), &verdict.Event{}), want, line)
	}
}

// FuzzParseLine: a line that is taken is the one that its event would be written
// as.
func FuzzParseLine(f *testing.F) {
	for _, line := range []string{
		`{"k":"arrived","d":"gw-000001","x":"gw"}`,
		`{"t":1,"k":"numbered","d":"a","p":"p","c":"app","s":"upgrade_failed","q":3,"n":-5,` +
			`"x":"boot_failed","f":"bl\"\\\u0001ück"}`,
		`{"t":1500000,"k":"status_is","d":"gw-000001","p":"p","n":2}`, `{}`, `{"k":"stored","n":-0}`,
	} {
		f.Add([]byte(line))
	}
	p := newParser()
	f.Fuzz(func(t *testing.T, line []byte) {
		var e verdict.Event
		if p.parse(line, &e) != nil {
			return
		}
		assert.Equal(t, string(line)+"\n", string(appendLine(nil, &e)))
		assert.LessOrEqual(t, len(line), maxLine)
	})
}
