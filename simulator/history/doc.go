// Package history keeps the record of a run in a Place, a directory or what lies under a
// prefix of a bucket, so that the run can be judged again, and that the shards of a run can
// be judged as one.
//
// One flow through it: Create begins the record; the run gives its events to
// the Writer, from any goroutine; Close adds what is known at the end. Later Open
// finds the record, Judge reads its events back one by one and gives them to
// package verdict; Merge does so with the records of all shards, which a Gathering finds.
//
// A record consists of three files: run.json says what was run, on what, and how
// it ended; scenario.yaml is the scenario as it was read, by itself; events.jsonl.zst is one
// JSON object a line for each event, compressed. A line has one form only: keys
// in the order t (nanoseconds since the start), k (kind), d (device), p (plan), c
// (component), s (status), q (number of the report), n, x (text), f (detail of a
// failure); a key whose value is zero or empty is left out. Where files are written once,
// waiting.json and then begun.json say what is known before the end, and run.json comes last.
//
// It does not decide what an event means, and trusts no file: lengths are bounded
// before memory is taken, and damage is reported with the number of its line. A
// record without an end is that of a program that was killed; what is there of
// it can be judged, and the verdict says so. A shard that broke off may be tried
// again: NextTry gives a place below its record, and Open finds the complete one.
package history
