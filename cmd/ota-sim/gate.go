package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"otafleet/internal/cli"
	"otafleet/internal/terminal"
	"otafleet/simulator/barrier"
	"otafleet/simulator/history"
)

// startFlags say when a run begins.
type startFlags struct {
	with   string
	within time.Duration
	at     string
}

// startAhead is how far ahead a start may be: what is farther is a mistyped number.
const startAhead = 24 * time.Hour

func (f *startFlags) define(flags *pflag.FlagSet) {
	flags.StringVar(&f.with, "start-with", "", "begin at the same moment as the other shards, which meet at this "+
		"HOST:PORT: shard 1 listens on that port, the others connect to it")
	flags.DurationVar(&f.within, "start-within", 5*time.Minute, "with --start-with: how long to wait for the other shards")
	flags.StringVar(&f.at, "start-at", "", "begin at this time, such as 2026-03-01T12:00:00Z, or in seconds since 1970")
}

// gate is where a run waits until it may begin. The zero value lets it begin at once.
type gate struct {
	party  barrier.Party
	meet   string          // where the shards meet; empty for nowhere
	leader *barrier.Leader // nil but for shard 1 of those that meet
	at     time.Time       // when to begin without meeting; zero for at once
	text   io.Writer
	begins func(history.Start) // called when the start is known; nil for no call
	start  history.Start       // of the run that has begun

	interrupted int // exit code of a run that was ended before it began
}

// open prepares the start of a run. Shard 1 listens from now on.
func (g *gate) open(f *startFlags, s *source, c *choice) (err error) {
	switch shard := c.selected.Shard(); {
	case f.with != "" && f.at != "":
		return errors.New("--start-with and --start-at: want one of them")
	case f.at != "":
		g.at, err = parseStart(f.at, time.Now())
		return err
	case f.with == "":
		return nil
	case shard.Whole():
		return errors.New("--start-with is for the shards of a run: give --shard, too")
	default:
		g.party = barrier.Party{Shard: shard.Index, Shards: shard.Of, Within: f.within, Facts: factsOf(s, c), Log: g.say}
	}
	if f.within < time.Second || f.within > startAhead {
		return fmt.Errorf("--start-within %s: want 1s to %s", f.within, startAhead)
	}
	return g.meetAt(f.with)
}

// meetAt says where the shards meet.
func (g *gate) meetAt(address string) error {
	host, port, err := net.SplitHostPort(address)
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n == 0 || host == "" {
		return fmt.Errorf("--start-with %s: want HOST:PORT, such as sim-0.sim:7070", address)
	}
	if err := g.party.Validate(); err != nil {
		return fmt.Errorf("--start-with: %w", err)
	}
	if g.party.Shard == 1 {
		listener, err := net.Listen("tcp", ":"+port)
		if err != nil {
			return fmt.Errorf("--start-with: cannot listen for the other shards: %w", err)
		}
		g.leader = g.party.Lead(listener)
	}
	g.meet = address
	return nil
}

// parseStart reads a time that is to come.
func parseStart(text string, now time.Time) (time.Time, error) {
	at, err := time.Parse(time.RFC3339, text)
	if seconds, whole := strconv.ParseInt(text, 10, 64); whole == nil {
		at, err = time.Unix(seconds, 0), nil
	}
	switch {
	case err != nil:
		return at, fmt.Errorf("--start-at %s: want a time such as 2026-03-01T12:00:00Z, or seconds since 1970", text)
	case at.Sub(now) > startAhead:
		return at, fmt.Errorf("--start-at %s is %s from now: want at most %s", text, at.Sub(now).Round(time.Second),
			startAhead)
	}
	return at, nil
}

// factsOf are what the shards of a run have in common.
func factsOf(s *source, c *choice) []barrier.Fact {
	facts := []barrier.Fact{
		{Name: "program", Value: programName()},
		{Name: "scenario of digest", Value: shortDigest(s.text)},
		{Name: "seed", Value: fmt.Sprint(c.seed)},
		{Name: "platform", Value: string(c.dialect)},
		{Name: "key prefix", Value: c.scenario.KeyPrefix()},
	}
	if file := c.scenario.DeviceFile(); file != nil {
		facts = append(facts, barrier.Fact{Name: "device file of digest", Value: shortDigest(file.Public().Text())})
	}
	return facts
}

// shortDigest tells texts apart, in a few letters.
func shortDigest(text []byte) string { return fmt.Sprintf("%.8x", sha256.Sum256(text)) }

// say writes a line that may have come from elsewhere.
func (g *gate) say(text string) { fmt.Fprintf(g.text, "start: %s\n", terminal.Escape(text)) }

// begin waits until the run may begin (simulator.Options).
func (g *gate) begin(ctx context.Context) error {
	err := g.agree(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return cli.Exitf(g.interrupted, "interrupted before the run began")
	case errors.Is(err, barrier.ErrMissing):
		return &cli.Exit{Code: exitShardLost, Err: err}
	case errors.Is(err, barrier.ErrRefused):
		return &cli.Exit{Code: cli.Usage, Err: err}
	case err != nil:
		return err
	}
	if g.begins != nil {
		g.begins(g.start)
	}
	if wait := time.Until(g.start.Planned); wait > 0 {
		select {
		case <-ctx.Done():
			return cli.Exitf(g.interrupted, "interrupted before the run began")
		case <-time.After(wait):
		}
	}
	g.start.Began = time.Now()
	return nil
}

// agree finds out when to begin.
func (g *gate) agree(ctx context.Context) error {
	if g.meet == "" {
		if late := time.Since(g.at); !g.at.IsZero() && late > 0 {
			return cli.Exitf(exitShardLost, "the run was to begin at %s, and was ready %s later: give it a later --start-at",
				g.at.Format(time.RFC3339), late.Round(time.Millisecond))
		}
		g.start.Planned = g.at
		return nil
	}
	start, err := g.gather(ctx)
	if err != nil {
		return err
	}
	g.start = history.Start{Planned: start.At, Compared: true, Offset: start.Offset, Within: start.Within}
	g.say(fmt.Sprintf("all %d shards are ready: the run begins at %s", g.party.Shards, start.At.Format(time.RFC3339Nano)))
	return nil
}

// gather waits for the other shards.
func (g *gate) gather(ctx context.Context) (barrier.Start, error) {
	g.say(fmt.Sprintf("shard %d/%d is ready, and waits for the others, which meet at %s, for at most %s",
		g.party.Shard, g.party.Shards, g.meet, g.party.Within))
	if g.leader != nil {
		return g.leader.Wait(ctx)
	}
	dialer := net.Dialer{Timeout: 5 * time.Second}
	return g.party.Join(ctx, func(ctx context.Context) (net.Conn, error) {
		return dialer.DialContext(ctx, "tcp", g.meet)
	})
}

// close lets go of the port. Until then shards that come too late hear that they are.
func (g *gate) close() error {
	if g.leader == nil {
		return nil
	}
	return g.leader.Close()
}
