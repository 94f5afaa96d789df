package virtual_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
	"otafleet/simulator/virtual"
)

func run(t *testing.T, path string) *verdict.Verdict {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	s, err := scenario.Parse(path, text)
	require.NoError(t, err)
	began := time.Now()
	f, err := virtual.Simulate(t.Context(), virtual.Options{Scenario: s})
	require.NoError(t, err)
	t.Log(time.Since(began))
	return verdict.New(s, s.Seed, "virtual", f)
}

func TestThousand(t *testing.T) {
	v := run(t, "../../scenarios/thousand.yaml")
	require.NoError(t, v.WriteText(os.Stdout, verdict.Style{}))
	require.True(t, v.Held)
}
