// Package policy decides how a download goes on after each of its requests:
// which address is asked next and after which pause, when other addresses are
// asked for, and when the download has failed.
//
// One flow through it: a Course begins with what has gone wrong before (New), and
// receives how many addresses a file has (File). Next gives the address to ask and
// the pause before it; whoever downloads waits, asks, and tells what came of it
// (Judge), which says whether to go on, to ask for other addresses, or to give up.
// A store that is away costs time, of which there is Patience; an answer that is
// wrong costs one of Attempts; every new chunk makes up for both.
//
// The package asks no server, waits for nothing and reads no clock: the real
// downloads and those of the virtual world follow the same rules, because these
// are written once. It does not judge answers: what an answer is worth is for
// those who read it.
package policy
