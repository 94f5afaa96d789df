// Package native is the MQTT session of one device with the platform, in the
// project's own dialect (docs/PROTOCOL.md). It is the agent's
// only adapter of paho.golang.
//
// One flow through it: Run connects to one of the brokers, subscribes to the
// device's topics and delivers Connected; every message that arrives is decoded
// by package wire and delivered; messages that the agent hands to Send leave in
// their order; when the connection is lost, Run delivers Disconnected, waits a
// random while and connects again, for ever. At the end it says goodbye.
//
// # Nothing is carried over
//
// A message that was not acknowledged when the connection broke is forgotten.
// What must arrive, the agent sends again after the next Connected, from its own
// record on disk: a second memory in the session would only send it twice. The
// broker, on its side, keeps what the platform sends while the device is away
// (Clean Start 0, Session Expiry).
//
// # Gateways
//
// One session can speak for several devices: a gateway's Config names the Members
// behind it, each of which has its own topics and its own agent. There is one
// will, the gateway's: whoever hears that the gateway is gone knows it of them. A
// member for which the broker does not let the gateway speak stays without a
// connection, and the others do not notice.
//
// # Many devices in one process
//
// The simulator runs tens of thousands of Links at once, so that only paho's
// packets are used and not its client, which takes three goroutines and as many
// contexts a connection. An idle Link has one goroutine, which waits for the
// next packet on the smallest stack; what connecting, reading and sending need
// is taken from goroutines that end. It has none at all on a connection that is
// an Awaiter. The keep-alive is a timer. Packets of one moment are one write and one
// read, in a buffer that is lent for as long; one that is too large or malformed is
// refused before memory is taken for it. Messages and their acknowledgements, which are
// nearly all packets, are written and read without paho, as it would.
//
// The package does not decide what to send, and gives no guarantee beyond the
// connection: that is the agent's outbox.
package native
