package exposition_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/exposition"
)

func TestPage(t *testing.T) {
	var p exposition.Page
	p.Family("tea_cups", "gauge", "Cups by what is in them.")
	p.Sample("tea_cups", 2, "tea", "green", "pot", "the \"big\"\none\\")
	p.Sample("tea_cups", 0.5, "tea", "black")
	p.Single("tea_pots_total", "counter", "Pots so far.", 1e9)
	assert.Equal(t, `# HELP tea_cups Cups by what is in them.
# TYPE tea_cups gauge
tea_cups{tea="green",pot="the \"big\"\none\\"} 2
tea_cups{tea="black"} 0.5
# HELP tea_pots_total Pots so far.
# TYPE tea_pots_total counter
tea_pots_total 1e+09
`, p.Text())
	p.Process()
	for _, name := range []string{"go_goroutines ", "process_resident_memory_bytes ", "process_open_fds "} {
		assert.Contains(t, p.Text(), "\n"+name)
	}
}
