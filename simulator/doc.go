// Package simulator is what a caller of either world uses: the options of a run, the
// contract of a world, and the verdict.
//
// One flow through it: the caller chooses devices (package selection) and a World,
// real.World or virtual.World, and calls Simulate; the world lets the devices live,
// gives what happens to the Sink and sums it up as a Result; Simulate holds that
// against the scenario's expectations, and completes the verdict with what only a run
// knows: its part, what it took of the machine, whether it was interrupted.
//
// It runs nothing itself, and prints nothing: the command line shows the Snapshot that
// a Run gives.
package simulator
