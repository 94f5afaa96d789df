package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page and what belongs into it
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"otafleet/internal/ota"
	"otafleet/internal/shell"
	"otafleet/simulator/compare"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

//go:embed html/report.html
var reportPage string

//go:embed html/report.css
var reportStyle string

//go:embed html/report.js
var reportScript string

// shownText is how much of the scenario's text a page shows, in bytes.
const shownText = 128 << 10

// openRows is how many devices a list shows before it is unfolded.
const openRows = 10

// page is what the template shows.
type page struct {
	V       *verdict.Verdict
	F       *verdict.Figures
	Policy  string
	Style   template.CSS
	Script  template.JS
	Outcome headline
	Key     []keyFigure
	Expect  []verdict.Expectation // those that did not hold first
	Chart   *seriesChart          // nil for a run without time
	Upgrade *barChart             // nil if no device was upgraded
	Spans   []spanRow
	Windows []windowRow      // of a rolling verdict
	Classes []scenario.Class // that some device is in, and the ones that everybody looks for
	Fleets  []fleetRow
	Parts   []partRow
	Beliefs []beliefRow
	Faults  []faultRow
	Reports []countRow
	Codes   []countRow
	Refused []countRow
	Idle    []string
	Failed  []*deviceRow
	// AllFailed says that Failed lacks none.
	AllFailed bool
	Slowest   []*deviceRow
	Text      string
	Cut       bool // whether Text is not all of it
	Run       string
	Piped     string        // the file that the scenario has to be put into before, if any
	Again     string        // the command that judges the record again; empty without one
	Compared  *comparedView // nil for a run that was not compared
}

// headline is the verdict in a word and a sentence or two.
type headline struct {
	Word     string
	Sentence string
	Failed   []verdict.Expectation
}

// keyFigure is one of the numbers that everybody looks for.
type keyFigure struct{ Label, Value, Note string }

// WriteHTML writes the verdict as one page for a browser. It needs nothing from
// anywhere else, and forbids itself to ask for it.
func WriteHTML(w io.Writer, v *verdict.Verdict) error { return writePage(w, reportPage, newPage(v)) }

// WriteComparedHTML writes a verdict as a page that has the comparison of its run, too.
func WriteComparedHTML(w io.Writer, v *verdict.Verdict, c *compare.Comparison) error {
	p := newPage(v)
	p.Compared = newComparedView(c)
	return writePage(w, reportPage, p)
}

// writePage writes what a page's template shows.
func writePage(w io.Writer, text string, shows any) error {
	t, err := newTemplate(text)
	if err != nil {
		return fmt.Errorf("cannot make the page: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, shows); err != nil {
		return fmt.Errorf("cannot make the page: %w", err)
	}
	_, err = b.WriteTo(w)
	return err
}

func newTemplate(text string) (*template.Template, error) {
	return template.New("page").Funcs(template.FuncMap{
		"number": grouped, "seconds": verdict.Seconds, "bytes": ota.FormatSize, "share": percentOf, "label": classLabel,
		"starts": func(s verdict.Starts) string { return startsWords(&s) },
		"first":  func(all []*deviceRow) []*deviceRow { return all[:min(len(all), openRows)] },
		"rest":   func(all []*deviceRow) []*deviceRow { return all[min(len(all), openRows):] },
		"date":   func(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04:05 MST") },
		"day":    func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	}).Parse(text + comparedPart)
}

func newPage(v *verdict.Verdict) *page {
	f := v.Figures
	p := &page{
		V: v, F: f, Policy: policy(), Style: template.CSS(reportStyle), Script: template.JS(reportScript),
		Outcome: newHeadline(v), Key: keyFigures(v), Chart: newSeriesChart(v), Upgrade: newBarChart(&f.Times.Upgrade),
		Classes: usedClasses(f), Parts: partRows(f), Beliefs: beliefRows(v), Reports: reportRows(&f.Reports),
		Codes: countRows(f.Codes), Refused: countRows(f.Refusals), Idle: idleLines(v), Windows: windowRows(v),
	}
	p.Expect = slices.Clone(v.Expectations)
	slices.SortStableFunc(p.Expect, func(a, b verdict.Expectation) int { return urgency(&a) - urgency(&b) })
	for _, span := range scenario.Spans() {
		if d := f.Times.Of(span); d.Count() > 0 {
			p.Spans = append(p.Spans, newSpanRow(span, d))
		}
	}
	p.Fleets, p.Faults = p.fleetRows(), p.faultRows()
	p.Failed, p.Slowest = deviceRows(v, f.Failed(), "failed"), deviceRows(v, f.Slowest(), "slow")
	p.AllFailed = len(p.Failed) < verdict.KeptFailed
	p.Text = v.Text
	if len(p.Text) > shownText {
		p.Text, p.Cut = strings.ToValidUTF8(p.Text[:shownText], ""), true
	}
	p.Run, p.Piped = runCommand(v)
	if v.Record != "" {
		p.Again = shell.Line("ota-sim", "report", shell.Path(v.Record))
	}
	return p
}

// policy lets the page's own style and script work, and nothing else.
func policy() string {
	hash := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return "default-src 'none'; style-src " + hash(reportStyle) + "; script-src " + hash(reportScript) +
		"; base-uri 'none'; form-action 'none'"
}

// usedClasses are the classes that a table needs a column for.
func usedClasses(f *verdict.Figures) []scenario.Class {
	var used []scenario.Class
	for _, class := range scenario.Classes() {
		if f.Classes[class] > 0 || class == scenario.Upgraded || class == scenario.UpgradeFailed {
			used = append(used, class)
		}
	}
	return used
}

// runCommand runs the scenario again. One that came through a pipe is taken from the
// record; without one it has to be put into a file first.
func runCommand(v *verdict.Verdict) (command, file string) {
	source := v.Source
	switch piped := source == "-" || strings.HasPrefix(source, "/dev/") || strings.HasPrefix(source, "/proc/"); {
	case piped && v.Record != "":
		source = filepath.Join(v.Record, "scenario.yaml")
	case piped:
		source = v.Scenario.Name + ".yaml"
		file = source
	case source == "":
		source = v.Scenario.Name
	}
	words := []string{"ota-sim", "run", shell.Path(source), "--seed", strconv.FormatUint(v.Seed, 10)}
	if v.World == "virtual" {
		words = append(words, "--virtual")
	}
	return shell.Line(words...), file
}
