// Package differ_test holds the two worlds against each other: whatever the
// scenario, each device comes to the same end in the real world as in the virtual
// one, by the same steps.
//
// One flow through it: a seed draws a small scenario; it is run in virtual time,
// several times at different paces, which shows what timing decides, and on real
// sockets; what became of each device is compared. A disagreement is shrunk, by
// taking parts of the scenario away for as long as the worlds disagree, and printed
// as a scenario file.
//
// Which of the worlds is right, it cannot tell. What the agent, the faults and the
// plan engine do is for the tests of their packages.
package differ_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/scenario"
)

// The flags of these tests, after -args.
var (
	seeds    = flag.Uint64("seeds", 40, "how many seeds are tried")
	first    = flag.Uint64("first", 1, "the first of them")
	parallel = flag.Int("at-once", 24, "how many scenarios are run at once")
)

// TestWorldsAgree tries seeds.
func TestWorldsAgree(t *testing.T) {
	t.Parallel()
	c := newComparer(t)
	began := time.Now()
	var workers sync.WaitGroup
	work := make(chan uint64)
	for range min(*parallel, int(*seeds)) {
		workers.Go(func() {
			for seed := range work {
				c.try(t, seed)
			}
		})
	}
	for seed := *first; seed < *first+*seeds; seed++ {
		work <- seed
	}
	close(work)
	workers.Wait()
	t.Logf("%d seeds in %s: %s", *seeds, time.Since(began).Round(time.Second), c.counts())
}

// try compares the worlds with the scenario of a seed.
func (c *comparer) try(t *testing.T, seed uint64) {
	doc, s := draw(seed)
	if *seeds == 1 {
		t.Logf("the scenario of seed %d:\n%s", seed, doc.text())
	}
	lines, err := c.disagreement(t.Context(), s)
	if !assert.NoError(t, err, "seed %d", seed) || len(lines) == 0 {
		return
	}
	t.Logf("seed %d: the worlds disagree:\n%s\n\n%s", seed, strings.Join(lines, "\n"), doc.text())
	least := shrink(doc, func(less object) bool {
		s, err := less.parse()
		if err != nil {
			return false
		}
		found, err := c.disagreement(t.Context(), s)
		if err != nil || len(found) == 0 {
			return false
		}
		lines = found
		return true
	})
	t.Errorf("seed %d: the worlds disagree; to see it again: make differ SEED=%d\n%s\n\nThe scenario, shrunk:\n\n%s", seed,
		seed, strings.Join(lines, "\n"), least.text())
}

// TestWhatOnceDisagreed runs the shrunk scenarios of disagreements that were mended.
func TestWhatOnceDisagreed(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	c := newComparer(t)
	t.Run("scenarios", func(t *testing.T) {
		for _, path := range slices.Sorted(slices.Values(files)) {
			t.Run(filepath.Base(path), func(t *testing.T) {
				t.Parallel()
				text, err := os.ReadFile(path)
				require.NoError(t, err)
				s, err := scenario.Parse(path, text)
				require.NoError(t, err)
				lines, err := c.disagreement(t.Context(), s)
				require.NoError(t, err)
				assert.Empty(t, lines)
			})
		}
	})
}
