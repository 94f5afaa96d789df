package verdict

import (
	"encoding/json"
	"io"
	"time"

	"otafleet/simulator/scenario"
)

// The machine-readable form. Names here are relied on by scripts: they may be
// added to, and never change their meaning.
type document struct {
	Scenario     string                    `json:"scenario"`
	Held         bool                      `json:"held"`
	Interrupted  bool                      `json:"interrupted"`
	Seed         uint64                    `json:"seed"`
	World        string                    `json:"world"`
	Devices      int                       `json:"devices"`
	Seconds      float64                   `json:"seconds"`
	Classes      classDocument             `json:"classes"`
	Components   map[string]map[string]int `json:"components"`
	Reports      reportDocument            `json:"reports"`
	Time         timeDocument              `json:"time"`
	Faults       []faultDocument           `json:"faults"`
	Expectations []expectationDocument     `json:"expectations"`
	Violations   []string                  `json:"violations"`
	Resources    resourceDocument          `json:"resources"`
}

type classDocument struct {
	All    Counts            `json:"all"`
	Fleets map[string]Counts `json:"fleets"`
}

type reportDocument struct {
	Numbered    int `json:"numbered"`
	Stored      int `json:"stored"`
	Lost        int `json:"lost"`
	OutOfOrder  int `json:"out_of_order"`
	Duplicate   int `json:"duplicate"`
	Conflicting int `json:"conflicting"`
	Illegal     int `json:"illegal"`
}

type timeDocument struct {
	Upgrade quantileDocument `json:"upgrade"`
}

type quantileDocument struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50"`
	P95   float64 `json:"p95"`
	P99   float64 `json:"p99"`
	Max   float64 `json:"max"`
}

type faultDocument struct {
	Name  string `json:"name"`
	Drawn int    `json:"drawn"`
	Fired int    `json:"fired"`
}

type expectationDocument struct {
	Name     string `json:"name"`
	Fleet    string `json:"fleet,omitempty"`
	Measured string `json:"measured"`
	Held     bool   `json:"held"`
}

type resourceDocument struct {
	PeakMemory int64 `json:"peak_memory_bytes"`
	Sockets    int   `json:"sockets"`
	Downloaded int64 `json:"downloaded_bytes"`
	Sessions   int   `json:"sessions"`
	PowerCuts  int   `json:"power_cuts"`
}

// WriteJSON writes the verdict for a program. Times are in seconds.
func (v *Verdict) WriteJSON(w io.Writer) error {
	f := v.Figures
	d := document{
		Scenario: v.Scenario, Held: v.Held, Interrupted: v.Interrupted, Seed: v.Seed, World: v.World,
		Devices: f.Devices, Seconds: f.Duration.Seconds(),
		Classes:    classDocument{All: f.Classes.complete(), Fleets: map[string]Counts{}},
		Components: f.Components, Reports: reportDocument(f.Reports),
		Time: timeDocument{quantileDocument{f.UpgradeTime.Count, seconds(f.UpgradeTime.P50), seconds(f.UpgradeTime.P95),
			seconds(f.UpgradeTime.P99), seconds(f.UpgradeTime.Max)}},
		Faults: []faultDocument{}, Expectations: []expectationDocument{}, Violations: f.FirstViolations,
		Resources: resourceDocument{v.Resources.PeakMemory, v.Resources.Sockets, f.Bytes, f.Sessions, f.PowerCuts},
	}
	for _, fleet := range f.Fleets {
		d.Classes.Fleets[fleet.Name] = fleet.Classes.complete()
	}
	for _, fault := range f.Faults {
		d.Faults = append(d.Faults, faultDocument(fault))
	}
	for _, e := range v.Expectations {
		d.Expectations = append(d.Expectations, expectationDocument(e))
	}
	if d.Violations == nil {
		d.Violations = []string{}
	}
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false) // nobody reads it as a page, and ">= 99%" is easier to search for
	return out.Encode(d)
}

func seconds(d time.Duration) float64 { return d.Seconds() }

// complete names every class, so that a reader need not know that 0 is left
// out.
func (c Counts) complete() Counts {
	all := Counts{}
	for _, class := range scenario.Classes() {
		all[class] = c[class]
	}
	return all
}
