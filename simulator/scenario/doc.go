// Package scenario is the language of ota-sim: what fleets there are, which
// plans the platform has for them, what goes wrong, and what must hold in the
// end.
//
// One flow through it: Parse reads a YAML document into a Scenario, checks
// everything that can be checked without running it (that a plan has a fleet,
// that a fault has a place where it can strike, that the last device arrives
// before the end) and returns either a Scenario on which every program can rely
// or all mistakes at once, each with its line and column.
//
// The package executes nothing and draws no random number: a Range says which
// value a random number stands for. Package fault takes the table of faults from
// Kinds, so that what the language accepts and what the simulator can do are one
// list; Actions and EventKinds are such tables too. The JSON Schema for editors
// is made of them by the package's tests.
package scenario
