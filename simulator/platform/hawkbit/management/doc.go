// Package management is the part of a hawkBit that operators have: targets, software
// modules with artifacts, distribution sets, assignments and the actions that come of
// them, kept in memory, and the Management API by which scripts create and read them.
//
// One flow through it: a script creates targets with tokens, uploads artifacts into
// modules, and assigns a set of them, all by API, an http.Handler; package hawkbit, to
// which the targets' devices speak, asks Target for what a device is to do, and gives
// its feedback to Action.Take; the script reads what became of each action, and deletes
// what it has made.
//
// It knows nothing of the plans of the fake platform. It has one tenant, one user and
// the resources that a fleet's tooling uses: no target types, filters or groups, no
// maintenance windows, no rollouts in more than one group.
package management
