package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/cli"
	"otafleet/simulator/history"
	"otafleet/simulator/report"
	"otafleet/simulator/verdict"
)

// TestFullDisk is reported, whatever the verdict.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	o := sim(t, "run", "--quiet", file(t, "small.yaml", small), "--json", "/dev/full")
	assert.Equal(t, cli.Failed, o.code)
	assert.Contains(t, o.err, "no space left")
}

// TestHistoryOnAFullDisk costs the run nothing but its history: there is a verdict,
// which says so.
func TestHistoryOnAFullDisk(t *testing.T) {
	t.Parallel()
	s, err := readScenario(file(t, "small.yaml", small), &deviceFlags{})
	require.NoError(t, err)
	for _, again := range []bool{false, true} {
		dir := t.TempDir()
		require.NoError(t, os.Symlink("/dev/full", filepath.Join(dir, "events.jsonl.zst")))
		w, err := history.Create(t.Context(), history.Dir(dir), history.Info{Text: s.text, Name: s.Scenario.Name,
			World: "virtual", Fleets: verdict.Sizes(s.Scenario), Started: time.Now()})
		require.NoError(t, err)
		f := &runFlags{worldFlags: worldFlags{virtual: true}, quiet: true}
		c, err := f.of(s.Scenario)
		require.NoError(t, err)
		world, err := f.real(c, "")
		require.NoError(t, err)
		var out bytes.Buffer
		options := c.options()
		options.History = w
		v, err := f.simulate(t.Context(), &out, s, options, world)
		require.NoError(t, err)
		require.True(t, v.Held)

		(&recording{writer: w}).end(t.Context(), v, again)
		assert.False(t, v.Held)
		require.NoError(t, report.WriteText(&out, v, report.Style{}))
		assert.Regexp(t, `✗ the history is complete +history incomplete: cannot record the run: write `+
			`.*no space left on device`, out.String())
		assert.Regexp(t, `upgraded +3 `, out.String())
		for _, judge := range []string{hereJudges, mergeJudges} {
			f.judge = judge
			assert.Equal(t, &cli.Exit{Code: cli.Failed}, f.exitOf(v))
		}
	}
}

// TestStandardOutputLost costs the verdict none of its files, and an earlier
// verdict is not there any more.
func TestStandardOutputLost(t *testing.T) {
	t.Parallel()
	path := file(t, "small.yaml", small)
	for name, lost := range map[string]struct {
		redirect string
		code     int
	}{
		"full":   {"exec > /dev/full", cli.Failed},
		"broken": {"exec > >(exec 0<&-); sleep 0.2", cli.Failed},
		"closed": {"exec >&-", cli.OK}, // whoever closes it wants no text
	} {
		dir := t.TempDir()
		outputs := []string{filepath.Join(dir, "v.json"), filepath.Join(dir, "v.xml"), filepath.Join(dir, "v.html")}
		for _, output := range outputs {
			require.NoError(t, os.WriteFile(output, []byte("an earlier verdict"), 0o600))
		}
		self, err := os.Executable()
		require.NoError(t, err)
		cmd := exec.CommandContext(t.Context(), "bash", "-c", lost.redirect+`; exec "$0" "$@"`, self, "run", "--virtual",
			"--quiet", path,
			"--json", outputs[0], "--junit", outputs[1], "--html", outputs[2])
		cmd.Env = append(os.Environ(), asProgram+"=1")
		text, err := cmd.CombinedOutput()
		require.Equal(t, lost.code, cmd.ProcessState.ExitCode(), "%s: %v %s", name, err, text)
		for output, want := range map[string]string{outputs[0]: `"held": true`, outputs[1]: "<testsuites",
			outputs[2]: "<html"} {
			written, err := os.ReadFile(output)
			require.NoError(t, err)
			assert.Contains(t, string(written), want, name)
			assert.NotContains(t, string(written), "earlier")
		}
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		assert.Len(t, left, 3, "nothing wrong beside them")
	}
}
