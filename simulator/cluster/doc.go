// Package cluster writes what lets a cluster run the shards of a scenario: manifests for
// Kubernetes, a script for Slurm. Both number their tasks and start them anew, so that
// nothing of ours has to: no operator, no coordinator.
//
// One flow through it: the command line knows a run, and what preflight says that a
// shard of it takes; Manifests or Script writes the whole of it as text, for kubectl or
// a shell. There the shards keep their histories at one place, and one more task makes
// the verdict of them.
//
// What holds in both: exit codes decide what is tried again. In virtual time the same
// comes of a second try, so whatever may have been the machine's fault is tried again.
// In the real world a shard that has begun stays lost. A wrong flag or scenario ends
// everything at once.
//
// It runs nothing, and reads no files.
package cluster
