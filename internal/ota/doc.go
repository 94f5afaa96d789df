// Package ota holds the words of an over-the-air upgrade: plan, component,
// package, manifest, the messages that a device and a platform exchange, and
// the status table that both sides obey.
//
// One flow through it: a platform sends a Plan; the device answers with a
// Decision and, component by component, with Reports whose Status moves along
// the edges of the status table; a Package brings the address of a component's
// files, whose Manifest is the only thing the device trusts; an Ack ends the
// life of every Report up to its number.
//
// The package carries no encoding tags and does no input or output: package
// wire turns its values into bytes, package agent decides with them. Values
// that arrive from outside are bounded by wire before they become values here,
// and are never changed afterwards, so they may be shared between devices.
package ota
