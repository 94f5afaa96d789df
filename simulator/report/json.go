package report

import (
	"encoding/json"
	"io"
	"time"

	"otafleet/simulator/compare"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// The machine-readable form. Names here are relied on by scripts: they may be
// added to, and never change their meaning.
type document struct {
	Scenario      string                            `json:"scenario"`
	Held          bool                              `json:"held"`
	Interrupted   bool                              `json:"interrupted"`
	Seed          uint64                            `json:"seed"`
	World         string                            `json:"world"`
	Part          string                            `json:"part,omitempty"`
	Devices       int                               `json:"devices"`
	Seconds       float64                           `json:"seconds"`
	Classes       classDocument                     `json:"classes"`
	Components    map[string]map[string]int         `json:"components"`
	Platform      platformDocument                  `json:"platform"`
	Reports       reportDocument                    `json:"reports"`
	Time          map[scenario.Span]spanDoc         `json:"time"`
	Faults        []faultDocument                   `json:"faults"`
	Refusals      map[string]int                    `json:"refusals"`
	Codes         map[string]int                    `json:"codes"`
	Reasons       map[scenario.Class]map[string]int `json:"reasons"`
	NeverBegan    []idleDocument                    `json:"never_began"`
	Windows       []windowDocument                  `json:"windows,omitempty"`
	Memory        []memoryDocument                  `json:"memory,omitempty"`
	Expectations  []expectationDocument             `json:"expectations"`
	Rules         []ruleDocument                    `json:"rules"`
	Violations    []string                          `json:"violations"`
	Refused       []string                          `json:"refused_orders,omitempty"`
	Slowest       []deviceDocument                  `json:"slowest"`
	Failed        []deviceDocument                  `json:"failed"`
	HistoryDigest string                            `json:"history_digest"`
	KeptUntil     float64                           `json:"history_kept_seconds,omitempty"`
	Resources     resourceDocument                  `json:"resources"`
	Starts        *startsDocument                   `json:"starts,omitempty"` // of several processes
	Comparison    *comparisonDocument               `json:"comparison,omitempty"`
}

type classDocument struct {
	All    verdict.Counts            `json:"all"`
	Fleets map[string]verdict.Counts `json:"fleets"`
}

// platformDocument are the devices by what the platform believes of them.
type platformDocument struct {
	All      map[string]int            `json:"all"`
	Plans    map[string]map[string]int `json:"plans"`
	Mistaken int                       `json:"mistaken"`
}

func newPlatformDocument(f *verdict.Figures) platformDocument {
	d := platformDocument{All: map[string]int{}, Plans: map[string]map[string]int{}, Mistaken: f.Mistaken}
	for plan, byStatus := range f.Beliefs {
		if plan == "" {
			d.All = byStatus
		} else {
			d.Plans[plan] = byStatus
		}
	}
	return d
}

type reportDocument struct {
	Numbered    int `json:"numbered"`
	Stored      int `json:"stored"`
	Lost        int `json:"lost"`
	Undelivered int `json:"undelivered"`
	OutOfOrder  int `json:"out_of_order"`
	Duplicate   int `json:"duplicate"`
	Conflicting int `json:"conflicting"`
	Illegal     int `json:"illegal"`
}

type spanDoc struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P95   float64 `json:"p95"`
	P99   float64 `json:"p99"`
	P999  float64 `json:"p999"`
	Max   float64 `json:"max"`
}

type faultDocument struct {
	Name     string         `json:"name"`
	Declared string         `json:"declared"`
	Drawn    int            `json:"drawn"`
	Fired    int            `json:"fired"`
	Struck   int            `json:"struck"`
	Outcomes verdict.Counts `json:"outcomes"`
}

type expectationDocument struct {
	Name     string `json:"name"`
	Fleet    string `json:"fleet,omitempty"`
	Measured string `json:"measured"`
	Held     bool   `json:"held"`
	Deferred bool   `json:"deferred,omitempty"`

	Occasions int `json:"occasions"`
}

type ruleDocument struct {
	Name      string   `json:"name"`
	Fleet     string   `json:"fleet,omitempty"`
	Occasions int      `json:"occasions"`
	Broken    int      `json:"broken"`
	First     []string `json:"first"`
}

type deviceDocument struct {
	Device  string         `json:"device"`
	Class   scenario.Class `json:"class"`
	Seconds float64        `json:"seconds,omitempty"`
	Faults  []string       `json:"faults"`
	Reason  string         `json:"reason,omitempty"`
}

// idleDocument is a device that never began.
type idleDocument struct {
	Device string         `json:"device"`
	Class  scenario.Class `json:"class"`
	Reason string         `json:"reason"`
}

type startsDocument struct {
	Processes int     `json:"processes"`
	Apart     float64 `json:"apart_seconds"`
	Compared  bool    `json:"clocks_compared"`
	Within    float64 `json:"clocks_within_seconds"`
}

type resourceDocument struct {
	PeakMemory int64   `json:"peak_memory_bytes"`
	Sockets    int     `json:"sockets"`
	Downloaded int64   `json:"downloaded_bytes"`
	Sessions   int     `json:"sessions"`
	PowerCuts  int     `json:"power_cuts"`
	Wall       float64 `json:"wall_seconds"`
	CPU        float64 `json:"cpu_seconds"`
	CPUs       int     `json:"cpus"`
	Processes  int     `json:"processes"`
	System     string  `json:"system"`
}

// WriteJSON writes the verdict for a program. Times are in seconds.
func WriteJSON(w io.Writer, v *verdict.Verdict) error { return encode(w, newVerdictDocument(v)) }

// WriteComparedJSON writes a verdict with the comparison of its run in it.
func WriteComparedJSON(w io.Writer, v *verdict.Verdict, c *compare.Comparison) error {
	d := newVerdictDocument(v)
	d.Comparison = newComparisonDocument(c)
	return encode(w, d)
}

func encode(w io.Writer, document any) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false) // it is no page, and ">= 99%" is easier to search for
	return out.Encode(document)
}

func newVerdictDocument(v *verdict.Verdict) *document {
	f := v.Figures
	d := document{
		Scenario: v.Scenario.Name, Held: v.Held, Interrupted: v.Interrupted, Seed: v.Seed, World: v.World, Part: v.Part,
		Devices: f.Devices, Seconds: f.Duration.Seconds(),
		Classes:    classDocument{All: complete(f.Classes), Fleets: map[string]verdict.Counts{}},
		Components: f.Components, Platform: newPlatformDocument(f), Reports: reportDocument(f.Reports),
		Time:   map[scenario.Span]spanDoc{},
		Faults: []faultDocument{}, Refusals: f.Refusals, Codes: f.Codes, Reasons: f.Reasons, NeverBegan: []idleDocument{},
		Expectations: []expectationDocument{}, Rules: []ruleDocument{}, Violations: f.FirstViolations(), Refused: f.Refused,
		Slowest: deviceDocuments(f.Slowest()), Failed: deviceDocuments(f.Failed()),
		HistoryDigest: v.HistoryDigest, KeptUntil: seconds(v.KeptUntil), Resources: newResources(v),
	}
	if s := &v.Starts; s.Processes > 0 {
		d.Starts = &startsDocument{Processes: s.Processes, Apart: seconds(s.Apart), Compared: s.Compared,
			Within: seconds(s.Within)}
	}
	d.Windows, d.Memory = windowDocuments(v), memoryDocuments(f)
	for device := range f.Idle(v.Scenario) {
		d.NeverBegan = append(d.NeverBegan, idleDocument(device))
	}
	for _, fleet := range f.Fleets {
		d.Classes.Fleets[fleet.Name] = complete(fleet.Classes)
	}
	for _, span := range scenario.Spans() {
		d.Time[span] = newSpanDoc(f.Times.Of(span))
	}
	for i := range f.Faults {
		count := &f.Faults[i]
		d.Faults = append(d.Faults, faultDocument{Name: count.Name, Declared: declared(&v.Scenario.Faults[i]),
			Drawn: count.Drawn, Fired: count.Fired, Struck: count.Struck(), Outcomes: complete(count.Outcomes)})
	}
	for _, e := range v.Expectations {
		d.Expectations = append(d.Expectations, expectationDocument(e))
	}
	for i := range f.Rules {
		r := &f.Rules[i]
		d.Rules = append(d.Rules, ruleDocument{Name: r.Name, Fleet: r.Fleet,
			Occasions: v.RuleOccasions(i), Broken: r.Broken, First: r.First()})
	}
	return &d
}

func newSpanDoc(d *verdict.Distribution) spanDoc {
	at := func(q scenario.Quantile) float64 { return seconds(d.At(q)) }
	return spanDoc{Count: d.Count(), P50: at(scenario.P50), P90: at(scenario.P90), P95: at(scenario.P95),
		P99: at(scenario.P99), P999: at(scenario.P999), Max: at(scenario.Max)}
}

// declared is which devices are to have a fault.
func declared(f *scenario.Fault) string {
	if f.Exactly > 0 {
		return "exactly " + f.Exactly.String()
	}
	return f.Chance.String()
}

func deviceDocuments(records []*verdict.DeviceRecord) []deviceDocument {
	all := make([]deviceDocument, len(records))
	for i, r := range records {
		all[i] = deviceDocument{Device: r.Device, Class: r.Class, Seconds: seconds(r.Took),
			Faults: append([]string{}, r.Faults...), Reason: r.Reason}
	}
	return all
}

func newResources(v *verdict.Verdict) resourceDocument {
	r := &v.Resources
	return resourceDocument{
		PeakMemory: r.PeakMemory, Sockets: r.Sockets,
		Downloaded: v.Figures.Bytes, Sessions: v.Figures.Sessions, PowerCuts: v.Figures.PowerCuts,
		Wall: seconds(r.Wall), CPU: seconds(r.CPU), CPUs: r.CPUs, Processes: max(1, r.Processes), System: r.System,
	}
}

func seconds(d time.Duration) float64 { return d.Seconds() }

// complete names every class, so that a reader need not know that 0 is left
// out.
func complete(c verdict.Counts) verdict.Counts {
	all := verdict.Counts{}
	for _, class := range scenario.Classes() {
		all[class] = c[class]
	}
	return all
}
