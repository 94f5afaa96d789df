package harness

import (
	"sync"
	"testing"
	"time"
)

// Pulse tells how late the machine is: by how much more than it asked for something
// sleeps. What takes its time says nothing on a machine that has stood still. It is safe
// for concurrent use.
type Pulse struct {
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

// TakePulse takes the machine's pulse for as long as the test runs.
func TakePulse(t testing.TB) *Pulse {
	p, done := &Pulse{}, make(chan struct{})
	var beating sync.WaitGroup
	beating.Go(func() { p.run(done) })
	t.Cleanup(func() {
		close(done)
		beating.Wait()
	})
	return p
}

// run takes the pulse until done is closed.
func (p *Pulse) run(done <-chan struct{}) {
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

// Late is the longest delay since a time, and whether such delays may have changed what
// came of anything.
func (p *Pulse) Late(began time.Time) (worst time.Duration, late bool) {
	worst, sum := p.since(began)
	return worst, worst > tooLate || sum > tooLateInAll
}

// since is the longest delay since a time, and all of them together.
func (p *Pulse) since(began time.Time) (worst, sum time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.beats) - 1; i >= 0 && p.beats[i].at.After(began); i-- {
		worst = max(worst, p.beats[i].late)
		sum += p.beats[i].late
	}
	return worst, sum
}

// Await waits until the machine carries one more run, but not for ever.
func (p *Pulse) Await() {
	for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(50 * time.Millisecond) {
		if worst, _ := p.since(time.Now().Add(-300 * time.Millisecond)); worst == 0 {
			return
		}
	}
}

// mostTries is how often what came out wrong on a late machine is tried in all.
const mostTries = 5

// Undisturbed does something again if it came out wrong and the machine was late meanwhile,
// after which what is timed in seconds says nothing.
func Undisturbed[R any](p *Pulse, do func() R, right func(R) bool) (result R) {
	for range mostTries {
		p.Await()
		began := time.Now()
		result = do()
		if _, late := p.Late(began); !late || right(result) {
			break
		}
	}
	return result
}
