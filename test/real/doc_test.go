// Package real_test runs the built programs against servers that others wrote:
// mosquitto as the broker, versitygw as the object store; and against swupdate.
//
// One flow through it: `make test-real` names the two servers in MOSQUITTO and
// VERSITYGW; TestMain builds ota-agent and ota-sim and makes the authority that
// everybody trusts; a test starts servers of its own on free ports of the
// loopback, kills and starts them again as it likes, and looks at the device's
// files and at what has reached the platform.
//
// What our programs do among themselves is for test/e2e. Here stands what
// depends on how third parties read the same standards.
package real_test
