// Package wire turns the messages of package ota into bytes and back: the
// native dialect, JSON over MQTT, with the topics it travels on, the signed
// manifest and its envelope, and the keys that sign it.
//
// One flow through it: a platform gives a *ota.Plan to EncodeDown and publishes
// the payload on the topic that Topics.Down names; the device recognises the
// topic with Topics.Parse and gives the payload to DecodeDown. Both sides run
// the same checks, so nothing is sent that the other side would refuse. Of the
// *ota.Package that follows, the device believes only what Trust.Open returns:
// the manifest inside the envelope, after the signatures have been verified.
//
// Everything here is strict about what it reads: a payload is one JSON object
// in UTF-8, bounded in bytes, depth and number of values before memory is
// taken for it; every id, version, name, word, size and count is checked
// against the limits of package ota, and all faults of a message are reported
// together in an *Invalid. Unknown fields are ignored, so that fields can be
// added; names of fields are matched as encoding/json does, without regard to
// case.
//
// The package opens no connection and keeps no state, and it does not judge
// what a message means: whether a report may follow another is said by
// ota.Legal, whether a manifest fits the device by package agent.
package wire
