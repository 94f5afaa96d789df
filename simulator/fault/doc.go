// Package fault makes the faults of a scenario strike virtual devices.
//
// One flow through it: a Set draws, for each device and from the seed alone,
// which faults it will have and how often they strike; at every start of the
// device each of its Injections decorates the Hooks, the interfaces through which
// the agent touches the world; a decorated interface behaves well until the
// fault's place and moment come, strikes, and reports that it fired.
//
// The agent does not know that it is being tested: a fault is never a branch in
// its code. The kinds lie in one file for each seam between the agent and the
// world: network, power, storage, messages, packages, installer, sensors, health,
// clock. The package injects; it neither judges the outcome nor ends a run.
package fault
