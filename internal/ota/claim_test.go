package ota_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
)

func TestClaimSaysWhatIsWrongWithIt(t *testing.T) {
	good := func() *ota.Claim {
		return &ota.Claim{Target: "1.2.0", Name: "app.bin", Size: 10,
			Sum: ota.Checksum{Kind: ota.MD5, Hex: strings.Repeat("0a", 16)}}
	}
	require.Empty(t, good().Problem())
	for want, change := range map[string]func(*ota.Claim){
		"is not a version":         func(c *ota.Claim) { c.Target = "" },
		"is not a file name":       func(c *ota.Claim) { c.Name = "../app.bin" },
		"out of range":             func(c *ota.Claim) { c.Size = 0 },
		"-5 bytes is out of range": func(c *ota.Claim) { c.Size = -5 },
		"not a digest that is":     func(c *ota.Claim) { c.Sum.Kind = "crc32" },
		"lower-case hex":           func(c *ota.Claim) { c.Sum.Hex = strings.Repeat("0A", 16) },
		"32 characters":            func(c *ota.Claim) { c.Sum.Hex = "0a" },
		"64 characters":            func(c *ota.Claim) { c.Sum.Kind = ota.SHA256 },
	} {
		c := good()
		change(c)
		assert.Contains(t, c.Problem(), want)
	}
	huge := good()
	huge.Size = ota.MaxFileSize + 1
	assert.NotEmpty(t, huge.Problem())
}

// The name of bytes that a weak digest names does not change when their SHA-256 is
// found.
func TestFileKeepsItsID(t *testing.T) {
	c := ota.Claim{Target: "1", Name: "a", Size: 1, Sum: ota.Checksum{Kind: ota.SHA1, Hex: strings.Repeat("0b", 20)}}
	f := c.File()
	before := f.ID()
	f.SHA256 = ota.Digest{7}
	assert.Equal(t, before, f.ID())
	assert.NotEqual(t, f.SHA256, f.ID())

	strong := ota.Claim{Target: "1", Name: "a", Size: 1, Sum: ota.Checksum{
		Kind: ota.SHA256, Hex: strings.Repeat("0b", 32),
	}}
	g := strong.File()
	assert.Equal(t, g.SHA256, g.ID())
	assert.Equal(t, byte(0x0b), g.SHA256[31])
}

func TestSemVerOrder(t *testing.T) {
	// The order of semver.org, section 11, and numbers longer than any integer.
	order := []string{"0.9.9", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2",
		"1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "v1.0.1+build-7.x", "1.2.0", "1.10.0", "99999999999999999999999.0.0"}
	for i, a := range order {
		for k, b := range order {
			x, valid := ota.ParseSemVer(a)
			require.True(t, valid, a)
			y, valid := ota.ParseSemVer(b)
			require.True(t, valid, b)
			want := map[bool]int{true: 1}[i > k] - map[bool]int{true: 1}[i < k]
			assert.Equal(t, want, x.Compare(y), "%s and %s", a, b)
		}
	}
	for _, bad := range []string{"", "1", "1.2", "1.2.3.4", "01.2.3", "1.2.3-", "1.2.3-a..b", "1.2.3-01", "1.2.3+",
		"a.b.c", "1.2.-3", "1.2.3-a_b", " 1.2.3", "vv1.2.3"} {
		_, valid := ota.ParseSemVer(bad)
		assert.False(t, valid, bad)
	}
}

// Versions are ordered whatever they are: one way and the other agree.
func FuzzSemVer(f *testing.F) {
	f.Add("1.0.0-alpha.1", "v1.0.0+x")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, first := ota.ParseSemVer(a)
		y, second := ota.ParseSemVer(b)
		if first && second && x.Compare(y) != -y.Compare(x) {
			t.Errorf("%q and %q have no order", a, b)
		}
	})
}
