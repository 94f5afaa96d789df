// Package enrol makes identities for devices of tests: an authority, and for each
// device a key and a certificate that it has signed.
//
// One flow through it: NewAuthority makes an authority from a seed, and Issue a pair
// for each device, as PEM. The same seed gives the same bytes, on any machine, so that
// a fleet which was enrolled yesterday can be enrolled again today.
//
// That is what makes them fit for tests only: whoever knows the seed has the keys. It
// writes no files, and registers devices nowhere.
package enrol
