// Package verdicttest makes up the history of a run, for tests of those who
// record, judge and show one.
//
// One flow through it: a test gives a scenario to Play, which lets every device
// of it live a plausible life, with the scenario's faults, and hands out the
// events of all of them in the order of time.
//
// It simulates nothing: no machine decides what happens, no platform answers.
// The same scenario and seed give the same events.
package verdicttest
