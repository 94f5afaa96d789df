package engine_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/simulator/platform/engine"
)

// TestFork: each fork goes the way that its own orders say, as if there were no other.
func TestFork(t *testing.T) {
	const setup, story = "draft p; draft other of=C",
		"activate p; d1 ask A1 B1; d1 take; d1 A+; d1 B!boot_failed; retry p d1; delete other; d2 ask A1 B1; terminate p"
	straight := run(t, setup+"|"+story)
	assert.Contains(t, straight, "d1")
	s := newScript(t)
	s.all(setup)
	original, began := s.engine, s.now
	var used *engine.Engine
	for range 3 { // the second and the third in the memory of the one before
		used = original.Fork(used)
		s.engine, s.now, s.devices, s.trace = used, began, map[string]*scripted{}, nil
		s.all(story)
		assert.Equal(t, straight, strings.Join(s.trace, " "))
	}
	for _, view := range original.Plans() {
		assert.Equal(t, engine.Inactivated, view.Status, view.ID)
	}
	assert.Len(t, original.Plans(), 2)
}
