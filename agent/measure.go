package agent

import "otafleet/internal/ota"

// Measure asks for new readings: what a plan needs is held against what the device
// measures now, not a while ago. The next input is Measured.
type Measure struct {
	// Plan is what the readings are for. Components of it that have not said what
	// they run are asked again soon.
	Plan *ota.Plan
}

func (Measure) output() {}

// apply takes an input. A plan waits for new readings first.
func (m *Machine) apply(in Input) {
	waited := m.unmeasured
	m.unmeasured = nil
	measured, is := in.(Measured)
	if is {
		m.readings, m.measured = measured.Readings, m.now
	}
	switch plan := offersWork(in); {
	case waited != nil:
		m.take(waited)
		if !is { // there are no readings to come: those of before decide
			m.apply(in)
		}
	case is:
		m.reconsider()
	case plan != nil:
		m.unmeasured = in
		m.effect(Measure{plan})
	default:
		m.take(in)
	}
}

// offersWork is the plan of an input that is answered by what the device measures;
// nil for other inputs.
func offersWork(in Input) *ota.Plan {
	switch in := in.(type) {
	case Received:
		plan, _ := in.Message.(*ota.Plan)
		return plan
	case Install:
		return in.Plan
	}
	return nil
}
