// Package quecthing is the wire of Quectel's device SDK, by which modules speak to
// the Acceleronix developer center: bytes, and nothing of what is done with them.
// Device and fake platform share it.
//
// One flow through it: a device logs in over MQTT 3.1.1 with a ClientID and a
// password (LoginPassword). Each message is one Frame on a topic (Uplink,
// Downlink); its Command says what it is, its payload is Items, numbered values
// with their type.
//
// The rules were read from what SDK 2.9.0 sends and takes; the recordings are in
// testdata. The bytes made here are the SDK's, with these exceptions, each of which
// the SDK's own decoder takes:
//
//   - An AA at the end of the command is escaped like any other. The SDK forgets
//     it there, and cannot read what it has made.
//   - A frame whose length leaves no room for its command is refused. The SDK reads
//     on behind it.
//   - Integers keep 64 bits. The SDK cuts them to 32.
//   - A version list takes no separators inside a name or version.
//
// The package keeps no counter, and no state of a session.
package quecthing
