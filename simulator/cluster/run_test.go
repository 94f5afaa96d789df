package cluster

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestNames: whatever a scenario is called, what is made of it has a DNS label.
func TestNames(t *testing.T) {
	assert.Equal(t, "ota-sim-ten-thousand", Name("ten-thousand"))
	for _, scenario := range []string{"", "-", "Spring", "spring 2026", "spring_2026", "ä", "ö", "a.b", "trailing-",
		strings.Repeat("long", 20), strings.Repeat("long", 20) + "er", "../x", "a\nb"} {
		name := Name(scenario)
		assert.NoError(t, CheckName(name), scenario)
	}
	assert.NotEqual(t, Name("ä"), Name("ö"))
	assert.NotEqual(t, Name("spring 2026"), Name("spring-2026"))
	for _, wrong := range []string{"", "1a", "-a", "a-", "A", "a.b", "a b", strings.Repeat("a", 51)} {
		assert.ErrorContains(t, CheckName(wrong), "want 1 to 50 of a-z", wrong)
	}
}

func FuzzName(f *testing.F) {
	f.Add("spring 2026")
	f.Fuzz(func(t *testing.T, scenario string) {
		// RFC 1123: a pod's host name is the Job's with the number of the shard.
		assert.Regexp(t, regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?$`), Name(scenario))
		assert.LessOrEqual(t, len(Name(scenario)+"-999999"), 63)
	})
}
