// Package preflight says before a run whether it fits the machine: open files,
// ports, memory. A run that does not fit would end in the middle, with errors
// that look like those of the devices.
//
// One flow through it: Look reads what the machine has; Examine holds what a run
// needs against it, and finds what mends it: several processes, each with a part
// of the devices, at once or one after the other. The command line turns that into
// commands.
//
// It reserves nothing: what other programs take in the meantime it cannot know.
package preflight
