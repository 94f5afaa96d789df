// Package quecthing is the session of one device with a platform that speaks to
// Quectel's device SDK, such as the Acceleronix developer center: frames over
// MQTT 3.1.1.
//
// One flow through it: Run logs in with a password that is made from the product's
// secret, at first contact, or the device's own, which the platform hands out then.
// It delivers Connected; the agent's inventory becomes the device's status and
// information, and a request. A plan of the platform is delivered as the agent's, and
// its decision sent back as a status. An address becomes a package for which the
// platform vouches; each report of the agent becomes a status, and is acknowledged
// when the broker has taken it for good.
//
// # Two parts
//
// Exchange is the protocol: what is sent next, and what a frame means. It reads no
// clock and opens no connection, so that a fleet in virtual time can use it. Session
// is the part with sockets: it connects, and carries what the Exchange gives it.
//
// # What is remembered
//
// On disk is the device's secret alone. The wire knows no names of plans: the
// Exchange makes them, from what a plan asks for and when it came, and finds them
// again after a restart in what the agent says of its plan.
//
// Where this device differs from one with the SDK on purpose is listed in
// docs/PLATFORMS.md, and tested against the SDK's recordings.
//
// The package does not download, and verifies no package.
package quecthing
