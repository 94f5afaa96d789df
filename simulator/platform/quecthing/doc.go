// Package quecthing lets devices that speak like Quectel's device SDK upgrade from the
// fake platform: frames over MQTT 3.1.1, files over HTTP.
//
// One flow through it: a device logs in with a password made of secrets, and gets one
// of its own if it has none; it says what it runs, which becomes an inventory; a plan
// of the engine becomes one frame; the statuses that the device sends become a decision
// and reports, with every step between that the wire has lost; each package that the
// engine issues becomes a frame with the address of its file; a status or a version
// report ends the component, and the engine goes on.
//
// # What a device is trusted with
//
// Device holds the rules, which follow from recordings of SDK 2.9.0. It repeats
// messages, so a frame counts once. Its failures come late, twice, or after the end, so
// one counts only if an address is out, and the next address waits until the last
// failure can have come. It says that an upgrade has failed, or has succeeded, when its
// own version report says something else: the report wins. It loses statuses, so any
// later one is taken; and it may stay in one for ever, so each has its time.
//
// # Nothing is remembered
//
// A platform that is started again makes the same secrets, and takes up each device
// where the engine has it. The wire has no reason for a refusal or a failure, no
// progress, no termination and no roll-back of other components: a plan that needs one
// of them ends on the platform's side, or is refused in the device's name.
package quecthing
