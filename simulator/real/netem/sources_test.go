package netem

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseSources(t *testing.T) {
	for text, want := range map[string][]string{
		"":                                nil,
		"10.0.0.2":                        {"10.0.0.2"},
		"10.0.0.9,10.0.0.2":               {"10.0.0.9", "10.0.0.2"},
		"10.0.0.254-10.0.1.1":             {"10.0.0.254", "10.0.0.255", "10.0.1.0", "10.0.1.1"},
		"10.0.0.4-10.0.0.4":               {"10.0.0.4"},
		"10.0.0.5/29":                     {"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"},
		"10.0.0.5/31":                     {"10.0.0.4", "10.0.0.5"},
		"10.0.0.5/32":                     {"10.0.0.5"},
		"2001:db8::1-2001:db8::2":         {"2001:db8::1", "2001:db8::2"},
		"2001:db8::/126":                  {"2001:db8::1", "2001:db8::2"},
		"255.255.255.254-255.255.255.255": {"255.255.255.254", "255.255.255.255"},
	} {
		got, err := ParseSources(split(text))
		require.NoError(t, err, text)
		assert.Equal(t, addresses(want...), got, text)
	}
	for text, want := range map[string]string{
		"x":                      `"x" is no address; want one such as 10.0.0.2`,
		"8":                      "is no address",
		"10.0.0.2-":              "is no address",
		"10.0.0.9-10.0.0.2":      "is no address",
		"10.0.0.9-2001:db8::1":   "is no address",
		"10.0.0.0/33":            "is no address",
		"10.0.0.0/16":            "there are more than 4096 addresses",
		"::/0":                   "there are more than 4096 addresses",
		"y,10.0.0.1,10.0.0.0/40": `"10.0.0.0/40" is no address`,
	} {
		_, err := ParseSources(split(text))
		assert.ErrorContains(t, err, want, text)
	}
}

// split is a list as a flag gives it.
func split(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

func FuzzParseSources(f *testing.F) {
	for _, text := range []string{"10.0.0.2", "10.0.0.2-10.0.0.9", "10.0.0.0/28", "::1", "fe80::1%eth0-fe80::2",
		"::ffff:1.2.3.4/100"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, err := ParseSources([]string{text})
		if err == nil {
			assert.NotEmpty(t, all)
		}
		assert.LessOrEqual(t, len(all), maxSources)
		for _, a := range all {
			assert.True(t, a.IsValid())
		}
	})
}
