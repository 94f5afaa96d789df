package model

import (
	"slices"
	"time"

	"otafleet/agent"
	"otafleet/firmware"
	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
)

// Memory is what a virtual device has on its disk besides its flashes: it outlives
// restarts and power cuts. It is not safe for concurrent use.
type Memory struct {
	State *agent.State // saved last; nil before the first; never changed

	fleet    *scenario.Fleet
	packages []*ota.Package // kept URLs, one for each component
	numbers  Numbers        // of the reports in saved states
	working  int            // component in work; -1 if none
	fresh    []*ota.Report  // of the last Save
}

// NewMemory is the memory of device n, from 1, which has never run. If its
// components have releases from the factory, it holds these.
func NewMemory(f *scenario.Fleet, n int) Memory {
	m := Memory{fleet: f, packages: make([]*ota.Package, len(f.Components)), working: -1}
	if slices.ContainsFunc(f.Components, func(c scenario.Installed) bool { return c.Release > 0 }) {
		m.State = &agent.State{Components: make([]agent.Component, len(f.Components))}
		for i, c := range f.Components {
			m.State.Components[i] = agent.Component{ID: c.ID, Version: f.Runs(n, i), Release: int64(c.Release)}
		}
	}
	return m
}

// Save keeps a state and returns its reports that no state before it had, in a list that
// is valid until the next call.
func (m *Memory) Save(s *agent.State) (fresh []*ota.Report) {
	m.State, m.fresh = s, m.fresh[:0]
	for i := range s.Reports {
		r := &s.Reports[i]
		if !m.numbers.Raise(r.Plan, r.Seq) {
			continue
		}
		switch r.Status {
		case ota.ReadyToDownload, ota.Downloading, ota.DownloadSucceeded, ota.Upgrading:
			m.working = m.Component(r.Component)
		}
		m.fresh = append(m.fresh, r)
	}
	m.numbers.Prune(s)
	return m.fresh
}

// Reports are those that the device has yet to deliver.
func (m *Memory) Reports() []ota.Report {
	if m.State == nil {
		return nil
	}
	return m.State.Reports
}

// Numbered is the highest number of a plan's saved reports; 0 if there is none.
func (m *Memory) Numbered(plan string) int { return m.numbers.Last(plan) }

// Working is the place of the component that is being upgraded or was last; -1 if
// there is none.
func (m *Memory) Working() int { return m.working }

// Component is the place of a component in the fleet's list; -1 if it has none such.
func (m *Memory) Component(id string) int {
	return slices.IndexFunc(m.fleet.Components, func(c scenario.Installed) bool { return c.ID == id })
}

// KeepPackage keeps the URLs of a component's package.
func (m *Memory) KeepPackage(p *ota.Package) {
	if i := m.Component(p.Component); i >= 0 {
		m.packages[i] = p
	}
}

// KeptPackage returns what is kept of a component's package; nil for nothing.
func (m *Memory) KeptPackage(component string) *ota.Package {
	if i := m.Component(component); i >= 0 {
		return m.packages[i]
	}
	return nil
}

// ForgetPackage drops what is kept of a component's package.
func (m *Memory) ForgetPackage(component string) {
	if i := m.Component(component); i >= 0 {
		m.packages[i] = nil
	}
}

// Numbers are the highest numbers seen of each plan's reports, of the last plans that the
// device has had.
type Numbers []numbered

// mostNumbers is of how many plans the numbers are kept: of more than a device may still
// report on, or hear of.
const mostNumbers = 64

type numbered struct {
	plan string
	seq  int
}

// Raise takes a report's number, and reports whether it is higher than all of its
// plan before it.
func (n *Numbers) Raise(plan string, seq int) bool {
	for i := len(*n) - 1; i >= 0; i-- { // the last one is the most likely
		if last := &(*n)[i]; last.plan == plan {
			higher := seq > last.seq
			last.seq = max(last.seq, seq)
			return higher
		}
	}
	if len(*n) == mostNumbers {
		*n = slices.Delete(*n, 0, 1)
	}
	*n = append(*n, numbered{plan, seq})
	return true
}

// Prune forgets the plans that a device of this state does not know any more.
func (n *Numbers) Prune(s *agent.State) {
	if len(*n) > agent.MaxPast+1 {
		*n = slices.DeleteFunc(*n, func(known numbered) bool { return !knows(s, known.plan) })
	}
}

// knows reports whether a plan is a device's current one or one of those before it, or
// reports of it are not acknowledged.
func knows(s *agent.State, plan string) bool {
	return s.Run != nil && s.Run.Plan.ID == plan ||
		slices.ContainsFunc(s.Past, func(r *agent.Run) bool { return r.Plan.ID == plan }) ||
		slices.ContainsFunc(s.Reports, func(r ota.Report) bool { return r.Plan == plan })
}

// Last is the highest number seen of a plan's reports; 0 if there is none.
func (n Numbers) Last(plan string) int {
	for _, last := range slices.Backward(n) { // the last one is the most likely
		if last.plan == plan {
			return last.seq
		}
	}
	return 0
}

// How long a virtual device takes to start again.
const (
	processRestart = 100 * time.Millisecond
	systemRestart  = time.Second
)

// RestartTime is how long a device is off that restarts itself.
func RestartTime(scope firmware.Restart) time.Duration {
	if scope == firmware.RestartSystem {
		return systemRestart
	}
	return processRestart
}
