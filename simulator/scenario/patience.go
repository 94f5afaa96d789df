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
// scenario's slowest line.
func (s *Scenario) Patience() time.Duration {
	slowest := time.Duration(0)
	for i := range s.Fleets {
		l := &s.Fleets[i].Link
		way := l.Latency + l.Jitter
		if l.Loss > 0 {
			way += l.ResendTime()
		}
		slowest = max(slowest, way)
	}
	return LeastPatience + 2*roundTrips*slowest
}
