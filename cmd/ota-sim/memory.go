package main

import "runtime/debug"

// worthHolding is from how much memory on, in bytes, a run is kept to it.
const worthHolding = 256 << 20

// holdMemory makes a run that takes so many bytes at most, as preflight found, keep
// to three quarters of them where it can, until the returned function is called.
//
// A fleet's memory is large, steady and full of small messages: collecting them
// twice as often costs little and saves a third of it. While many devices do
// something in the same moment, they are collected even more often, rather than
// that the moment decides what the whole run takes.
func holdMemory(bytes int64) (free func()) {
	percent := debug.SetGCPercent(50)
	limit := debug.SetMemoryLimit(-1) // the user's, if GOMEMLIMIT is set
	if bytes >= worthHolding {
		debug.SetMemoryLimit(min(limit, bytes/4*3))
	}
	return func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	}
}
