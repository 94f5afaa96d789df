package scenario

import "otafleet/internal/yamlform"

func readExpect(m *yamlform.Map, s *Scenario) {
	readDevices(m.Map("devices"), s)
	readComponents(m.Map("components"), s)
	readPlatform(m.Map("platform"), s)
	reports := m.Map("reports")
	for _, figure := range Figures() {
		e := ReportExpectation{Figure: figure}
		if readComparison(reports, string(figure), &e.Comparison) {
			s.Expect.Reports = append(s.Expect.Reports, e)
		}
	}
	readTimes(m.Map("time"), s)
	readWindowsHeld(m.Map("windows"), s)
	readDrifts(m.Map("drift"), s)
	readFired(m.Map("faults"), s)
	readRules(m, s)
}

// readComparison reads a comparison, if there is one.
func readComparison(m *yamlform.Map, key string, dst *Comparison) bool {
	yamlform.Value(m, key, dst, parseComparison)
	return m.Has(key)
}

// readDevices reads expectations of the whole run, and of each fleet below the
// fleet's name.
func readDevices(m *yamlform.Map, s *Scenario) {
	readClasses(m, s, "", s.Devices())
	read := map[string]bool{}
	for _, name := range s.fleetNames() {
		if !read[name] {
			read[name] = true
			readClasses(m.Map(name), s, name, s.Fleet(name).Count)
		}
	}
}

// readClasses reads how many of the devices end in each class.
func readClasses(m *yamlform.Map, s *Scenario, fleet string, devices int) {
	for _, class := range Classes() {
		e := DeviceExpectation{Fleet: fleet, Class: class}
		if readComparison(m, string(class), &e.Comparison) {
			warnCount(m, string(class), e.Comparison, devices)
			s.Expect.Devices = append(s.Expect.Devices, e)
		}
	}
}

// readComponents reads how components end, each below its id.
func readComponents(m *yamlform.Map, s *Scenario) {
	var all []Installed
	for i := range s.Fleets {
		all = append(all, s.Fleets[i].Components...)
	}
	for _, id := range componentIDs(all) {
		statuses := m.Map(id)
		for _, place := range statusPlaces() {
			e := ComponentExpectation{Component: id}
			e.Status, _ = place.Status()
			if readComparison(statuses, string(place), &e.Comparison) {
				warnCount(statuses, string(place), e.Comparison, s.having(id))
				s.Expect.Components = append(s.Expect.Components, e)
			}
		}
	}
}

// readPlatform reads what the platform believes: over all plans, and under each below
// its name.
func readPlatform(m *yamlform.Map, s *Scenario) {
	readBeliefs(m, s, "", s.Devices())
	e := PlatformExpectation{Belief: Mistaken}
	if readComparison(m, string(Mistaken), &e.Comparison) {
		warnCount(m, string(Mistaken), e.Comparison, s.Devices())
		s.Expect.Platform = append(s.Expect.Platform, e)
	}
	plans, read := m.Map("plans"), map[string]bool{}
	for i := range s.Plans {
		if p := &s.Plans[i]; !read[p.Name] {
			read[p.Name] = true
			readBeliefs(plans.Map(p.Name), s, p.Name, s.Covered(p))
		}
	}
}

func readBeliefs(m *yamlform.Map, s *Scenario, plan string, devices int) {
	for _, belief := range Beliefs() {
		e := PlatformExpectation{Plan: plan, Belief: belief}
		if readComparison(m, string(belief), &e.Comparison) {
			warnCount(m, string(belief), e.Comparison, devices)
			s.Expect.Platform = append(s.Expect.Platform, e)
		}
	}
	finished := false
	m.Bool("finished", &finished)
	if m.Has("finished") {
		e := PlatformExpectation{Plan: plan, Belief: Open, Comparison: Comparison{Op: Above}}
		if finished {
			e.Op = Equal
		}
		s.Expect.Platform = append(s.Expect.Platform, e)
	}
}

func readTimes(m *yamlform.Map, s *Scenario) {
	for _, span := range Spans() {
		quantiles := m.Map(string(span))
		for _, q := range Quantiles() {
			e := TimeExpectation{Span: span, Quantile: q}
			yamlform.Value(quantiles, string(q), &e.Limit, parseLimit)
			if quantiles.Has(string(q)) {
				s.Expect.Times = append(s.Expect.Times, e)
			}
		}
	}
}

// readFired reads how often faults strike: each below its name, and all.
func readFired(m *yamlform.Map, s *Scenario) {
	fired := ""
	yamlform.Enum(m, allFaults, &fired, "all")
	s.Expect.AllFaultsFired = fired == "all"
	read := map[string]bool{"": true, allFaults: true}
	for i := range s.Faults {
		e := FaultExpectation{Fault: s.Faults[i].Name}
		if read[e.Fault] {
			continue
		}
		read[e.Fault] = true
		yamlform.Value(m, e.Fault, &e.Comparison, parseCount)
		if m.Has(e.Fault) {
			s.Expect.FaultsFired = append(s.Expect.FaultsFired, e)
		}
	}
}
