package yamlform_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/yamlform"
)

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "512": 512, "64KiB": 64 << 10, "1MiB": 1 << 20, "3 GiB": 3 << 30, "1TiB": 1 << 40,
	} {
		n, err := yamlform.ParseSize(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, n, text)
		again, err := yamlform.ParseSize(yamlform.FormatSize(n))
		require.NoError(t, err)
		assert.Equal(t, n, again)
	}
	assert.Equal(t, "1536KiB", yamlform.FormatSize(3<<19))
	for _, text := range []string{"", "KiB", "-1", "1.5MiB", "1MB", "9223372036854775807KiB", "99999999999999999999",
		"0x10", "1_000"} {
		_, err := yamlform.ParseSize(text)
		assert.Error(t, err, text)
	}
}

func TestRates(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "0/s": 0, "512/s": 512, "2MiB/s": 2 << 20} {
		n, err := yamlform.ParseRate(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, n, text)
	}
	for _, text := range []string{"", "2MiB", "/s", "2MiB/m", "-1/s", "2Mbit/s"} {
		_, err := yamlform.ParseRate(text)
		assert.Error(t, err, text)
	}
}

func TestPercents(t *testing.T) {
	for text, want := range map[string]float64{"0%": 0, "0.5%": 0.5, "100%": 100} {
		p, err := yamlform.ParsePercent(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, p, text)
	}
	for _, text := range []string{"", "%", "20", "-1%", "101%", "NaN%", "Inf%", "0.2"} {
		_, err := yamlform.ParsePercent(text)
		assert.Error(t, err, text)
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "80ms": 80 * time.Millisecond, "10m": 10 * time.Minute, "1h": time.Hour, "1h30m": 90 * time.Minute,
		"1h0m5s": time.Hour + 5*time.Second,
	} {
		d, err := yamlform.ParseDuration(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, d, text)
		if d > 0 {
			assert.Equal(t, text, yamlform.FormatDuration(d))
		}
	}
	for _, text := range []string{"", "10", "1d", "ten", "1 m"} {
		_, err := yamlform.ParseDuration(text)
		assert.Error(t, err, text)
	}
}

func TestInts(t *testing.T) {
	n, err := yamlform.ParseInt("-110")
	require.NoError(t, err)
	assert.Equal(t, -110, n)
	for _, text := range []string{"", "1.0", "1_000", "0x1f", "99999999999999999999", "1e3"} {
		_, err := yamlform.ParseInt(text)
		assert.Error(t, err, text)
	}
}

func TestSuggestions(t *testing.T) {
	known := []string{"battery", "rssi", "link", "arrive"}
	for word, want := range map[string]string{
		"batery":  `; did you mean "battery"?`,
		"Battery": `; did you mean "battery"?`,
		"lnik":    `; did you mean "link"?`,
		"risi":    `; did you mean "rssi"?`,
		"arive":   `; did you mean "arrive"?`,
		"x":       "; want one of battery, rssi, link, arrive",
		"":        "; want one of battery, rssi, link, arrive",
		"weather": "; want one of battery, rssi, link, arrive",
	} {
		assert.Equal(t, want, yamlform.Suggest(word, known), word)
	}
	assert.Empty(t, yamlform.Suggest("x", nil))
	assert.Empty(t, yamlform.Suggest("x", make([]string, 100)))
}

// FuzzRead reads arbitrary documents with a program of every kind of read: it
// must end, and give either a garden or problems that can be printed.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		"name: x\n", "name: &a [*a]", "- x", "name: x\nplants: [{kind: &k rose}, {kind: *k}]\n<<: {a: b}",
		"? [a]\n: b\n", "--- !x\nname: |\n  a\n...\n---\n", "name: \"\\u0000\"\nshed: {colour: >-\n a}",
		"%YAML 1.2\n---\nname: y", "{*a: b}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, _, err := readGarden(text)
		if err != nil {
			assert.NotEmpty(t, err.Error())
		}
	})
}
