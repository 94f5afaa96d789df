// Package virtual runs the devices of a scenario in virtual time: no sockets, no
// waiting, no goroutine a device, and the same history to the byte for the same
// seed.
//
// One flow through it: each device is a small world of its own (a gateway and
// the devices that it speaks for share one), with a queue of events, a plan
// engine, a broker's session, a link, a flash and the agent's own Machine; a
// world takes the earliest event, lets it happen, and jumps to the next one,
// until nothing more can happen or the scenario's duration is over; what it
// recorded is judged and forgotten. Worlds know nothing of each other, so they
// run on every core, in any order and in any shard, and no result changes.
//
// Machine, plan engine and faults are the ones of the real world. Modelled are
// the link, the broker, the object store, the flash, the clock and restarts.
// What comes of many devices at once, such as a broker that is too slow for
// them, is not modelled: the real world is for that.
package virtual
