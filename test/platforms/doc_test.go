// Package platforms_test runs the built ota-agent against other platforms' servers:
// goosebit, which speaks hawkBit's device API.
//
// One flow through it: `make test-platforms` installs goosebit into a virtual
// environment of Python and names its interpreter in GOOSEBIT; a test starts a server
// with a data base of its own on a free port of the loopback, registers the device
// and uploads an image by the server's API, and looks at the device's files and at
// what the server says of the device.
//
// What our programs do among themselves is for test/e2e; brokers and object stores of
// third parties, and Debian's swupdate against the fake hawkBit, are for test/real.
package platforms_test
