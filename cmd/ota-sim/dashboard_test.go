package main

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/exposition"
)

// names gathers the metrics, each with its labels.
type names map[string]map[string]bool

// Family begins a metric (exposition.Sink).
func (n names) Family(name, _, _ string) { n[name] = map[string]bool{} }

// Sample adds labels (exposition.Sink).
func (n names) Sample(name string, _ float64, labels ...string) {
	if n[name] == nil { // a part of a histogram
		n[name] = map[string]bool{}
	}
	for i := 0; i < len(labels); i += 2 {
		n[name][labels[i]] = true
	}
}

var _ exposition.Sink = names{}

// dashboard is what a test looks at in a dashboard of Grafana.
type dashboard struct {
	Panels []struct {
		ID                       int
		Type, Title, Description string
		Grid                     struct{ X, Y, W, H int } `json:"gridPos"`
		Datasource               struct{ UID string }
		Targets                  []struct{ Expr, LegendFormat string }
	}
	Templating struct {
		List []struct{ Name, Type, Definition string }
	}
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	text, err := os.ReadFile("../../packaging/grafana/ota-sim.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &d))
	return d
}

// The parts of a query that name something.
var (
	metricName = regexp.MustCompile(`\b(?:ota_sim|go|process)_\w+`)
	selector   = regexp.MustCompile(`(\w+)\{([^}]*)\}`)
	matcher    = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)\s*"`)
	grouping   = regexp.MustCompile(`\b(?:by|on|group_left)\s*\(([^)]*)\)`)
	variable   = regexp.MustCompile(`\$(\w+)`)
	legend     = regexp.MustCompile(`\{\{(\w+)\}\}`)
)

// TestDashboardAsksForWhatThereIs holds the queries of the dashboard against the metrics
// and their labels, and the other way round.
func TestDashboardAsksForWhatThereIs(t *testing.T) {
	exported, d := names{}, readDashboard(t)
	filled().fill(exported)
	variables := map[string]bool{"__rate_interval": true}
	var queries []string
	for _, v := range d.Templating.List {
		variables[v.Name] = true
		if v.Type == "query" {
			queries = append(queries, v.Definition)
		}
	}
	asked := map[string]bool{}
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			queries = append(queries, target.Expr)
			for _, label := range legend.FindAllStringSubmatch(target.LegendFormat, -1) {
				assert.Contains(t, target.Expr, label[1], "the legend of %q names a label that its query loses", p.Title)
			}
		}
	}
	for _, query := range queries {
		checkQuery(t, query, exported, variables)
		for _, name := range metricName.FindAllString(query, -1) {
			asked[strings.TrimSuffix(name, "_bucket")] = true
		}
	}
	for name := range exported {
		if !strings.HasSuffix(name, "_bucket") {
			part := strings.HasSuffix(name, "_sum") || strings.HasSuffix(name, "_count")
			assert.True(t, asked[name] || part, "no panel shows %s", name)
		}
	}
}

func checkQuery(t *testing.T, query string, exported names, variables map[string]bool) {
	t.Helper()
	labels := map[string]bool{"job": true, "instance": true} // of everything that a server has
	found := metricName.FindAllString(query, -1)
	assert.NotEmpty(t, found, query)
	for _, name := range found {
		assert.Contains(t, exported, name, query)
		for label := range exported[name] {
			labels[label] = true
		}
	}
	for _, s := range selector.FindAllStringSubmatch(query, -1) {
		for _, m := range matcher.FindAllStringSubmatch(s[2], -1) {
			assert.True(t, exported[s[1]][m[1]], "%s has no label %s: %s", s[1], m[1], query)
		}
	}
	for _, g := range grouping.FindAllStringSubmatch(query, -1) {
		for label := range strings.SplitSeq(g[1], ",") {
			assert.True(t, labels[strings.TrimSpace(label)], "no metric has the label %s: %s", label, query)
		}
	}
	for _, v := range variable.FindAllStringSubmatch(query, -1) {
		assert.True(t, variables[v[1]], "there is no variable %s: %s", v[0], query)
	}
	for _, pair := range []string{"()", "{}", "[]"} {
		assert.Equal(t, strings.Count(query, pair[:1]), strings.Count(query, pair[1:]), query)
	}
}

// TestDashboardIsLegible: every panel says what it shows, and has a place of its own.
func TestDashboardIsLegible(t *testing.T) {
	seen, taken := map[int]bool{}, map[[2]int]string{}
	for _, p := range readDashboard(t).Panels {
		assert.False(t, seen[p.ID], "two panels have the number %d", p.ID)
		seen[p.ID] = true
		assert.NotEmpty(t, p.Title)
		assert.LessOrEqual(t, p.Grid.X+p.Grid.W, 24, p.Title)
		for x := p.Grid.X; x < p.Grid.X+p.Grid.W; x++ {
			for y := p.Grid.Y; y < p.Grid.Y+p.Grid.H; y++ {
				assert.Empty(t, taken[[2]int{x, y}], "%s is in its place", p.Title)
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type != "row" {
			assert.NotEmpty(t, p.Description, p.Title)
			assert.NotEmpty(t, p.Targets, p.Title)
			assert.Equal(t, "${datasource}", p.Datasource.UID, "a reader chooses the source")
		}
	}
}
