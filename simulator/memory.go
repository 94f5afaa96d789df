package simulator

import (
	"bytes"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"otafleet/simulator/verdict"
)

// memory samples how much memory a run takes while it goes on, at equal distances of its
// own time.
type memory struct {
	run     Run
	take    func() int64
	lasting time.Duration // of the run, if it is not over before
	quit    chan struct{}
	done    sync.WaitGroup
	samples []verdict.MemorySample // owned by the loop until it is done
}

// lookEvery is how often a run is asked how far it is.
const lookEvery = 20 * time.Millisecond

// watchMemory samples the memory of a run until it is stopped.
func watchMemory(r Run, lasting time.Duration, take func() int64) *memory {
	m := &memory{run: r, take: take, lasting: lasting, quit: make(chan struct{})}
	m.done.Go(m.loop)
	return m
}

// stop gives what was sampled; nothing without a watch.
func (m *memory) stop() []verdict.MemorySample {
	if m == nil {
		return nil
	}
	close(m.quit)
	m.done.Wait()
	m.look() // a run in virtual time may have come to its end between two looks
	return m.samples
}

func (m *memory) loop() {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-m.quit:
			return
		case <-look.C:
			m.look()
		}
	}
}

// look takes the samples that are due. The first is taken after half a distance: what
// happens at whole hours must not be all that is seen.
func (m *memory) look() {
	reached := m.run.Snapshot().Share * verdict.MemorySamples
	var bytes int64 // now, however many samples are due
	for n := len(m.samples); n < verdict.MemorySamples && reached >= float64(n)+0.5; n++ {
		if bytes == 0 {
			bytes = m.take()
		}
		at := time.Duration((float64(n) + 0.5) / verdict.MemorySamples * float64(m.lasting))
		m.samples = append(m.samples, verdict.MemorySample{At: at, Bytes: bytes})
	}
}

// collections is how often is collected until nothing is kept only for later: what a pool
// holds goes with the second one, and each halves the stack of a goroutine that was deep.
const collections = 4

// resident is the memory that the process needs: what the collector only keeps for later
// is given back first. It is 0 where the system does not say.
func resident() int64 {
	for range collections - 1 {
		runtime.GC()
	}
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize())
}
