package verdict

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page and what belongs into it
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"otafleet/simulator/scenario"
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
	V       *Verdict
	F       *Figures
	Policy  string
	Style   template.CSS
	Script  template.JS
	Outcome outcome
	Key     []keyFigure
	Expect  []Expectation // those that did not hold first
	Chart   *seriesChart  // nil for a run without time
	Upgrade *barChart     // nil if no device was upgraded
	Spans   []spanRow
	Classes []scenario.Class // that some device is in, and the ones that everybody looks for
	Fleets  []fleetRow
	Parts   []partRow
	Faults  []faultRow
	Reports []countRow
	Codes   []countRow
	Refused []countRow
	Failed  []*deviceRow
	// AllFailed says that Failed lacks none.
	AllFailed bool
	Slowest   []*deviceRow
	Text      string
	Cut       bool // whether Text is not all of it
	Run       string
	Again     string // the command that judges the record again; empty without one
}

// outcome is the verdict as a headline.
type outcome struct {
	Word     string
	Sentence string
	Failed   []Expectation
}

// keyFigure is one of the numbers that everybody looks for.
type keyFigure struct{ Label, Value, Note string }

// WriteHTML writes the verdict as one page for a browser. It needs nothing from
// anywhere else, and forbids itself to ask for it.
func (v *Verdict) WriteHTML(w io.Writer) error {
	t, err := template.New("report").Funcs(template.FuncMap{
		"number": grouped, "seconds": Seconds, "bytes": Bytes, "share": percentOf, "label": classLabel,
		"first": func(all []*deviceRow) []*deviceRow { return all[:min(len(all), openRows)] },
		"rest":  func(all []*deviceRow) []*deviceRow { return all[min(len(all), openRows):] },
		"date":  func(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04:05 MST") },
		"day":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	}).Parse(reportPage)
	if err != nil {
		return fmt.Errorf("cannot make the page: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, v.page()); err != nil {
		return fmt.Errorf("cannot make the page: %w", err)
	}
	_, err = b.WriteTo(w)
	return err
}

func (v *Verdict) page() *page {
	f := v.Figures
	p := &page{
		V: v, F: f, Policy: policy(), Style: template.CSS(reportStyle), Script: template.JS(reportScript),
		Outcome: v.headline(), Key: v.keyFigures(), Chart: newSeriesChart(v), Upgrade: newBarChart(&f.Times.Upgrade),
		Classes: f.usedClasses(), Parts: partRows(f), Reports: reportRows(&f.Reports),
		Codes: countRows(f.Codes), Refused: countRows(f.Refusals), Run: v.runCommand(),
	}
	for _, held := range []bool{false, true} {
		for _, e := range v.Expectations {
			if e.Held == held {
				p.Expect = append(p.Expect, e)
			}
		}
	}
	for _, span := range scenario.Spans() {
		if d := f.Times.Of(span); d.Count() > 0 {
			p.Spans = append(p.Spans, newSpanRow(span, d))
		}
	}
	p.Fleets, p.Faults = p.fleetRows(), p.faultRows()
	p.Failed, p.Slowest = v.deviceRows(f.Failed(), "failed"), v.deviceRows(f.Slowest(), "slow")
	p.AllFailed = len(p.Failed) < keptFailed
	p.Text = v.Text
	if len(p.Text) > shownText {
		p.Text, p.Cut = cut(p.Text, shownText), true
	}
	if v.Record != "" {
		p.Again = "ota-sim report " + quoted(v.Record)
	}
	return p
}

// policy lets the page's own style and script work, and nothing else.
func policy() string {
	hash := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return "default-src 'none'; style-src " + hash(reportStyle) + "; script-src " + hash(reportScript) + "; base-uri 'none'; form-action 'none'"
}

// headline says the verdict in a word and a sentence or two.
func (v *Verdict) headline() outcome {
	o := outcome{Word: "Held"}
	n := len(v.Expectations)
	if v.Held {
		o.Sentence = fmt.Sprintf("All %s expectations held. ", grouped(n))
	} else {
		o.Word = "Not held"
		for _, e := range v.Expectations {
			if !e.Held {
				o.Failed = append(o.Failed, e)
			}
		}
		o.Sentence = fmt.Sprintf("%s of %s expectations did not hold. ", grouped(len(o.Failed)), grouped(n))
	}
	o.Sentence += v.Figures.sentence()
	return o
}

// sentence says what became of the devices.
func (f *Figures) sentence() string {
	var others []string
	for _, class := range scenario.Classes() {
		if n := f.Classes[class]; n > 0 && class != scenario.Upgraded {
			others = append(others, grouped(n)+" "+classSays(class, n))
		}
	}
	text := fmt.Sprintf("Of %s, %s", plural(f.Devices, "device"), grouped(f.Classes[scenario.Upgraded]))
	if f.Classes[scenario.Upgraded] == 1 {
		text += " was upgraded"
	} else {
		text += " were upgraded"
	}
	switch len(others) {
	case 0:
		return text + "."
	case 1:
		return text + ", " + others[0] + "."
	}
	return text + ", " + strings.Join(others[:len(others)-1], ", ") + " and " + others[len(others)-1] + "."
}

// classSays says of some devices that they are in a class.
func classSays(class scenario.Class, n int) string {
	switch class {
	case scenario.UpgradeFailed:
		return "failed"
	case scenario.NoUpdateRequired:
		return "needed nothing"
	case scenario.NotUpgraded:
		return "never began"
	case scenario.Refused:
		return "refused"
	case scenario.Unfinished:
		return "did not come to an end"
	case scenario.Unreachable:
		return "never connected"
	}
	if n == 1 {
		return "is unaccounted for"
	}
	return "are unaccounted for"
}

func (v *Verdict) keyFigures() []keyFigure {
	f := v.Figures
	upgraded := keyFigure{"Upgraded", percentOf(f.Classes[scenario.Upgraded], f.Devices),
		grouped(f.Classes[scenario.Upgraded]) + " of " + plural(f.Devices, "device")}
	times := keyFigure{"Upgrade time", "none", "no device was upgraded"}
	if d := &f.Times.Upgrade; d.Count() > 0 {
		times = keyFigure{"Upgrade time", Seconds(d.At(scenario.P50)), "median; 99% within " + Seconds(d.At(scenario.P99))}
	}
	struck, fired := 0, 0
	for i := range f.Faults {
		fired += f.Faults[i].Fired
		if f.Faults[i].Fired > 0 {
			struck++
		}
	}
	wrong := f.Reports.OutOfOrder + f.Reports.Conflicting + f.Reports.Illegal
	return []keyFigure{
		upgraded, times,
		{"Reports lost", grouped(f.Reports.Lost), fmt.Sprintf("of %s; %s wrong", grouped(f.Reports.Numbered), grouped(wrong))},
		{"Faults fired", grouped(fired), fmt.Sprintf("%d of %d that are declared", struck, len(f.Faults))},
		{"Downloaded", Bytes(f.Bytes), "verified" + rate(f.Bytes, f.Duration)},
		{"Run", Seconds(f.Duration), v.World + " world, seed " + fmt.Sprint(v.Seed)},
	}
}

// usedClasses are the classes that a table needs a column for.
func (f *Figures) usedClasses() []scenario.Class {
	var used []scenario.Class
	for _, class := range scenario.Classes() {
		if f.Classes[class] > 0 || class == scenario.Upgraded || class == scenario.UpgradeFailed {
			used = append(used, class)
		}
	}
	return used
}

// runCommand runs the scenario again.
func (v *Verdict) runCommand() string {
	source := v.Source
	if source == "" {
		source = v.Scenario.Name
	}
	command := fmt.Sprintf("ota-sim run %s --seed %d", quoted(source), v.Seed)
	if v.World == "virtual" {
		command += " --virtual"
	}
	return command
}

// quoted is a word as a shell wants it.
func quoted(word string) string {
	plain := word != "" && strings.IndexFunc(word, func(c rune) bool {
		return !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./:@%+=,", c)
	}) < 0
	if plain {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// grouped prints a number with a comma between thousands.
func grouped(n int) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return grouped(n) + " " + what + "s"
}

// percentOf prints a share. What is not all is never printed as 100%, and what
// is not nothing never as 0%.
func percentOf(n, total int) string {
	if total == 0 {
		return "none"
	}
	share := 100 * float64(n) / float64(total)
	switch {
	case n == total:
		return "100%"
	case n == 0:
		return "0%"
	case share > 99.99:
		return ">99.99%"
	case share < 0.01:
		return "<0.01%"
	case share > 99 || share < 1:
		return fmt.Sprintf("%.2f%%", share)
	}
	return fmt.Sprintf("%.1f%%", share)
}
