package scenario

import (
	"strconv"
	"time"

	"otafleet/firmware"
	"otafleet/internal/ota"
	"otafleet/simulator/trace"
)

// Fleet is a number of devices that are alike, but for what a device file says of
// each.
type Fleet struct {
	Name       string
	Count      int
	Product    string
	Hardware   string      // revision that packages may ask for; empty if unknown; of a listed device, see Revision
	Behind     string      // the fleet whose devices speak for these; empty for devices with a line of their own
	Components []Installed // what every device runs at first; of a listed one, see Runs
	Battery    *Range[int] // percent; nil for devices without a battery
	RSSI       *Range[int] // dBm; nil for devices without a radio
	Link       Link        // the zero value if Behind is given
	Arrive     Arrive      // the zero value if Behind is given; see Scenario.Arrival
	Install    Install

	keyPrefix string   // of numbered devices
	listed    *listing // of a device file; nil for devices that are numbered
}

// Installed is a component as it comes from the factory.
type Installed struct {
	ota.ComponentVersion
	Release uint64 // highest release counter that the device has run; 0 for none, up to MaxRelease
}

// MaxRelease is the highest release counter, which JSON programs still read as
// a whole number.
const MaxRelease = 1<<53 - 1

// Device is the device key of the fleet's n-th device, 1 <= n <= Count:
// gateways-000001, or what a device file says. The number has six digits, or seven for
// the millionth.
func (f *Fleet) Device(n int) string {
	if d := f.Listed(n); d != nil {
		return d.Key
	}
	number := strconv.Itoa(n) // with zeros before it, up to six digits
	return f.keyPrefix + f.Name + "-" + "000000"[min(len(number), 6):] + number
}

// Identity names the fleet's n-th device to the platform.
func (f *Fleet) Identity(n int) ota.Identity {
	return ota.Identity{Product: f.Product, Device: f.Device(n)}
}

// Component finds a component by its id; nil if the fleet's devices have none.
func (f *Fleet) Component(id string) *Installed {
	for i := range f.Components {
		if f.Components[i].ID == id {
			return &f.Components[i]
		}
	}
	return nil
}

// Link is the line between a device and everything else.
type Link struct {
	Bandwidth int64         // bytes a second of downloads; 0 for no limit
	Upload    int64         // bytes a second of what sessions send; 0 for no limit
	Latency   time.Duration // one way
	Jitter    time.Duration // latency varies by up to this much both ways; at most Latency
	Loss      Percent       // of the packets, below 100: each is sent again, so that what it carries comes later

	Trace        *trace.Trace // what it says goes before the values above; nil for none
	TraceAtBegin bool         // devices begin at its beginning, and not each at a place of its own
}

// slowest is the most that something takes one way, with a packet that is lost, and how
// much later it comes if the line carries nothing meanwhile.
func (l *Link) slowest() (way, outage time.Duration) {
	worst := *l
	if t := l.Trace; t != nil {
		latency, loss := t.Slowest()
		worst.Latency, worst.Loss = max(worst.Latency, latency), max(worst.Loss, Percent(loss))
		outage = t.LongestOutage()
	}
	way = worst.Latency + worst.Jitter
	if worst.Loss > 0 {
		way += worst.ResendTime()
	}
	return way, outage
}

// leastResend is the shortest time after which a lost packet is sent again: TCP's.
const leastResend = 200 * time.Millisecond

// ResendTime is how long a packet that is lost holds up what it belongs to.
func (l *Link) ResendTime() time.Duration { return max(leastResend, 2*l.Latency) }

// Arrive says when the devices of a fleet connect for the first time. With
// neither Over nor Rate nor Stages they all do at once: a herd.
type Arrive struct {
	After  time.Duration // the first device, from the start of the run
	Over   time.Duration // evenly within this time
	Rate   float64       // devices a second
	Stages []Stage       // one after the other; their devices are the whole fleet
}

// Stage is a part of an arrival: so many devices, evenly within a time.
type Stage struct {
	Over  time.Duration // 0 for all at once
	Count int           // 0 for a pause
}

// At is when the n-th of count devices arrives, 1 <= n <= count.
func (a *Arrive) At(n, count int) time.Duration {
	switch {
	case a.Rate > 0:
		return a.After + time.Duration(float64(n-1)/a.Rate*float64(time.Second))
	case a.Over > 0:
		return a.After + evenly(a.Over, n, count)
	}
	at := a.After
	for _, stage := range a.Stages {
		if n <= stage.Count {
			return at + evenly(stage.Over, n, stage.Count)
		}
		n, at = n-stage.Count, at+stage.Over
	}
	return at
}

// evenly is when the n-th of count devices comes that come within a time.
func evenly(over time.Duration, n, count int) time.Duration {
	return time.Duration(float64(over) * float64(n-1) / float64(count))
}

// Install says what an installation costs a device.
type Install struct {
	Time    Range[time.Duration] // from upgrading to the restart
	Restart firmware.Restart     // for every component; empty for RestartFor's choice
}

// RestartFor is the restart that a component of this type needs. Where the
// scenario does not say, a module needs one of the system and an MCU none.
func (i Install) RestartFor(t ota.ComponentType) firmware.Restart {
	switch {
	case i.Restart != "":
		return i.Restart
	case t == ota.MCU:
		return firmware.RestartNone
	}
	return firmware.RestartSystem
}
