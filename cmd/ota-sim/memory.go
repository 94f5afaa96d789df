package main

import (
	"runtime"
	"runtime/debug"
	collector "runtime/metrics"
	"sync"
	"time"
)

const (
	// usualPercent is by how much the heap of a large fleet grows until it is collected.
	usualPercent = 50
	// leastPercent keeps the collector from doing nothing but its work.
	leastPercent = 10
	// leastGarbage is how many bytes may always be garbage: a quarter of what ten thousand
	// devices at another platform take.
	leastGarbage = 74 << 20
	// worthHolding is from how much memory on, in bytes, a run is kept to it.
	worthHolding = 256 << 20
	// quietFor is how long nothing is collected until a fleet is taken to wait.
	quietFor = 3 * time.Second
	// worthGiving is which part of what is in use must be garbage to give it back then.
	worthGiving = 32
)

// holdMemory makes the collector of a run that takes so many bytes at most, as
// preflight found, follow what the devices do, until the returned function is called.
//
// A large fleet's memory is steady and full of small messages: collecting them twice
// as often as Go does saves a third of it. When many devices are in work in one moment,
// half as much again would be a lot: then what is garbage may take an eighth of the run's
// memory, however much is in use, rather than that the moment decides what the whole
// run takes. The limit lies an eighth above: near it the collector does little else. A
// fleet of any size that waits gives back what it needed to come.
func holdMemory(bytes int64) (free func()) {
	h := &heapGoal{}
	if bytes < worthHolding {
		h.begin()
		return h.end
	}
	percent := debug.SetGCPercent(usualPercent)
	limit := debug.SetMemoryLimit(-1) // the user's, if GOMEMLIMIT is set
	debug.SetMemoryLimit(min(limit, bytes+bytes/8))
	h.garbage = uint64(max(leastGarbage, bytes/8))
	h.begin()
	return func() {
		h.end()
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	}
}

// heapGoal says after each collection when the next one is due.
type heapGoal struct {
	garbage uint64 // bytes that may be collected at once; 0 leaves that to Go

	mu    sync.Mutex // guards the following, and is held while the goal is set
	quiet *time.Timer
	over  bool
}

func (h *heapGoal) begin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.quiet = time.AfterFunc(quietFor, h.giveBack)
	h.afterCollection()
}

// afterCollection sets the goal anew each time when the heap has been collected.
func (h *heapGoal) afterCollection() {
	marker := new([16]byte) // is garbage at once, and goes with the next collection
	runtime.AddCleanup(marker, func(h *heapGoal) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.over {
			return
		}
		if h.garbage > 0 {
			inUse, _ := heap()
			debug.SetGCPercent(h.percent(inUse))
		}
		h.quiet.Reset(quietFor)
		h.afterCollection()
	}, h)
}

// giveBack collects what a fleet has left behind that does little now.
func (h *heapGoal) giveBack() {
	if inUse, garbage := heap(); garbage > inUse/worthGiving {
		debug.FreeOSMemory()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.over {
		h.quiet.Reset(quietFor)
	}
}

// end sets no goal any more.
func (h *heapGoal) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
	h.quiet.Stop()
}

// percent is by how much the heap may grow of which so many bytes are in use.
func (h *heapGoal) percent(inUse uint64) int {
	return int(max(leastPercent, min(usualPercent, h.garbage*100/max(1, inUse))))
}

// heap is what the last collection found in use, in bytes, which is what Go takes the
// percent of, and what has come since.
func heap() (inUse, garbage uint64) {
	samples := []collector.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"},
		{Name: "/gc/scan/globals:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}}
	collector.Read(samples)
	value := func(i int) uint64 {
		if samples[i].Value.Kind() != collector.KindUint64 {
			return 0
		}
		return samples[i].Value.Uint64()
	}
	live := value(0)
	return live + value(1) + value(2), max(live, value(3)) - live
}
