package agent_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// trace is one line of a table: how a device came here (newDriver), what happens
// then (play), and every output, those of one input between two bars.
type trace struct{ name, setup, inputs, want string }

func runTraces(t *testing.T, table []trace) {
	names := map[string]bool{}
	for _, row := range table {
		assert.False(t, names[row.name], "two rows are called %q", row.name)
		names[row.name] = true
		t.Run(row.name, func(t *testing.T) {
			d := newDriver(t, row.setup)
			d.play(row.inputs)
			assert.Equal(t, row.want, strings.Join(d.groups, " | "))
		})
	}
}
