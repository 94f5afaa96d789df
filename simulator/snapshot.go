package simulator

import "time"

// Snapshot is the state of a run at a moment.
type Snapshot struct {
	Elapsed time.Duration
	Share   float64 // of the run that is over, 0 to 1, if it lasts as long as it may
	Devices int     // that the run has
	Ended   int     // in virtual time, where nothing else is known before the end

	Arrived   int
	Connected int
	Statuses  [5]int // devices that have arrived, by ota.DeviceStatus
	Refusals  int
	Reports   int     // stored by the platform
	Bytes     int64   // verified
	Faults    []Tally // times each has fired, in the order of the scenario
	Failures  []Tally // reports of a failure by its code, the most frequent first
	PowerCuts int
	Upgrades  Times // of the devices that were upgraded, as in a verdict

	Windows int    // of a rolling verdict that are over; 0 in virtual time
	Window  string // the verdict on the last of them, in a line
}

// Tally is how often something has happened.
type Tally struct {
	Name string
	N    int
}

// Times counts durations in classes.
type Times struct {
	UpTo  [timeClasses]int // of them, those that are no longer than each of TimeBounds
	Count int
	Sum   time.Duration
}

const timeClasses = 12

// TimeBounds are the classes of Times, shortest first.
func TimeBounds() [timeClasses]time.Duration {
	return [...]time.Duration{
		time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour,
	}
}

// Add counts a duration.
func (t *Times) Add(d time.Duration) {
	t.Count++
	t.Sum += d
	for i, bound := range TimeBounds() {
		if d <= bound {
			t.UpTo[i]++
		}
	}
}

// Fired is how often any fault has fired.
func (s *Snapshot) Fired() int {
	n := 0
	for _, f := range s.Faults {
		n += f.N
	}
	return n
}
