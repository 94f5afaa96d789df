// Package control is the local socket of a running agent, over which an operator
// looks at the device and answers plans.
//
// One flow through it: a Server listens on a UNIX socket; a Client sends one
// HTTP request with a JSON body to it; the Server asks the Agent for its Status
// or posts an input to it, and answers in JSON. The requests are:
//
//	GET  /v1/status   what the device does, as a Status
//	GET  /v1/explain  what it waits for, as an Explanation
//	GET  /v1/history  the plans that it remembers, as a History
//	GET  /v1/events   the event log, as Events
//	POST /v1/rehearse what would become of a package; the body is its envelope
//	POST /v1/check    ask the platform for a plan now
//	POST /v1/confirm  accept the plan that waits for an answer
//	POST /v1/refuse   decline it; {"detail":"…"} says why
//	POST /v1/abandon  end the current plan before it switches; {"detail":"…"} says why
//	POST /v1/pause    let nothing new begin; {"detail":"…"} says why
//	POST /v1/resume   take that back
//	POST /v1/install  install the package file {"path":"/…"}
//
// With ?device=KEY a request is about a sub-device of a gateway.
//
// An answer other than 2xx is {"error":"…"}, a sentence for people.
//
// # Why the documents have types of their own
//
// Status, Explanation and History say much of what agent.View says. What an agent
// answers is released: scripts of operators read its keys, and a client may be older
// or newer than the agent. A View follows the machine, field by field; the functions
// that write a document down are where a change of it stops. Tests compare each
// document, key by key.
//
// # Who may ask
//
// Who may open the socket's file may look, which the file's mode and group decide.
// The requests below rehearse are for root, the agent's user and the members of
// the file's group alone, by the credentials that the kernel gives. The package does
// not listen on a network and decides nothing.
package control
