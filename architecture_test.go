package otafleet_test

import (
	"math"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// section gives what stands in a document between the marks of a name.
func section(t *testing.T, document, name string) string {
	t.Helper()
	content, err := os.ReadFile(document)
	require.NoError(t, err)
	_, rest, opened := strings.Cut(string(content), "<!-- "+name+" -->\n")
	text, _, closed := strings.Cut(rest, "<!-- /"+name+" -->")
	require.True(t, opened && closed, "%s has no section %s", document, name)
	return text
}

// TestArchitectureIsRightAboutSizes compares its table with the lines of code, to
// a sixth of them.
func TestArchitectureIsRightAboutSizes(t *testing.T) {
	rows := regexp.MustCompile("(?m)^\\| `([^`]+)`[^|]* \\| ([0-9,]+) \\|$")
	all := rows.FindAllStringSubmatch(section(t, "ARCHITECTURE.md", "size-table"), -1)
	require.Greater(t, len(all), 8)
	code := sources(t)
	for _, row := range all {
		claimed, err := strconv.ParseFloat(strings.ReplaceAll(row[2], ",", ""), 64)
		require.NoError(t, err)
		lines := 0
		for _, s := range code {
			if !s.test && within(row[1], s.pkg) {
				lines += s.lines
			}
		}
		if math.Abs(claimed-float64(lines)) > float64(lines)/6 {
			t.Errorf("ARCHITECTURE.md says that %s has %s lines; it has %d", row[1], row[2], lines)
		}
	}
}

// TestNoPackageIsTooLarge: a package with a tenth of the code has no one idea.
func TestNoPackageIsTooLarge(t *testing.T) {
	all, byPackage := 0, map[string]int{}
	for _, s := range sources(t) {
		if !s.test {
			all += s.lines
			byPackage[s.pkg] += s.lines
		}
	}
	for pkg, lines := range byPackage {
		if lines*10 > all {
			t.Errorf("%s has %d of %d lines of code, more than a tenth: divide it", pkg, lines, all)
		}
	}
}

// TestDocumentsNameWhatExists: files, folders and packages that a document names
// are there. CHANGELOG.md speaks of the past.
func TestDocumentsNameWhatExists(t *testing.T) {
	named := regexp.MustCompile(
		"`((?:agent|cmd|docs|examples|firmware|internal|packaging|scenarios|scripts|simulator|test)/[\\w./-]+\\w)`")
	found := 0
	for document, content := range texts(t) {
		if path.Ext(document) != ".md" || document == "CHANGELOG.md" {
			continue
		}
		for _, name := range named.FindAllStringSubmatch(string(content), -1) {
			found++
			_, err := os.Stat(name[1])
			assert.NoError(t, err, "%s names %s", document, name[1])
		}
	}
	require.Greater(t, found, 100)
}

// TestArchitectureShowsEveryPackage in its layout.
func TestArchitectureShowsEveryPackage(t *testing.T) {
	content, err := os.ReadFile("ARCHITECTURE.md")
	require.NoError(t, err)
	_, layout, _ := strings.Cut(string(content), "## Layout\n\n```\n")
	layout, _, _ = strings.Cut(layout, "```")
	for _, s := range sources(t) {
		last := s.pkg[strings.LastIndex(s.pkg, "/")+1:]
		top, _, _ := strings.Cut(s.pkg, "/")
		if top == "test" || s.pkg == "." || strings.HasSuffix(last, "test") {
			continue
		}
		assert.True(t, strings.Contains(layout, " "+last+"/") || strings.Contains(layout, "/"+last+"/") ||
			strings.HasPrefix(layout, last+"/") || strings.Contains(layout, "\n"+last+"/"),
			"the layout of ARCHITECTURE.md does not show %s", s.pkg)
	}
}

// TestDocumentsGiveOneSizeOfTheAgent: it is measured by scripts/footprint.sh,
// and the documents give one figure, below the limit of that script.
func TestDocumentsGiveOneSizeOfTheAgent(t *testing.T) {
	figure := func(document, pattern string) string {
		content, err := os.ReadFile(document)
		require.NoError(t, err)
		found := regexp.MustCompile(pattern).FindStringSubmatch(string(content))
		require.NotNil(t, found, "%s: no %s", document, pattern)
		return found[1]
	}
	size := figure("docs/PERFORMANCE.md", `\| linux/arm64 \| ([0-9.]+) MB \|`)
	assert.Equal(t, size, figure("ARCHITECTURE.md", `stripped agent for linux/arm64 has ([0-9.]+) MB`))
	megabytes, err := strconv.ParseFloat(size, 64)
	require.NoError(t, err)
	limit, err := strconv.ParseFloat(figure("scripts/footprint.sh", `everything=(\d+) `), 64)
	require.NoError(t, err)
	assert.Less(t, megabytes, limit/1e6)
	assert.Greater(t, megabytes, 0.9*limit/1e6, "the limit has been left far behind: measure again")
}
