package main

import (
	"os"
	"runtime/debug"
)

// thrift is how much the heap may grow, in percent of what is in use, before
// the garbage is collected. The agent uses some 2 MiB; at Go's 100 it would take
// 2 MiB more while it decodes an image, at 25 it would save next to nothing.
const thrift = 50

// saveMemory trades a little of the processor's time for memory, which devices
// have less of, unless GOGC says something else. What reading the configuration
// took is given to the system again.
func saveMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(thrift)
	}
	debug.FreeOSMemory()
	unmapProgram()
}
