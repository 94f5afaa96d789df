package scenarios_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/yamlform"
	"otafleet/scenarios"
	"otafleet/simulator/scenario"
)

var update = flag.Bool("update", false, "write the golden files")

// bundled parses every bundled scenario.
func bundled(t *testing.T) map[string]*scenario.Scenario {
	t.Helper()
	all := map[string]*scenario.Scenario{}
	for _, name := range scenarios.Names() {
		text, err := scenarios.Read(name)
		require.NoError(t, err)
		s, _, err := scenario.Compose(name+".yaml", text, &scenario.Beside{Read: scenarios.Beside(name)})
		require.NoError(t, err)
		all[name] = s
	}
	return all
}

func TestNamesAreTheFiles(t *testing.T) {
	files, err := filepath.Glob("*.yaml")
	require.NoError(t, err)
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(f, ".yaml"))
	}
	assert.Equal(t, names, scenarios.Names())
	assert.True(t, slices.IsSorted(names))
}

// TestEveryScenarioIsOnePage that says what it proves, and proves it.
func TestEveryScenarioIsOnePage(t *testing.T) {
	for name, s := range bundled(t) {
		assert.Equal(t, name, s.Name)
		assert.Regexp(t, `^[A-Z][^\n]{20,140}\.$`, s.Description, "%s: one sentence", name)
		text, err := scenarios.Read(name)
		require.NoError(t, err)
		lines := strings.Split(string(text), "\n")
		assert.LessOrEqual(t, len(lines), 60, name)
		for i, line := range lines {
			assert.LessOrEqual(t, len(line), 140, "%s:%d", name, i+1)
		}
		assert.NotEmpty(t, s.Expect.Devices, "%s: what becomes of the devices", name)
		assert.NotEmpty(t, s.Expect.Reports, "%s: what becomes of the reports", name)
		assert.True(t, s.Expect.AllFaultsFired || len(s.Expect.FaultsFired) > 0 || len(s.Faults) == 0,
			"%s: a fault that never strikes proves nothing", name)
		if longest := 8 * time.Hour; s.Windows == 0 {
			assert.LessOrEqual(t, s.Duration, longest, "%s: a night in virtual time", name)
		}
	}
}

// TestCatalogue holds the README's table against the scenarios;
// -update writes it anew.
func TestCatalogue(t *testing.T) {
	const opening, closing = "<!-- catalogue -->\n", "<!-- /catalogue -->\n"
	content, err := os.ReadFile("README.md")
	require.NoError(t, err)
	head, rest, opened := strings.Cut(string(content), opening)
	_, tail, closed := strings.Cut(rest, closing)
	require.True(t, opened && closed, "README.md needs the lines of a catalogue")
	want := head + opening + catalogue(t) + closing + tail
	if *update {
		require.NoError(t, os.WriteFile("README.md", []byte(want), 0o644))
		return
	}
	assert.Equal(t, want, string(content))
}

func catalogue(t *testing.T) string {
	t.Helper()
	all := bundled(t)
	var b strings.Builder
	b.WriteString("| scenario | devices | lasts at most | events and faults | what it proves |\n" +
		"| --- | --- | --- | --- | --- |\n")
	for _, name := range scenarios.Names() {
		s := all[name]
		fmt.Fprintf(&b, "| [%s](%s.yaml) | %d | %s | %s | %s |\n", name, name, s.Devices(),
			yamlform.FormatDuration(s.Duration),
			strings.Join(wrong(s), ", "), s.Description)
	}
	return b.String()
}

// wrong names what goes wrong in a scenario, each once.
func wrong(s *scenario.Scenario) []string {
	var words []string
	add := func(word string) {
		if word = "`" + word + "`"; !slices.Contains(words, word) {
			words = append(words, word)
		}
	}
	for i := range s.Events {
		add(string(s.Events[i].Do))
	}
	for i := range s.Faults {
		add(string(s.Faults[i].Kind))
	}
	if words == nil {
		return []string{"none"}
	}
	return words
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	own := filepath.Join(dir, "mine.yaml")
	require.NoError(t, os.WriteFile(own, []byte("scenario: mine\n"), 0o600))
	text, err := scenarios.Read(own)
	require.NoError(t, err)
	assert.Equal(t, "scenario: mine\n", string(text))

	text, err = scenarios.Read("happy.yaml")
	require.NoError(t, err)
	again, err := scenarios.Read("happy")
	require.NoError(t, err)
	assert.Equal(t, text, again)

	require.NoError(t, os.Mkdir(filepath.Join(dir, "happy"), 0o700))
	t.Chdir(dir)
	beside, err := scenarios.Read("happy")
	require.NoError(t, err, "a directory of the same name is in no one's way")
	assert.Equal(t, text, beside)

	for _, name := range []string{"none", "", "../scenarios/happy/..", dir} {
		_, err = scenarios.Read(name)
		require.ErrorContains(t, err, "; bundled ones are "+strings.Join(scenarios.Names(), ", "))
	}

	large := filepath.Join(dir, "large.yaml")
	require.NoError(t, os.WriteFile(large, make([]byte, 3<<20), 0o600))
	text, err = scenarios.Read(large)
	require.NoError(t, err)
	_, err = scenario.Parse("large.yaml", text)
	require.ErrorContains(t, err, "at most 1048576 are read")
}

// TestBeside reads what lies beside a scenario: in its directory or below, and not behind
// a link.
func TestBeside(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, "in", name) }
	require.NoError(t, os.MkdirAll(at("parts"), 0o700))
	for name, text := range map[string]string{
		"s.yaml": "x", "parts/a.yaml": "a", "../out.yaml": "secret", "long": "12345",
	} {
		require.NoError(t, os.WriteFile(at(name), []byte(text), 0o600))
	}
	for link, to := range map[string]string{"out": "../out.yaml", "same": "parts/a.yaml", "others": "parts"} {
		require.NoError(t, os.Symlink(to, at(link)))
	}
	read := scenarios.Beside(at("s.yaml"))
	text, err := read("parts/a.yaml", 4)
	require.NoError(t, err)
	assert.Equal(t, "a", string(text))
	for path, want := range map[string]string{
		"out": "is not a file, but a link", "same": "is not a file, but a link", "others/a.yaml": "is not a file, but a link",
		"../out.yaml": "path escapes", "no": "there is no file " + at("no"), "parts": "is not a file", "long": "is too long",
	} {
		_, err := read(path, 4)
		assert.ErrorContains(t, err, want, path)
	}
	assert.Nil(t, scenarios.Beside(dir), "a directory is no scenario")
	assert.Nil(t, scenarios.Beside("/dev/null"))
	text, err = scenarios.Beside("regions")("parts/regions/north.yaml", 1<<20)
	require.NoError(t, err)
	assert.Contains(t, string(text), "north")
	_, err = scenarios.Beside("regions")("parts/no.yaml", 1<<20)
	assert.ErrorContains(t, err, "parts/no.yaml")
}
