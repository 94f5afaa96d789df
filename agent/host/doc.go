// Package host is what a Linux device gives the agent: sensors, health checks,
// restarts of the process and of the system, free space, an operator's program
// that answers plans, TLS settings from files, and the service manager that wants
// to hear whether the agent is alive.
//
// One flow through it: the program makes the parts from its configuration and puts
// them behind the interfaces of package agent; the Runner then asks Sensors before a
// plan, Health after a switch, and Power for a restart.
//
// It keeps no state on disk and decides nothing: what a reading or a failed check
// means is the machine's.
package host
