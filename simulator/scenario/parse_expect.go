package scenario

import "otafleet/internal/yamlform"

func readExpect(m *yamlform.Map, s *Scenario) {
	readDevices(m.Map("devices"), s)
	reports := m.Map("reports")
	for _, figure := range Figures() {
		e := ReportExpectation{Figure: figure}
		yamlform.Value(reports, string(figure), &e.Comparison, parseComparison)
		if reports.Has(string(figure)) {
			s.Expect.Reports = append(s.Expect.Reports, e)
		}
	}
	upgrade := m.Map("time").Map("upgrade")
	for _, q := range Quantiles() {
		e := TimeExpectation{Quantile: q}
		yamlform.Value(upgrade, string(q), &e.Limit, parseLimit)
		if upgrade.Has(string(q)) {
			s.Expect.Times = append(s.Expect.Times, e)
		}
	}
	fired := ""
	yamlform.Enum(m.Map("faults"), "fired", &fired, "all")
	s.Expect.AllFaultsFired = fired == "all"
}

// readDevices reads expectations of the whole run, and of each fleet below the
// fleet's name.
func readDevices(m *yamlform.Map, s *Scenario) {
	readClasses(m, s, "")
	read := names{}
	for i := range s.Fleets {
		if name := s.Fleets[i].Name; name != "" && !read[name] {
			read[name] = true
			readClasses(m.Map(name), s, name)
		}
	}
}

func readClasses(m *yamlform.Map, s *Scenario, fleet string) {
	for _, class := range Classes() {
		e := DeviceExpectation{Fleet: fleet, Class: class}
		yamlform.Value(m, string(class), &e.Comparison, parseComparison)
		if m.Has(string(class)) {
			s.Expect.Devices = append(s.Expect.Devices, e)
		}
	}
}
