// Package eventlog keeps what happened to a device, for technicians: a file of
// JSON lines that is rotated, so that it never takes more than a bounded place.
//
// One flow through it: the agent opens the Log of its state directory; the
// Runner records each event, which becomes a line; when the file is full it
// becomes the older one of two, and the one before that is gone. Read gives the
// lines of both, oldest first, for ota-agent history --events.
//
// The log is a help and no part of the upgrade: what cannot be written is lost,
// with a warning, and nothing is ever read back to decide anything. Events of an
// upgrade are synced to the disk; the many of a line that comes and goes are not.
package eventlog
