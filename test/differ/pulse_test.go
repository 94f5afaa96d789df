package differ_test

import (
	"sync"
	"time"
)

// pulse tells how late the machine is: by how much more than it asked for something
// sleeps. What the worlds do in different time says nothing on a machine that has
// stood still.
type pulse struct {
	mu    sync.Mutex // guards the following
	beats []beat     // those that came late
}

type beat struct {
	at   time.Time
	late time.Duration
}

const (
	beatEvery = 10 * time.Millisecond
	// calm is a delay that does not keep another run from starting.
	calm = 100 * time.Millisecond
	// A delay may change what becomes of a device, or many small ones.
	tooLate      = 250 * time.Millisecond
	tooLateInAll = time.Second
)

// run takes the pulse until done is closed.
func (p *pulse) run(done <-chan struct{}) {
	for {
		began := time.Now()
		select {
		case <-done:
			return
		case <-time.After(beatEvery):
		}
		if late := time.Since(began) - beatEvery; late > calm {
			p.mu.Lock()
			p.beats = append(p.beats, beat{time.Now(), late})
			p.mu.Unlock()
		}
	}
}

// since is the longest delay since a time, and all of them together.
func (p *pulse) since(began time.Time) (worst, sum time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.beats) - 1; i >= 0 && p.beats[i].at.After(began); i-- {
		worst = max(worst, p.beats[i].late)
		sum += p.beats[i].late
	}
	return worst, sum
}

// await waits until the machine carries one more run, but not for ever.
func (p *pulse) await() {
	for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(50 * time.Millisecond) {
		if worst, _ := p.since(time.Now().Add(-300 * time.Millisecond)); worst == 0 {
			return
		}
	}
}
