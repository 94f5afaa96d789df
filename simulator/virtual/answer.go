package virtual

import (
	"time"

	"otafleet/agent/download/policy"
	"otafleet/internal/ota"
	"otafleet/simulator/fault"
)

// answer is what comes of one request: chunks first to end-1 of a file, at a
// rate, with the moments that faults have put into it.
type answer struct {
	exchange  fault.Exchange
	file      int
	described *ota.File
	end       int   // chunk behind the last
	offset    int64 // of the body's first byte in the file

	// Of the body.
	moments []fault.Moment // to come, in their order
	rate    float64        // bytes a second; 0 before the body begins
	at      int64          // bytes that have come
	upTo    int64          // the byte up to which it is to go on
	since   time.Duration  // when byte at came, or when it stops to stall
	heard   time.Duration  // when it began to stall
	flips   []int64        // bytes with a wrong bit
	careful int64          // bytes of which each chunk is judged as it comes; the others may wait

	// Of its chunks.
	next    int // to be judged
	score   policy.Answer
	broken  *ota.Failure // why the place does not take them
	another *ota.Failure // why they are of another object
}

// newAnswer prepares the request for the next run of missing chunks of a file.
func newAnswer(f *fetch, file int) *answer {
	a := &answer{file: file, described: &f.flash.Files()[file]}
	a.next, a.end = f.flash.have[file].Run()
	a.offset, _ = a.described.ChunkAt(a.next)
	last, length := a.described.ChunkAt(a.end - 1)
	a.exchange = fault.Exchange{Component: f.job.Job.Component, Length: last + length - a.offset}
	return a
}

// begin lets the body begin.
func (a *answer) begin(now time.Duration, bandwidth float64) {
	a.rate, a.since = bandwidth, now
}

// chunkEnd is the byte of the body behind a chunk.
func (a *answer) chunkEnd(i int) int64 {
	offset, length := a.described.ChunkAt(i)
	return offset + length - a.offset
}

// judged is how many bytes of the body were judged.
func (a *answer) judged() int64 {
	offset, _ := a.described.ChunkAt(a.next)
	return min(offset-a.offset, a.exchange.Length)
}

// watch lets each chunk be judged as it comes, up to the one with a byte.
func (a *answer) watch(at int64) {
	i := a.next
	for i < a.end-1 && a.chunkEnd(i) <= at {
		i++
	}
	a.careful = max(a.careful, a.chunkEnd(i))
}

// stop is the byte at which something happens next, and how long until then.
func (a *answer) stop() (at int64, takes time.Duration) {
	at = a.exchange.Length
	if len(a.moments) > 0 {
		at = min(at, a.moments[0].At)
	}
	if a.at < a.careful && a.next < a.end {
		at = min(at, a.chunkEnd(a.next))
	}
	return at, time.Duration(float64(at-a.at) / a.rate * float64(time.Second))
}

// catchUp counts the bytes that have come by now. Of what comes at this very
// moment, none has.
func (a *answer) catchUp(now time.Duration) {
	if a.rate == 0 || now <= a.since {
		return
	}
	limit, takes := a.stop()
	if passed := now - a.since; passed < takes {
		limit = a.at + int64(float64(passed)/float64(time.Second)*a.rate)
	}
	a.at, a.since = limit, now
}

// wrong reports whether bytes of the body are not those of the package.
func (a *answer) wrong(from, length int64) bool {
	if a.exchange.OtherObject {
		return true
	}
	for _, flip := range a.flips {
		if from <= flip && flip < from+length {
			return true
		}
	}
	return false
}

// leave spares the moments that have not come.
func (a *answer) leave() { a.exchange.Refund() }
