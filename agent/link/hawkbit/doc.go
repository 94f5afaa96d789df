// Package hawkbit is the session of one device with Eclipse hawkBit, by its Direct
// Device Integration API: JSON documents that the device polls over HTTP.
//
// One flow through it: Run polls the device's root document and delivers Connected.
// An action that the root shows is read, with the signed manifest that lies beside
// each artifact, and delivered as a plan. The agent accepts, and gets the packages'
// download URLs. Each of its reports becomes feedback on the action; with the last
// one the action is closed, and the reports are acknowledged. A cancellation is a
// termination of the plan, and is refused once a component is being switched.
//
// # Two parts
//
// Exchange is the protocol: which request comes next, and what an answer means. It
// reads no clock and opens no connection, so that a fleet in virtual time can use it.
// Link is the part with sockets: it carries the Exchange's requests, waits and
// authenticates.
//
// # Nothing is remembered on disk
//
// hawkBit has one outcome for an action, and a plan has one for each component.
// Therefore no report of an action is acknowledged before the action is closed: after
// a restart the agent sends all of them again, and the Exchange knows what became of
// every component. What is said twice are a few lines in the action's history.
//
// The package does not download: it says by Authorize which requests for artifacts
// carry the device's token. Those that lead to another host do not.
package hawkbit
