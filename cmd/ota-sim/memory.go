package main

import (
	"runtime"
	"runtime/debug"
	collector "runtime/metrics"
	"sync"
)

const (
	// usualPercent is by how much the heap of a fleet grows until it is collected.
	usualPercent = 50
	// leastPercent keeps the collector from doing nothing but its work.
	leastPercent = 10
	// worthHolding is from how much memory on, in bytes, a run is kept to it.
	worthHolding = 256 << 20
)

// holdMemory makes the collector of a run that takes so many bytes at most, as
// preflight found, follow what the devices do, until the returned function is called.
//
// A fleet's memory is large, steady and full of small messages: collecting them twice
// as often as Go does costs little and saves a third of it. When many devices are in
// work in one moment, half as much again would be a lot: then what is garbage may take
// a fifth of the run's memory, however much is in use, rather than that the moment
// decides what the whole run takes.
func holdMemory(bytes int64) (free func()) {
	percent := debug.SetGCPercent(usualPercent)
	if bytes < worthHolding {
		return func() { debug.SetGCPercent(percent) }
	}
	limit := debug.SetMemoryLimit(-1) // the user's, if GOMEMLIMIT is set
	debug.SetMemoryLimit(min(limit, bytes))
	h := &heapGoal{garbage: uint64(bytes / 5)}
	h.afterCollection()
	return func() {
		h.end()
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	}
}

// heapGoal says after each collection when the next one is due.
type heapGoal struct {
	garbage uint64 // bytes that may be collected at once

	mu   sync.Mutex // guards the following, and is held while the goal is set
	over bool
}

// afterCollection sets the goal anew each time when the heap has been collected.
func (h *heapGoal) afterCollection() {
	marker := new([16]byte) // is garbage at once, and goes with the next collection
	runtime.AddCleanup(marker, func(h *heapGoal) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if !h.over {
			debug.SetGCPercent(h.percent(inUse()))
			h.afterCollection()
		}
	}, h)
}

// end sets no goal any more.
func (h *heapGoal) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
}

// percent is by how much the heap may grow of which so many bytes are in use.
func (h *heapGoal) percent(inUse uint64) int {
	return int(max(leastPercent, min(usualPercent, h.garbage*100/max(1, inUse))))
}

// inUse is what the last collection found in use, in bytes: what Go takes the percent
// of.
func inUse() (bytes uint64) {
	samples := []collector.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"},
		{Name: "/gc/scan/globals:bytes"}}
	collector.Read(samples)
	for i := range samples {
		if samples[i].Value.Kind() == collector.KindUint64 {
			bytes += samples[i].Value.Uint64()
		}
	}
	return bytes
}
