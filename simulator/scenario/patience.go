package scenario

import "time"

// How long something may be on its way: a few round trips, and what machines and
// brokers take.
const (
	LeastPatience = 5 * time.Second
	// roundTrips is how often something goes there and back before a device that
	// has connected has accepted a plan.
	roundTrips = 8
)

// Patience is how long nothing must have passed between a device and its platform
// before what has not come is taken not to come. It grows with the latency of the
// scenario's slowest line, and with the longest outage of a trace.
func (s *Scenario) Patience() time.Duration {
	slowest, longest := time.Duration(0), time.Duration(0)
	for i := range s.Fleets {
		way, outage := s.Fleets[i].Link.slowest()
		slowest, longest = max(slowest, way), max(longest, outage)
	}
	return LeastPatience + 2*roundTrips*slowest + longest
}
