// Package platform is a fake upgrade platform: the plan engine
// (package engine) with a broker and an object store around it, ready at once
// and without set-up.
//
// One flow through it: AddPackage or Upload puts a package's files into the object store;
// Command creates and activates a plan; the engine's outputs leave as messages
// over the embedded broker, or over any MQTT 5 broker that BrokerURL names;
// package addresses are presigned anew for every device; what devices send comes
// back to the engine, and Observe sees every fact of it.
//
// With a state directory it keeps plans, ledger and packages on the disk, each change
// before its messages leave, and goes on there after a restart. Without one it keeps
// everything in memory, and forgets it.
//
// The fake platform decides nothing that the engine does not.
package platform
