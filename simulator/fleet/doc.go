// Package fleet reads device files: tables of devices that exist, with their keys,
// what they run, and how each proves to a platform who it is.
//
// One flow through it: Parse takes the text of a file, CSV with a header, and gives
// its devices in their order, or every mistake with its line and column. A scenario
// makes fleets of them (scenario.ParseWith); the real world looks up the Login of
// each. Text writes the same form, with the logins or without.
//
// It opens no file: neither the device file nor those that a Login names, and does
// not know what a scenario wants of a device.
package fleet
