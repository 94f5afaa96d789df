package compare

import (
	"cmp"
	"maps"
	"slices"

	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// value is a figure of one run.
type value struct {
	name  string
	of    float64
	parts int // of how many devices or upgrades it is the mean; 0 if it is none
}

// group reads the figures of a verdict whose names begin with the same word.
type group struct {
	read func(*verdict.Verdict) []value
	// tally says that a name which one run has and another has not is 0 there.
	tally bool
}

// groups are those of the table of figures, in its order.
func groups() []group {
	return []group{
		{read: expectations}, {read: devices}, {read: times},
		{tally: true, read: func(v *verdict.Verdict) []value { return tally("codes.", v.Figures.Codes) }},
		{tally: true, read: func(v *verdict.Verdict) []value { return tally("refusals.", v.Figures.Refusals) }},
		{read: faults}, {read: reports}, {read: resources},
	}
}

// expectations that a part of a run leaves to the whole are not among them.
func expectations(v *verdict.Verdict) (all []value) {
	for i := range v.Expectations {
		if e := &v.Expectations[i]; !e.Deferred {
			held := 0.0
			if e.Held {
				held = 1
			}
			all = append(all, value{name: "expectations." + e.Name, of: held})
		}
	}
	return all
}

func devices(v *verdict.Verdict) (all []value) {
	count := func(prefix string, counts verdict.Counts) {
		for _, class := range scenario.Classes() {
			all = append(all, value{name: prefix + string(class), of: float64(counts[class])})
		}
	}
	f := v.Figures
	count("devices.", f.Classes)
	if len(f.Fleets) > 1 {
		for i := range f.Fleets {
			count("devices."+f.Fleets[i].Name+".", f.Fleets[i].Classes)
		}
	}
	return all
}

// times leaves out quantiles of so few devices that they would be the longest time.
func times(v *verdict.Verdict) (all []value) {
	for _, span := range scenario.Spans() {
		d := v.Figures.Times.Of(span)
		for _, q := range scenario.Quantiles() {
			beyond := (1 - q.Percent().Share()) * float64(v.Figures.Devices)
			if d.Count() > 0 && (q == scenario.Max || beyond > 0.999) {
				all = append(all, value{name: "time." + string(span) + "." + string(q), of: d.At(q).Seconds()})
			}
		}
	}
	return all
}

func tally(prefix string, counts map[string]int) (all []value) {
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		all = append(all, value{name: prefix + key, of: float64(counts[key])})
	}
	return all
}

func faults(v *verdict.Verdict) (all []value) {
	for i := range v.Figures.Faults {
		f := &v.Figures.Faults[i]
		all = append(all, value{name: "faults." + f.Name, of: float64(f.Struck())})
	}
	return all
}

func reports(v *verdict.Verdict) (all []value) {
	for _, figure := range scenario.Figures() {
		all = append(all, value{name: "reports." + string(figure), of: float64(v.Figures.Reports.Figure(figure))})
	}
	return append(all, value{name: "violations", of: float64(v.Figures.Violations)})
}

// resources leaves out what is not known of a run.
func resources(v *verdict.Verdict) []value {
	f, r := v.Figures, &v.Resources
	all := []value{{name: "resources.sessions", of: float64(f.Sessions)},
		{name: "resources.downloaded", of: float64(f.Bytes)}}
	if r.PeakMemory > 0 && f.Devices > 0 {
		all = append(all, value{"resources.memory", float64(r.PeakMemory) / float64(f.Devices), f.Devices})
	}
	if upgrades := f.Times.Upgrade.Count(); r.CPU > 0 && upgrades > 0 {
		all = append(all, value{"resources.cpu", r.CPU.Seconds() / float64(upgrades), upgrades})
	}
	if r.Sockets > 0 {
		all = append(all, value{name: "resources.sockets", of: float64(r.Sockets)})
	}
	return all
}

// machine is what figures of the machine depend on.
type machine struct {
	cpus      int
	system    string
	processes int
}

func machineOf(v *verdict.Verdict) machine {
	r := &v.Resources
	return machine{r.CPUs, r.System, cmp.Or(r.Processes, 1)}
}
