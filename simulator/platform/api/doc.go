// Package api drives the fake platform by HTTP and JSON: plans, packages,
// devices, their users' answers, and live events. docs/openapi.yaml describes it,
// and the tests hold every answer against that file.
//
// One flow through it: Guard lets a request in that bears the token and does not
// come from another site's page; the table of routes (routes.go) finds the
// handler; the handler reads a bounded form (forms.go), gives the engine a command
// and shows what the engine then knows (shapes.go). What the engine refuses
// becomes a problem (RFC 9457) with the fields that are at fault (problem.go).
//
// It has no rules of its own: what may be done is for package engine to say. It
// neither draws pages (package page) nor speaks TLS.
package api
