package report

import (
	"fmt"
	"strings"

	"otafleet/internal/ota"
	"otafleet/internal/shell"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// slicePart is a part of a bar that stands for a whole.
type slicePart struct {
	Class    string // of the style
	X, Width string // percentages
	Title    string
}

type fleetRow struct {
	Name   string
	Count  int
	Bar    []slicePart
	Counts []int // as the page's classes
}

func (p *page) fleetRows() []fleetRow {
	var rows []fleetRow
	for _, f := range p.F.Fleets {
		rows = append(rows, fleetRow{f.Name, f.Count, classBar(f.Classes), p.counts(f.Classes)})
	}
	return rows
}

// counts are the numbers of the classes that the page shows.
func (p *page) counts(c verdict.Counts) []int {
	counts := make([]int, len(p.Classes))
	for i, class := range p.Classes {
		counts[i] = c[class]
	}
	return counts
}

func classBar(c verdict.Counts) []slicePart {
	var b barBuilder
	for _, class := range scenario.Classes() {
		b.add("k-"+string(class), classLabel(class), c[class], c.Sum())
	}
	return b.parts
}

// barBuilder lays parts of a whole side by side.
type barBuilder struct {
	parts []slicePart
	sum   int
}

func (b *barBuilder) add(class, name string, n, total int) {
	if n <= 0 || total <= 0 {
		return
	}
	b.parts = append(b.parts, slicePart{Class: class,
		X: percent(float64(b.sum), float64(total)), Width: percent(float64(n), float64(total)),
		Title: fmt.Sprintf("%s: %s of %s", name, grouped(n), grouped(total))})
	b.sum += n
}

// classLabel is what a person calls a class.
func classLabel(class scenario.Class) string { return strings.ReplaceAll(string(class), "_", " ") }

// partRow is what became of a component.
type partRow struct {
	Component string
	Count     int
	Bar       []slicePart
	Statuses  []countRow
}

type countRow struct {
	Name  string
	Count int
	Class string // of the style
}

func partRows(f *verdict.Figures) []partRow {
	var rows []partRow
	for _, id := range sortedKeys(f.Components) {
		r := partRow{Component: id}
		for _, n := range f.Components[id] {
			r.Count += n
		}
		var b barBuilder
		for _, row := range ota.Statuses() {
			if n := f.Components[id][row.Wire]; n > 0 {
				r.Statuses = append(r.Statuses, countRow{row.Name, n, statusStyle(row.Status)})
				b.add(statusStyle(row.Status), row.Name, n, r.Count)
			}
		}
		r.Bar = b.parts
		rows = append(rows, r)
	}
	return rows
}

// statusStyle is the class of the style in which a component's status is shown.
func statusStyle(s ota.Status) string {
	switch {
	case s == ota.NoUpdateRequired:
		return "k-no_update_required"
	case s.Done():
		return "k-upgraded"
	case s.Failed():
		return "k-upgrade_failed"
	case s.InProgress():
		return "k-unfinished"
	}
	return "k-not_upgraded"
}

// faultRow is a declared fault, and where the devices ended that it struck.
type faultRow struct {
	Name, What, Declared string
	Drawn, Fired, Struck int
	Bar                  []slicePart
	Counts               []int // as the page's classes
}

func (p *page) faultRows() []faultRow {
	var rows []faultRow
	for i := range p.F.Faults {
		f, spec := &p.F.Faults[i], &p.V.Scenario.Faults[i]
		rows = append(rows, faultRow{Name: f.Name, What: fmt.Sprintf("%s at %s", spec.Kind, spec.At),
			Declared: declared(spec), Drawn: f.Drawn, Fired: f.Fired, Struck: f.Struck(),
			Bar: classBar(f.Outcomes), Counts: p.counts(f.Outcomes)})
	}
	return rows
}

func reportRows(r *verdict.Reports) []countRow {
	bad := func(n int) string {
		if n > 0 {
			return "bad"
		}
		return ""
	}
	return []countRow{
		{"made durable on devices", r.Numbered, ""}, {"stored by the platform", r.Stored, ""}, {"lost", r.Lost, bad(r.Lost)},
		{"undelivered when the run ended", r.Undelivered, ""},
		{"out of order", r.OutOfOrder, bad(r.OutOfOrder)}, {"conflicting", r.Conflicting, bad(r.Conflicting)},
		{"illegal", r.Illegal, bad(r.Illegal)}, {"sent again, harmless", r.Duplicate, ""},
	}
}

func countRows(counts map[string]int) []countRow {
	var rows []countRow
	for _, key := range byCount(counts) {
		rows = append(rows, countRow{Name: key, Count: counts[key]})
	}
	return rows
}

// spanRow is the quantiles of a span.
type spanRow struct {
	Name, Note string
	Count      int
	At         []string // as scenario.Quantiles
}

func newSpanRow(span scenario.Span, d *verdict.Distribution) spanRow {
	r := spanRow{Name: spanName(span), Count: d.Count()}
	for _, q := range scenario.Quantiles() {
		r.At = append(r.At, verdict.Seconds(d.At(q)))
	}
	return r
}

// deviceRow is a device with its log.
type deviceRow struct {
	*verdict.DeviceRecord
	ID      string // in the page
	Replay  string // the command that runs it again; empty without a record
	Lines   []logLine
	Omitted int
}

// logLine is an event in words.
type logLine struct {
	At    string
	Where string
	What  string
	Class string // of the style
}

func deviceRows(v *verdict.Verdict, records []*verdict.DeviceRecord, prefix string) []*deviceRow {
	var rows []*deviceRow
	for i, r := range records {
		row := &deviceRow{DeviceRecord: r, ID: fmt.Sprintf("%s-%d", prefix, i+1), Omitted: r.Earlier}
		if v.Record != "" {
			row.Replay = shell.Line("ota-sim", "replay", shell.Path(v.Record), "--only", r.Device)
		}
		for i := range r.Log {
			row.Lines = append(row.Lines, newLogLine(&r.Log[i]))
		}
		rows = append(rows, row)
	}
	return rows
}

// Sentence says in a line what became of the device.
func (d *deviceRow) Sentence() string {
	parts := []string{}
	for _, c := range d.Components {
		if d.Took > 0 && c.Status.Done() {
			continue // as it should be
		}
		text := c.Component + ": " + c.Status.Row().Name
		if c.Code != "" {
			text += " (" + c.Code + ")"
		}
		parts = append(parts, text)
	}
	if d.Reason != "" {
		parts = append(parts, d.Reason)
	}
	if d.Refused != "" {
		parts = append(parts, "refused: "+d.Refused)
	}
	if len(d.Faults) > 0 {
		parts = append(parts, "struck by "+strings.Join(d.Faults, ", "))
	}
	return strings.Join(parts, " · ")
}

func newLogLine(e *verdict.Event) logLine {
	l := logLine{At: fmt.Sprintf("%.3f", e.At.Seconds()), Where: "device", What: Describe(e)}
	if e.Kind.AtPlatform() {
		l.Where = "platform"
	}
	switch e.Kind {
	case verdict.Violation, verdict.Illegal, verdict.Conflicting, verdict.OutOfOrder:
		l.Class = "bad"
	case verdict.FaultFired, verdict.PowerCut:
		l.Class = "fault"
	case verdict.Numbered, verdict.Stored:
		if e.Status.Failed() {
			l.Class = "bad"
		}
	}
	return l
}
