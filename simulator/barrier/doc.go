// Package barrier lets the processes of a divided run begin at one moment, whatever
// their clocks say.
//
// One flow through it: shard 1 listens (Party.Lead), the others connect to it
// (Party.Join), also before it is there. Each says who it is and what it runs; what
// differs from shard 1 is refused by name. Each then asks shard 1 every half second for
// the time, and learns from that how the two clocks differ. When all are ready, shard 1
// names a moment that lies a few seconds ahead, by its clock, and each process knows when
// that is by its own. Of a shard that another process comes for, the newer one counts:
// the older one may hang on a machine that is lost.
//
// Wall clocks do not matter to it: only the differences of monotonic clocks do, so one
// that is set meanwhile moves nothing. It does not know what a run is, and does not keep
// the processes together once they have begun. What a port is sent is bounded in length,
// number and time, and never ends the run; but whoever reaches the port can claim to be
// a shard: it belongs into a network whose members are trusted.
package barrier
