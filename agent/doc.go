// Package agent is the upgrade agent of one device: the Machine, which decides
// and does no input or output, and the Runner, which executes what the Machine
// decides on real parts.
//
// One flow through it: an adapter (link, the control socket, a timer, an effect
// that ended) posts an Input to the Runner; the Machine turns it into a list of
// Outputs; the Runner executes them in order. A Save stands first in the list
// and must be durable before the next output starts, so that a device cut at
// any moment finds on its disk what it was about to do, and does it again.
//
// The package does not import its adapters. It declares the interfaces it needs
// (Link, Store, Fetcher, Health, Power, firmware.Installer); the programs wire
// them to packages link, statefile, download and firmware, the simulator to its
// own.
package agent
