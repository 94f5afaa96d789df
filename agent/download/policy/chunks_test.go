package policy_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent/download/policy"
	"otafleet/internal/ota"
)

// run is what Run returns, as a pair.
func run(c *policy.Chunks) [2]int {
	first, end := c.Run()
	return [2]int{first, end}
}

func TestChunksAreAskedForInRuns(t *testing.T) {
	t.Parallel()
	c := policy.NewChunks(6)
	assert.Equal(t, [2]int{0, 6}, run(&c))
	c.Keep(0)
	c.Keep(3)
	c.Keep(3)
	assert.Equal(t, 4, c.Left())
	assert.Equal(t, [2]int{1, 3}, run(&c))
	assert.Equal(t, 6, c.End())
	var a policy.Answer
	assert.Nil(t, a.Whole())
	assert.Nil(t, a.Wrong(&c, 1))
	assert.Equal(t, [2]int{1, 2}, run(&c), "a bad chunk is fetched alone")
	assert.Equal(t, &ota.Failure{Code: ota.DigestMismatch, Detail: "1 chunk with a wrong hash"}, a.Whole())
	for _, i := range []int{1, 2, 4, 5} {
		c.Keep(i)
	}
	assert.Equal(t, [2]int{6, 6}, run(&c))
	assert.Zero(t, c.End())
	c.Clear()
	assert.Equal(t, 6, c.Left())
	assert.False(t, c.Kept(0))
}

// TestThreeBadChunksInARow say that the object is another one.
func TestThreeBadChunksInARow(t *testing.T) {
	t.Parallel()
	c := policy.NewChunks(8)
	var a policy.Answer
	require.Nil(t, a.Wrong(&c, 0))
	require.Nil(t, a.Wrong(&c, 1))
	c.Keep(2)
	a.Right()
	require.Nil(t, a.Wrong(&c, 3))
	require.Nil(t, a.Wrong(&c, 4))
	assert.Equal(t, &ota.Failure{Code: ota.DigestMismatch, Detail: "chunks 3 to 5 have wrong hashes"}, a.Wrong(&c, 5))
	assert.Equal(t, 5, a.Spoilt)
	assert.Equal(t, 1, a.Gained)
	assert.Equal(t, [2]int{0, 1}, run(&c))
	c.Keep(0)
	c.Keep(1)
	assert.Equal(t, [2]int{3, 8}, run(&c), "elsewhere they can be had in one run")
}
