// Package explore makes something go wrong at every single output of the
// machines of a scenario, and at every pair of them within a bound, and judges
// each run by what must hold whatever goes wrong.
//
// One flow through it: Explore plays each world of the scenario once without
// trouble and counts its outputs; then it plays it again for each output and each
// Trouble (the power fails before it or after it, the agent ends, the connections
// break, a write fails), then for pairs; check holds the end of each against the
// invariants: the device runs one whole version and says which, no report is
// lost, repeated with another content, out of order or illegal, everything comes
// to an end, and to the same end as without trouble.
//
// It runs in virtual time only, and finds what a fleet would find in years: a
// trial takes a fraction of a millisecond. What it does not find is what happens
// between two outputs, in the real parts; those have tests of their own.
package explore
