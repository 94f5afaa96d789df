// Package netem is the network of the real world's devices: links with the
// bandwidth, latency, jitter and loss of a scenario, over real sockets.
//
// One flow through it: each device has a Link, which dials the broker by one of the
// run's Dialers and sends requests to the storage by a transport that all share. Its
// connections take the time that the scenario says; faults cut, freeze, delay and
// throttle it. A Poller waits for the sockets of all devices, so that an idle one
// needs no goroutine; a few goroutines that stay take what comes.
//
// It knows neither the protocol that goes over a link nor the faults themselves.
package netem
