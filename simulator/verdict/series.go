package verdict

import (
	"time"

	"otafleet/internal/ota"
)

// State is what a device shows at a moment: one of the five device statuses, by
// their own values, or that it has not arrived yet.
type State uint8

// The state beside those of ota.DeviceStatus, and their number.
const (
	NotArrived State = State(ota.DeviceNoUpdateRequired) + 1
	states           = int(NotArrived) + 1
)

// Name is what a monitoring page calls the state.
func (s State) Name() string {
	if s == NotArrived {
		return "Not Arrived"
	}
	return ota.DeviceStatus(s).Name()
}

// Slice is what happened in one slice of a run's time.
type Slice struct {
	Change [states]int32 // devices that came into each state, less those that left it
	Online int32         // sessions that began, less those that ended
	Faults int32         // times that a fault struck
	Bytes  int64         // verified bytes put in place
}

// Series is a run cut into slices of one width. When it becomes longer than
// maxSlices, two become one: so the width follows from the last event alone, and
// the series of parts of a run can be added. The zero value is an empty one.
type Series struct {
	Width  time.Duration
	Slices []Slice
}

// The finest width, and how many slices there are at most.
const (
	finestSlice = 10 * time.Millisecond
	maxSlices   = 200
)

// at is the slice of a time.
func (s *Series) at(t time.Duration) *Slice {
	if s.Width == 0 {
		s.Width = finestSlice
	}
	for t >= s.Width*maxSlices {
		s.coarsen()
	}
	i := int(t / s.Width)
	for len(s.Slices) <= i {
		s.Slices = append(s.Slices, Slice{})
	}
	return &s.Slices[i]
}

// coarsen doubles the width.
func (s *Series) coarsen() {
	s.Width *= 2
	for i := range s.Slices {
		if i%2 == 0 {
			s.Slices[i/2] = s.Slices[i]
		} else {
			s.Slices[i/2].add(&s.Slices[i])
		}
	}
	s.Slices = s.Slices[:(len(s.Slices)+1)/2]
}

func (s *Slice) add(other *Slice) {
	for i := range s.Change {
		s.Change[i] += other.Change[i]
	}
	s.Online += other.Online
	s.Faults += other.Faults
	s.Bytes += other.Bytes
}

// merge adds the series of another part of the run.
func (s *Series) merge(other *Series) {
	for i := range other.Slices {
		s.at(time.Duration(i) * other.Width).add(&other.Slices[i])
	}
	for s.Width < other.Width {
		s.coarsen()
	}
}

// Moment is how a run stood at the end of a slice.
type Moment struct {
	At      time.Duration
	Devices [states]int // by State
	Online  int
	Faults  int   // that struck within the slice
	Bytes   int64 // put in place within the slice
}

// Moments turns the changes into what there was, for a run of so many devices.
// The first moment is the start of the run.
func (s *Series) Moments(devices int) []Moment {
	now := Moment{}
	now.Devices[NotArrived] = devices
	all := append(make([]Moment, 0, len(s.Slices)+1), now)
	for i := range s.Slices {
		slice := &s.Slices[i]
		for state, change := range slice.Change {
			now.Devices[state] += int(change)
		}
		now.At = time.Duration(i+1) * s.Width
		now.Online += int(slice.Online)
		now.Faults, now.Bytes = int(slice.Faults), slice.Bytes
		all = append(all, now)
	}
	return all
}
