package netem

import "time"

const (
	// maxWorkers bounds the goroutines that stay.
	maxWorkers = 16
	// workPatience is how long a worker may take until others are not waited for.
	workPatience = time.Millisecond
)

// workers do what there is to do on a few goroutines that stay: a new one begins with
// a small stack, which every packet would grow again. One that has to wait for
// something does not hold the others up. The zero value is not ready.
type workers struct {
	work chan func()

	// Owned by who calls do.
	n        int // of goroutines that stay
	busy     bool
	patience *time.Timer // stopped
}

func newWorkers() *workers {
	w := &workers{work: make(chan func()), patience: time.NewTimer(workPatience)}
	w.patience.Stop()
	return w
}

// do calls f on one of the goroutines that stay, or on another one if they all take
// long.
func (w *workers) do(f func()) {
	select {
	case w.work <- f:
		w.busy = false
		return
	default:
	}
	switch {
	case w.n < maxWorkers:
		w.n++
		go w.stay(f)
	case w.busy || !w.soon(f):
		w.busy = true
		go f()
	}
}

// soon reports whether one of them has taken f within its patience.
func (w *workers) soon(f func()) bool {
	w.patience.Reset(workPatience)
	defer w.patience.Stop()
	select {
	case w.work <- f:
		return true
	case <-w.patience.C:
		return false
	}
}

func (w *workers) stay(f func()) {
	f()
	for f := range w.work {
		f()
	}
}

// end lets them go when they have done their work. do must not be called any more.
func (w *workers) end() { close(w.work) }
