// Package statefile keeps the state of one device on disk, so that a power cut at
// any moment leaves the last saved state or the one before it, whole.
//
// One flow through it: Open locks the state directory and prepares two files of
// a fixed size, state.0 and state.1; Load takes the newer of the two records
// that verify; every Save writes a new record over the older of the two and
// returns when it would survive a power cut. Keep and Drop do the
// same for small files, each replaced by rename.
//
// # Two files, written in place
//
// A record carries a counter and a SHA-256 over everything in it. While one
// file is being written the other one holds the state before, untouched: a torn
// write fails its checksum and Load falls back. SHA-256 rather than a CRC,
// because it needs no argument about which tears a polynomial might miss, is
// linked already and takes microseconds for a record of this size.
//
// Both files are filled with zeros when they are created and then overwritten in
// place, never replaced. A save therefore takes no new block and succeeds on a
// full disk, until a record outgrows the file. (A file system that copies on
// write, as btrfs and f2fs do, gives no such promise.)
//
// # What it does not do
//
// It does not know what a state means: it stores bytes, which package agent encodes
// and decodes. It does not retry, and a Save that failed may or may not be found by the next
// Load.
package statefile
