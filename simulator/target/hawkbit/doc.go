// Package hawkbit works with an external hawkBit by its Management API: it puts there
// what a run of the simulator needs, reads what hawkBit believes of it, and takes
// everything away again.
//
// One flow through it: Open looks whether the server lets the operator in and its targets
// use tokens; Begin gives a run its name, by which all that it makes can be found;
// AddTargets, AddSet and Assign prepare; Actions tells how far each target is, in
// hawkBit's words; Remove deletes whatever has the run's name, also what an earlier
// process has left.
//
// It keeps to hawkBit's quotas: at most 5,000 targets an assignment, and, unless the
// server is on this machine or in a private network, 200 reads and 50 writes a second;
// what the server refuses for now is asked again as it says. It has no devices: those
// speak for themselves.
package hawkbit
