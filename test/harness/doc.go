// Package harness runs the built programs for tests: ota-agent on a device of
// its own, a directory with keys, configuration and live files, and a platform
// for it to talk to.
//
// One flow through it: TestMain calls Build; a test starts a Platform, lays out
// a Device and starts its agent; Pack signs a package, Offer puts it and a plan
// into effect; Await waits for what the platform learns; Trail says it in the
// words of the protocol. Whatever was started ends with the test, and a test
// that fails shows the last lines that its programs wrote.
//
// The package judges nothing but its own steps: that a program could not be
// started, or that something did not happen in time. What is right is for the
// tests to say.
package harness
