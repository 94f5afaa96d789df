package report

import (
	"fmt"
	"strings"
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// windowDocument is the verdict on one window of a run.
type windowDocument struct {
	From       float64                      `json:"from"`
	To         float64                      `json:"to"`
	Held       bool                         `json:"held"`
	Broke      []string                     `json:"broke,omitempty"`
	Ends       map[string]int               `json:"ends"`
	Devices    map[string]int               `json:"devices"`
	Connected  int                          `json:"connected"`
	Time       map[scenario.Span]windowSpan `json:"time"`
	Codes      map[string]int               `json:"codes,omitempty"`
	Reports    windowReports                `json:"reports"`
	Sessions   int                          `json:"sessions"`
	PowerCuts  int                          `json:"power_cuts"`
	Faults     int                          `json:"faults"`
	Refusals   int                          `json:"refusals"`
	Violations int                          `json:"violations"`
	Rules      int                          `json:"rules_broken"`
	Downloaded int64                        `json:"downloaded_bytes"`
}

type windowReports struct {
	Numbered    int `json:"numbered"`
	Stored      int `json:"stored"`
	OutOfOrder  int `json:"out_of_order"`
	Duplicate   int `json:"duplicate"`
	Conflicting int `json:"conflicting"`
	Illegal     int `json:"illegal"`
}

type windowSpan struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P95   float64 `json:"p95"`
	P99   float64 `json:"p99"`
	Max   float64 `json:"max"`
}

// memoryDocument is what a run's processes had resident at a time of it.
type memoryDocument struct {
	At    float64 `json:"at"`
	Bytes int64   `json:"resident_bytes"`
}

func windowDocuments(v *verdict.Verdict) (all []windowDocument) {
	for _, w := range v.Figures.Windows.Rolling(v.Scenario, v.Figures.Devices) {
		all = append(all, newWindowDocument(&w))
	}
	return all
}

func newWindowDocument(w *verdict.Rolling) windowDocument {
	d := windowDocument{From: seconds(w.From), To: seconds(w.To), Held: w.Held(), Broke: w.Broke,
		Ends: map[string]int{}, Devices: map[string]int{}, Connected: w.Connected, Time: map[scenario.Span]windowSpan{},
		Codes: w.Codes, Sessions: w.Sessions, PowerCuts: w.PowerCuts, Faults: w.Faults, Refusals: w.Refusals,
		Violations: w.Violations, Rules: w.Broken, Downloaded: w.Bytes,
		Reports: windowReports{Numbered: w.Reports.Numbered, Stored: w.Reports.Stored, OutOfOrder: w.Reports.OutOfOrder,
			Duplicate: w.Reports.Duplicate, Conflicting: w.Reports.Conflicting, Illegal: w.Reports.Illegal}}
	for status := ota.DeviceNotUpgraded; status <= ota.DeviceNoUpdateRequired; status++ {
		d.Devices[status.String()] = w.Devices[status]
		if status >= ota.DeviceUpgraded {
			d.Ends[status.String()] = w.Ends[status]
		}
	}
	for _, span := range scenario.Spans() {
		at := func(q scenario.Quantile) float64 { return seconds(w.At(span, q)) }
		if n := w.Count(span); n > 0 {
			d.Time[span] = windowSpan{Count: n, P50: at(scenario.P50), P90: at(scenario.P90), P95: at(scenario.P95),
				P99: at(scenario.P99), Max: at(scenario.Max)}
		}
	}
	return d
}

func memoryDocuments(f *verdict.Figures) (all []memoryDocument) {
	for _, s := range f.Memory {
		all = append(all, memoryDocument{seconds(s.At), s.Bytes})
	}
	return all
}

// windowRow is a window as a page shows it.
type windowRow struct {
	From, To                  string
	Held                      bool
	Upgraded, Failed, Current int
	At                        []string // how long upgrades took
	Faults                    int
	Memory                    string // the least within it; empty if it was not measured
	Notes                     string // what did not hold, and the codes of failures
}

func windowRows(v *verdict.Verdict) (rows []windowRow) {
	for _, w := range v.Figures.Windows.Rolling(v.Scenario, v.Figures.Devices) {
		row := windowRow{From: verdict.Seconds(w.From), To: verdict.Seconds(w.To), Held: w.Held(),
			Upgraded: w.Ends[ota.DeviceUpgraded], Failed: w.Ends[ota.DeviceUpgradeFailed],
			Current: w.Ends[ota.DeviceNoUpdateRequired], Faults: w.Faults, Memory: leastMemory(v.Figures, w.From, w.To)}
		for _, q := range []scenario.Quantile{scenario.P50, scenario.P95, scenario.P99, scenario.Max} {
			text := ""
			if w.Count(scenario.UpgradeSpan) > 0 {
				text = verdict.Seconds(w.At(scenario.UpgradeSpan, q))
			}
			row.At = append(row.At, text)
		}
		notes := w.Broke
		if len(w.Codes) > 0 {
			notes = append(notes[:len(notes):len(notes)], tallyLine(w.Codes))
		}
		row.Notes = strings.Join(notes, "; ")
		rows = append(rows, row)
	}
	return rows
}

func leastMemory(f *verdict.Figures, from, to time.Duration) string {
	least := int64(0)
	for _, s := range f.Memory {
		if s.At >= from && s.At < to && (least == 0 || s.Bytes < least) {
			least = s.Bytes
		}
	}
	if least == 0 {
		return ""
	}
	return ota.FormatSize(least)
}

// shownWindows is how many windows that did not hold a text tells of.
const shownWindows = 10

// windows tells how many windows held, and of those that did not.
func (t *text) windows() {
	all := t.v.Figures.Windows.Rolling(t.v.Scenario, t.v.Figures.Devices)
	if len(all) == 0 {
		return
	}
	var broken []string
	for i := range all {
		if !all[i].Held() {
			broken = append(broken, all[i].String())
		}
	}
	fmt.Fprintf(t, "\nWindows\n  %d of %d held, each of %s\n", len(all)-len(broken), len(all),
		verdict.Seconds(t.v.Scenario.Windows))
	for _, line := range broken[:min(len(broken), shownWindows)] {
		fmt.Fprintf(t, "  %s\n", t.style.paint(red, line))
	}
	if more := len(broken) - shownWindows; more > 0 {
		fmt.Fprintf(t, "  and %d more\n", more)
	}
}
