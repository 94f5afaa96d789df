package ota_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/ota"
)

func TestCompareKeys(t *testing.T) {
	sorted := []string{"", "1", "01", "2", "10", "99999999999999999999", "100000000000000000000", "dev", "dev-", "dev-2",
		"dev-2-a1", "dev-2-a10",
		"dev-02", "dev-2b", "dev-10", "dev-A", "dev2", "gw_1"}
	slices.SortFunc(sorted, ota.CompareKeys)
	for i, a := range sorted {
		for j, b := range sorted {
			want := 0
			if i != j {
				want = map[bool]int{true: -1, false: 1}[i < j]
			}
			assert.Equal(t, want, ota.CompareKeys(a, b), "%q and %q", a, b)
		}
	}
	assert.Negative(t, ota.CompareKeys("dev-2", "dev-10"))
	assert.Negative(t, ota.CompareKeys("dev-9-b", "dev-10-a"))
	assert.Positive(t, ota.CompareKeys("dev-10", "dev-2"))
}

// TestCompareKeysIsAnOrder: any three keys that are in order pair by pair are in
// order altogether.
func TestCompareKeysIsAnOrder(t *testing.T) {
	draw := rand.New(rand.NewPCG(1, 2))
	key := func() string {
		b := make([]byte, draw.IntN(6))
		for i := range b {
			b[i] = "012a-"[draw.IntN(5)]
		}
		return string(b)
	}
	for range 100_000 {
		a, b, c := key(), key(), key()
		assert.Equal(t, ota.CompareKeys(a, b), -ota.CompareKeys(b, a), "%q %q", a, b)
		if ota.CompareKeys(a, b) <= 0 && ota.CompareKeys(b, c) <= 0 {
			assert.LessOrEqual(t, ota.CompareKeys(a, c), 0, "%q %q %q", a, b, c)
		}
		assert.Equal(t, a == b, ota.CompareKeys(a, b) == 0, "%q %q", a, b)
	}
}
