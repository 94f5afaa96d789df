// Package model is what both worlds of the simulator have in common: the rules of
// a virtual device and of its surroundings, and every constant of them, once.
//
// One flow through it: MakePackages draws each package's image from the seed and
// signs its manifest, and PlanSpec turns a plan of the scenario into one of the plan
// engine. A world keeps a component's flash by Slots. It gives each fact of the
// engine to EventOf and each acknowledgement to Overreach, and what a device reports
// to Violation; at the end it asks Violations whether what the device says is so.
//
// It moves nothing: sockets, clocks, queues and locks are the worlds'. It records
// nothing, and judges nothing that only a whole history can tell.
package model
