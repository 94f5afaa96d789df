package main

import (
	"fmt"
	"syscall"
)

// spareFiles is what a process needs beside its devices: downloads in flight
// at both ends, listeners, the program's own files.
const spareFiles = 600

// preflight refuses a scenario for which the process may not open enough files.
// With the embedded broker, both ends of every session are in this process.
func preflight(devices int, embedded bool) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("cannot ask how many files may be open: %w", err)
	}
	each := uint64(1)
	if embedded {
		each = 2
	}
	return fit(uint64(devices), each, limit.Cur, limit.Max)
}

// fit says what to do if so many devices, with so many open files each, need
// more than the limits.
func fit(devices, each, soft, hard uint64) error {
	need := devices*each + spareFiles
	if need <= soft {
		return nil
	}
	who := ""
	if need > hard {
		who = "as root: "
	}
	advice := fmt.Sprintf("raise the limit (%sulimit -n %d)", who, need)
	if soft >= spareFiles+each {
		advice += fmt.Sprintf(", or run at most %d devices", (soft-spareFiles)/each)
	}
	return fmt.Errorf("%d devices need %d open files, and this process may have %d; %s", devices, need, soft, advice)
}
