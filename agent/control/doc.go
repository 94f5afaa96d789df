// Package control is the local socket of a running agent, over which an operator
// looks at the device and answers plans.
//
// One flow through it: a Server listens on a UNIX socket; a Client sends one
// HTTP request with a JSON body to it; the Server asks the Agent for its Status
// or posts an input to it, and answers in JSON. The requests are:
//
//	GET  /v1/status   what the device does, as a Status
//	POST /v1/check    ask the platform for a plan now
//	POST /v1/confirm  accept the plan that waits for an answer
//	POST /v1/refuse   decline it; {"detail":"…"} says why
//
// With ?device=KEY a request is about a sub-device of a gateway.
//
// An answer other than 2xx is {"error":"…"}, a sentence for people.
//
// Who may open the socket's file may do all of this: access is the file's mode
// and group. The package does not listen on a network and decides nothing.
package control
