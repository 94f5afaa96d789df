package barrier

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"time"
)

// exchanges is how many questions a process asks at once, to compare the clocks, before
// it says that it is ready.
const exchanges = 8

// The pauses between two tries to reach shard 1, which may not be there yet.
const (
	firstPause   = 200 * time.Millisecond
	longestPause = 3 * time.Second
)

// member is a process that meets shard 1.
type member struct {
	party *Party
	began time.Time
	hello hello
	dial  func(context.Context) (net.Conn, error)
	heard *answer // the last one; nil before the first
}

// Join says to shard 1 that this process is ready, and waits until all are. dial connects
// to shard 1; it is called again when it fails, and when a connection ends. Within bounds
// how long shard 1 is looked for. While it is there, it says when time is over, so that
// all end together; but it has no more than twice that time.
func (p *Party) Join(ctx context.Context, dial func(context.Context) (net.Conn, error)) (Start, error) {
	m := &member{party: p, dial: dial, began: time.Now(), hello: hello{Protocol: protocol, ID: rand.Text(),
		Shard: p.Shard, Shards: p.Shards, Facts: p.Facts}}
	pause := firstPause
	for {
		before := m.heard
		start, err := m.meet(ctx)
		switch {
		case err == nil, errors.Is(err, ErrRefused), errors.Is(err, ErrMissing):
			return start, err
		case ctx.Err() != nil:
			return Start{}, ctx.Err()
		case time.Since(m.began) >= p.Within:
			return Start{}, m.gaveUp(err)
		case m.heard != before:
			pause = firstPause
		}
		select {
		case <-ctx.Done():
			return Start{}, ctx.Err()
		case <-time.After(pause):
			pause = min(2*pause, longestPause)
		}
	}
}

// gaveUp names who was missing as far as this process knows.
func (m *member) gaveUp(reason error) error {
	within := fmt.Sprintf("within %s", time.Since(m.began).Truncate(time.Second))
	if m.heard == nil || len(m.heard.Missing) == 0 {
		return fmt.Errorf("%w: %w", missing([]int{1}, 0, m.party, within), reason)
	}
	return missing(m.heard.Missing, m.heard.More, m.party, within)
}

// meet connects to shard 1 and asks it until the start is known.
func (m *member) meet(ctx context.Context) (Start, error) {
	looking, cancel := context.WithDeadline(ctx, m.began.Add(m.party.Within))
	defer cancel()
	conn, err := m.dial(looking)
	if err != nil {
		return Start{}, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	l := newLine(conn)
	known := &clocks{epoch: m.party.now()} // a process that was started anew counts anew
	for asked := 0; ; asked++ {
		a, err := m.ask(l, known, asked)
		switch {
		case err != nil:
			return Start{}, err
		case a.Late:
			return Start{}, fmt.Errorf("%w: %s", ErrMissing, a.Refused)
		case a.Refused != "":
			return Start{}, fmt.Errorf("%w at the start: %s", ErrRefused, a.Refused)
		case a.Over:
			return Start{}, missing(a.Missing, a.More, m.party, "when time was over for shard 1")
		case a.Start != 0:
			return known.start(a.Start), nil
		case time.Since(m.began) >= 2*m.party.Within:
			return Start{}, m.gaveUp(nil)
		case asked >= exchanges:
			select {
			case <-ctx.Done():
				return Start{}, ctx.Err()
			case <-time.After(askEvery):
			}
		}
	}
}

// ask asks shard 1 once, and compares the clocks.
func (m *member) ask(l *line, known *clocks, asked int) (*answer, error) {
	r := request{Ready: asked >= exchanges}
	if asked == 0 {
		r.Hello = &m.hello
	}
	sent := m.party.now()
	if err := l.write(r, saidWithin); err != nil {
		return nil, err
	}
	text, err := l.read(silence)
	received := m.party.now()
	if err != nil {
		return nil, fmt.Errorf("it does not answer: %w", err)
	}
	a, err := parseAnswer(text)
	if err != nil {
		return nil, fmt.Errorf("it answers something else: %w", err)
	}
	if a.Refused == "" {
		known.compare(sent, received, a)
		m.heard = a
	}
	return a, nil
}
