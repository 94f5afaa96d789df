// Package hawkbit lets devices speak Eclipse hawkBit's Direct Device Integration API
// with the fake platform: JSON documents that they poll over HTTP.
//
// One flow through it: a device polls its root document and is asked what it
// runs; its attributes become an inventory, and the engine offers it a plan; the next
// poll shows an action, whose document names the files of every package with the
// signed manifest beside them; feedback becomes a decision and reports, in steps that
// the status table allows; the one that closes the action ends the device's part of
// the plan, or has the engine try it again, as another action.
//
// # Nothing is remembered
//
// An action is one attempt of a plan: its number is 1000 times the plan's number, plus
// the attempt. What it shows follows from the engine's state, so that a platform that
// is started again shows the same. What the package itself keeps of a device, such as
// the attributes, it asks for anew.
//
// It has one tenant, whatever the device calls it. It has no distribution sets,
// maintenance windows, soft updates, downloads without an update, action history or
// installedBase.
//
// # Two sorts of devices
//
// Pages and API of the platform decide for devices that come by themselves. With
// Config.Targets there are also targets that operators make by hawkBit's management
// API, to which package management gives actions of distribution sets; what those
// devices see is in managed.go.
package hawkbit
