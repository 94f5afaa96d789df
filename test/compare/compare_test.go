// Package compare_test makes a rule of the download slower by a fifth and has ota-sim
// compare find it, and compares runs with themselves, which must find nothing: in virtual
// time, and with the tag compare on real sockets.
//
// One flow through it: TestMain builds ota-sim as it is, and once more with another source
// file in the place of one of the tree's; each test runs a scenario with both and compares
// the kept histories.
//
// It measures no speed: what is compared is how long agents pause, which their rules say.
package compare_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/test/harness"
)

// programs are ota-sim as it is, and one whose devices pause longer between the tries of
// a download.
var programs struct{ asIs, slower string }

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "ota-")
	if err == nil {
		err = build(dir)
	}
	code := 1
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// build plants the slow-down where the rule is written, so that no program has a knob for it.
func build(dir string) error {
	programs.asIs, programs.slower = filepath.Join(dir, "ota-sim"), filepath.Join(dir, "ota-sim-slower")
	source, err := filepath.Abs("../../agent/download/policy/rules.go")
	if err != nil {
		return err
	}
	text, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	const rule, slower = "firstPause   = time.Second\n", "firstPause   = 1200 * time.Millisecond\n"
	if !strings.Contains(string(text), rule) {
		return fmt.Errorf("%s has no rule %q any more", source, rule)
	}
	planted, overlay := filepath.Join(dir, "rules.go"), filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(planted, []byte(strings.Replace(string(text), rule, slower, 1)), 0o600); err != nil {
		return err
	}
	list, err := json.Marshal(map[string]any{"Replace": map[string]string{source: planted}})
	if err != nil {
		return err
	}
	if err := os.WriteFile(overlay, list, 0o600); err != nil {
		return err
	}
	if err := harness.BuildSimOver(programs.slower, "1.1.0", overlay); err != nil {
		return err
	}
	_, err = harness.Build(dir, "1.0.0")
	return err
}

// runs keeps the histories of some runs of the scenario, and gives their directories.
func runs(t *testing.T, program, name string, n int, flags ...string) (dirs []string) {
	t.Helper()
	at := t.TempDir()
	for i := range n {
		dir := filepath.Join(at, fmt.Sprint(name, "-", i+1))
		o := harness.Run(t, ".", program, append([]string{"run", "retried.yaml", "--quiet", "--out", dir}, flags...)...)
		require.Zero(t, o.Code, "%s%s", o.Out, o.Err)
		dirs = append(dirs, dir)
	}
	return dirs
}

// comparison is what ota-sim says of runs.
type comparison struct {
	Regressed []string
	Identical bool
	text      string
}

// compare holds runs against baselines.
func compare(t *testing.T, baselines, runs []string) (c comparison) {
	t.Helper()
	args := []string{"compare", "--json", "-"}
	for _, dir := range baselines {
		args = append(args, "--against", dir)
	}
	o := harness.Run(t, ".", programs.asIs, append(args, runs...)...)
	require.Contains(t, []int{0, 1}, o.Code, o.Err)
	require.NoError(t, json.Unmarshal([]byte(o.Out), &c))
	require.Equal(t, o.Code == 1, len(c.Regressed) > 0, "the exit code says whether something is worse")
	c.text = o.Err
	return c
}

func TestASlowerRuleIsFoundInVirtualTime(t *testing.T) {
	before := runs(t, programs.asIs, "before", 1, "--virtual")
	after := runs(t, programs.slower, "after", 1, "--virtual")
	c := compare(t, before, after)
	assert.Subset(t, c.Regressed, []string{"time.upgrade.p50", "time.download.p50", "time.download.p90"}, c.text)
	assert.False(t, c.Identical)
}

func TestARunInVirtualTimeIsLikeItself(t *testing.T) {
	before := runs(t, programs.asIs, "before", 1, "--virtual")
	for _, run := range runs(t, programs.asIs, "again", 10, "--virtual") {
		c := compare(t, before, []string{run})
		assert.Empty(t, c.Regressed, c.text)
		assert.True(t, c.Identical)
	}
}
