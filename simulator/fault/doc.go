// Package fault makes the faults of a scenario strike virtual devices.
//
// One flow through it: a Set draws, for each device and from the seed alone,
// which faults it will have and how often they strike; at every start of the
// device each of its Injections decorates the Gear, the interfaces through which
// the agent touches the world; a decorated interface behaves well until the
// fault's place and moment come, strikes, and tells that it fired.
//
// The agent does not know that it is being tested: a fault is never a branch in
// its code. Each kind has one file. The package injects; it neither judges what
// the agent makes of it nor decides when a run ends.
package fault
