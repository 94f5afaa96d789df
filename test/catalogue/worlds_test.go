package catalogue_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/scenarios"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// seeds is how many seeds a scenario is tried with in virtual time.
const seeds = 20

// TestHoldsWhateverTheSeed is so cheap in virtual time that every scenario is in
// it.
func TestHoldsWhateverTheSeed(t *testing.T) {
	each(t, func(t *testing.T, name string) {
		s := parse(t, name)
		for i := range uint64(seeds) {
			held(t, virtually(t, s, s.Seed+i))
		}
	})
}

// TestBothWorldsAgree runs the small scenarios on real sockets, too: they hold, and
// devices, components and faults are what they are in the virtual world. The real
// one is run by the program, since it takes many times the work under the race
// detector, and at half the scenarios' pace. So a machine that has much else to do
// keeps up with it.
func TestBothWorldsAgree(t *testing.T) {
	each(t, func(t *testing.T, name string) {
		if virtualOnly()[name] != "" {
			return
		}
		_, text := compose(t, name)
		path := filepath.Join(t.TempDir(), name+".yaml")
		require.NoError(t, os.WriteFile(path, slower(text), 0o600))
		assert.Equal(t, outcomeIn(t, path, "--virtual=true"), outcomeIn(t, path, "--virtual=false"))
	})
}

// TestSoak runs a soak by the program, whose memory over the run is judged.
func TestSoak(t *testing.T) {
	path := filepath.Join(t.TempDir(), "verdict.json")
	text, err := exec.CommandContext(t.Context(), programs.Sim, "run", "--quiet", "--virtual", "--json", path,
		"soak-week").CombinedOutput()
	require.NoError(t, err, "%s", text)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	var found struct {
		Windows []struct{ Held bool }
		Memory  []struct {
			Bytes int64 `json:"resident_bytes"`
		}
	}
	require.NoError(t, json.Unmarshal(content, &found))
	assert.Len(t, found.Windows, 168)
	assert.Len(t, found.Memory, verdict.MemorySamples)
}

// TestOutagesOnRealSockets runs the scenarios of outages that last for minutes with
// thirty times their pace, in both worlds.
func TestOutagesOnRealSockets(t *testing.T) {
	for _, name := range []string{"line-away-twice", "storage-away-ten-minutes"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := scenarios.Read(name)
			require.NoError(t, err)
			faster := strings.NewReplacer("8KiB/s", "240KiB/s", "duration: 1h", "duration: 2m", "duration: 2h", "duration: 2m",
				" 10s}", " 300ms}", "time: 1s", "time: 30ms", "at: 1m", "at: 2s", "at: 13m", "at: 26s", "for: 10m", "for: 20s",
				"> 28m", "> 44s", "< 40m", "< 110s", "> 12m", "> 20s", "< 16m", "< 110s",
				// So short an outage of the line is over before a keep-alive has found it.
				"  always:\n    - {event: disconnected, then: {event: connected}, within: 12m}\n", "")
			path := filepath.Join(t.TempDir(), name+".yaml")
			require.NoError(t, os.WriteFile(path, []byte(faster.Replace(string(text))), 0o600))
			assert.Equal(t, outcomeIn(t, path, "--virtual=true"), outcomeIn(t, path, "--virtual=false"))
		})
	}
}

// durations of a scenario, and by how much a clock is wrong, which is none.
var durations = regexp.MustCompile(`by: -?\d+h\.\.-?\d+h|([^\w.]|\.\.)(\d+)(ms|s|m|h)\b`)

// slower is a scenario in which everything takes twice the time.
func slower(text []byte) []byte {
	lines := bytes.SplitAfter(text, []byte("\n"))
	for i, line := range lines {
		if bytes.HasPrefix(line, []byte("description:")) {
			continue
		}
		lines[i] = durations.ReplaceAllFunc(line, func(found []byte) []byte {
			part := durations.FindSubmatch(found)
			if part[2] == nil {
				return found
			}
			n, _ := strconv.Atoi(string(part[2]))
			return fmt.Appendf(nil, "%s%d%s", part[1], 2*n, part[3])
		})
	}
	return bytes.Join(lines, nil)
}

// outcome is what must be the same in both worlds: where devices and components
// end, and what the faults did.
type outcome struct {
	Classes    struct{ Fleets map[string]map[string]int }
	Components map[string]map[string]int
	Faults     []struct {
		Name         string
		Drawn, Fired int
	}
}

// outcomeIn runs a scenario in a world, in which it must hold.
func outcomeIn(t *testing.T, path, world string) (found outcome) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "verdict.json")
	text, err := exec.CommandContext(t.Context(), programs.Sim, "run", "--quiet", world, "--json", file,
		path).CombinedOutput()
	require.NoError(t, err, "%s", text)
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(content, &found))
	require.NotEmpty(t, found.Classes.Fleets)
	return found
}

// TestListsAreOfScenarios that exist, and that what takes long is named.
func TestListsAreOfScenarios(t *testing.T) {
	for name := range virtualOnly() {
		assert.Contains(t, scenarios.Names(), name)
	}
	for name := range fewer() {
		assert.NotEmpty(t, virtualOnly()[name], name)
	}
	for _, name := range scenarios.Names() {
		if parse(t, name).Duration > longest {
			assert.NotEmpty(t, virtualOnly()[name], name)
		}
	}
}

// TestEverythingIsShown somewhere in the catalogue: every kind of fault, and every
// event.
func TestEverythingIsShown(t *testing.T) {
	faults, actions := map[scenario.Kind]bool{}, map[scenario.Action]bool{}
	for _, name := range scenarios.Names() {
		s := parse(t, name)
		for i := range s.Faults {
			faults[s.Faults[i].Kind] = true
		}
		for i := range s.Events {
			actions[s.Events[i].Do] = true
		}
	}
	for _, row := range scenario.Kinds() {
		assert.True(t, faults[row.Kind], "no scenario has the fault %s", row.Kind)
	}
	for _, row := range scenario.Actions() {
		assert.True(t, actions[row.Action], "no scenario has the event %s", row.Action)
	}
}
