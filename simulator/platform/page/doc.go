// Package page is what an operator looks at: plans, their upgrade monitoring, a
// device's components, packages; and it serves these pages and the API (package
// api) at one address.
//
// One flow through it: Listen opens the address; a request passes api.Guard, which
// a browser satisfies with the cookie that the page /login gives for the token; a
// page is drawn from the engine's views by a template (html/), with charts as
// drawings in the page (chart.go); a form that changes something gives the
// platform a command and leads back to a page; page.js fetches the page again when
// the API's events say that something has changed, and puts only the parts in that
// differ.
//
// Without a script every page and every form works. The package has no rules and
// no state of its own, and speaks no TLS: where a token goes over a network, a proxy
// in front of it does.
package page
