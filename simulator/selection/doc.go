// Package selection says which devices of a scenario a run has: all of them, the
// share of one of several processes, or a few by their keys.
//
// One flow through it: New takes a scenario, a Shard and the keys of --only, and
// refuses what does not fit together; the world asks Has for each device before
// it lets it arrive, and Count for what the verdict sums to.
//
// It chooses devices and changes nothing about them: what is drawn for a device
// depends on the whole scenario, whoever runs it.
package selection
