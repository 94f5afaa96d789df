// Package real runs the devices of a scenario in the real world: thousands of virtual
// devices, each the agent's own machine with its own session and its own
// downloads over real sockets. Only its flash, its power and its link are
// simulated.
//
// One flow through it: Run starts the fake platform (or reaches for a real
// one), makes the plans' packages, follows the schedule of plans and events, and
// lets the devices arrive; each device boots an agent.Runner on its own link or
// its gateway's, on its own flash and store, decorated with the faults drawn for
// it; what devices and platform do is recorded as events; when every device has
// come to its end, or time is up, package verdict judges them.
//
// The package holds no rule of upgrading: those are in package agent and in
// simulator/platform/engine. It prints nothing: the command line shows the
// Snapshot that it gives.
package real
