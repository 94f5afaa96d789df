package main

import (
	"bufio"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// unmapProgram takes the program's own pages out of this process's memory; those that
// are used come back. The kernel maps sixteen at a time, and the start runs much of
// the program once, so that nearly all of it would count as in use for good, and be
// kept when memory is short. What cannot be unmapped stays.
func unmapProgram() {
	const dontNeed = 4 // MADV_DONTNEED, on every processor
	path, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer maps.Close()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		begin, end, ok := programPages(lines.Text(), path)
		if ok {
			_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, begin, end-begin, dontNeed)
		}
	}
}

// programPages is where a line of /proc/self/maps has pages of the file at a path that
// nothing writes to: those are the same when they are read again.
func programPages(line, path string) (begin, end uintptr, ok bool) {
	mapping, file, found := strings.Cut(line, "/")
	fields := strings.Fields(mapping) // addresses, permissions, offset, device, inode
	if !found || "/"+file != path || len(fields) != 5 || !slices.Contains([]string{"r--p", "r-xp"}, fields[1]) {
		return 0, 0, false
	}
	from, to, _ := strings.Cut(fields[0], "-")
	first, err := strconv.ParseUint(from, 16, strconv.IntSize)
	if err != nil {
		return 0, 0, false
	}
	last, err := strconv.ParseUint(to, 16, strconv.IntSize)
	if err != nil || last <= first {
		return 0, 0, false
	}
	return uintptr(first), uintptr(last), true
}
