// Package gateway serves the devices behind a gateway: each has a machine and a
// state of its own, and shares the gateway's session, its processor and the bus that
// leads to it.
//
// One flow through it: the program makes a Member for each sub-device, with
// installers and sensors that wait at one Gate, and gives the Members to the session;
// Start then runs all of them beside the gateway's own machine.
//
// A sub-device that cannot be served stays out, with its reason, and the others do
// not notice. The package knows no configuration and no protocol, and it never
// restarts the gateway.
package gateway
