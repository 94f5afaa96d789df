// Package platform is a fake upgrade platform: the plan engine
// (package engine) with a broker and an object store around it, ready at once
// and without set-up.
//
// One flow through it: AddPackage puts a package's files into the object store;
// Command creates and activates a plan; the engine's outputs leave as messages
// over the embedded broker, or over any MQTT 5 broker that BrokerURL names;
// package addresses are presigned anew for every device; what devices send comes
// back to the engine, and Observe sees every fact of it.
//
// The fake platform decides nothing that the engine does not, and keeps its state in
// memory.
package platform
