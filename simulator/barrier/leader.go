package barrier

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	lead       = 3 * time.Second        // from the decision to the start: several times askEvery
	askEvery   = 500 * time.Millisecond // how often a shard asks
	silence    = 20 * askEvery          // after which a shard that says nothing has gone
	saidWithin = 5 * time.Second        // how long a message may take to be sent, or a stranger to say who it is
	remind     = 30 * time.Second       // how often a person reads who is missing
	strangers  = 64                     // connections at once that have not said who they are
	refusals   = 20                     // that a person reads of, at most
)

// Leader is shard 1, which the others meet.
type Leader struct {
	party    *Party
	self     hello
	epoch    time.Time // from where its monotonic clock counts
	listener net.Listener
	waiting  chan struct{} // has a place for each stranger
	complete chan struct{} // closed when the start is known
	serving  sync.WaitGroup

	mu      sync.Mutex // guards the following
	places  map[int]*place
	lines   map[*line]struct{} // all that are open
	ready   bool               // shard 1 could begin itself
	over    bool
	closed  bool
	start   time.Duration // since epoch; 0 while it is not known
	refused map[string]bool
}

// place is a shard that has come.
type place struct {
	id       string
	line     *line
	ready    bool
	replaced bool // another process has taken its place
}

// Lead gathers the other shards at a listener, which the Leader closes.
func (p *Party) Lead(l net.Listener) *Leader {
	leader := &Leader{party: p, self: hello{Protocol: protocol, Shard: p.Shard, Shards: p.Shards, Facts: p.Facts},
		epoch: p.now(), listener: l, waiting: make(chan struct{}, strangers), complete: make(chan struct{}),
		places: map[int]*place{}, lines: map[*line]struct{}{}, refused: map[string]bool{}}
	leader.serving.Go(leader.accept)
	return leader
}

// Wait says that shard 1 is ready, and waits until all are. Shards that come later hear
// that they are late, until Close.
func (l *Leader) Wait(ctx context.Context) (Start, error) {
	l.mu.Lock()
	l.ready = true
	l.decide()
	l.mu.Unlock()
	over := time.NewTimer(l.party.Within)
	defer over.Stop()
	remember := time.NewTicker(remind)
	defer remember.Stop()
	for {
		select {
		case <-ctx.Done():
			return Start{}, ctx.Err()
		case <-l.complete:
			return Start{At: l.epoch.Add(l.start)}, nil
		case <-remember.C:
			if shards, more := l.missing(); len(shards) > 0 {
				l.party.Log("still waits for " + names(shards, more, l.party.Shards))
			}
		case <-over.C:
			return l.giveUp(ctx)
		}
	}
}

// giveUp says to all that are there who is missing, unless all have come after all.
func (l *Leader) giveUp(ctx context.Context) (Start, error) {
	l.mu.Lock()
	known := l.start != 0
	l.over = !known
	l.mu.Unlock()
	if known {
		return Start{At: l.epoch.Add(l.start)}, nil
	}
	shards, more := l.missing()
	select { // until each has asked once more
	case <-ctx.Done():
	case <-time.After(4 * askEvery):
	}
	return Start{}, missing(shards, more, l.party, fmt.Sprintf("within %s", l.party.Within))
}

// Close ends every connection.
func (l *Leader) Close() error {
	err := l.listener.Close()
	l.mu.Lock()
	l.closed = true
	for open := range l.lines {
		_ = open.conn.Close() // it only says that it is closed
	}
	l.mu.Unlock()
	l.serving.Wait()
	return err
}

// accept serves connections until the listener is closed.
func (l *Leader) accept() {
	for {
		conn, err := l.listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // such as for want of file descriptors
			time.Sleep(saidWithin / 100)
			continue
		}
		select {
		case l.waiting <- struct{}{}:
			l.serving.Go(func() { l.serve(newLine(conn)) })
		default:
			_ = conn.Close() // too many have not said who they are
		}
	}
}

// serve answers a process until it goes.
func (l *Leader) serve(conn *line) {
	defer conn.conn.Close()
	if !l.open(conn) {
		<-l.waiting
		return
	}
	defer l.forget(conn)
	first, err := l.hear(conn, saidWithin)
	<-l.waiting
	if err != nil || first.Hello == nil {
		return
	}
	here, refusal := l.admit(first.Hello, conn)
	if refusal != nil {
		_ = conn.write(refusal, saidWithin)
		return
	}
	defer l.leave(first.Hello.Shard, here)
	since := time.Now()
	for asked := 1; ; asked++ {
		if conn.write(l.answer(here, first.Ready), saidWithin) != nil {
			return
		}
		if first, err = l.hear(conn, silence); err != nil || asked > allowed(time.Since(since)) {
			return
		}
	}
}

// allowed is how many questions a process may ask in a time.
func allowed(d time.Duration) int { return 4*exchanges + 4*int(d/askEvery) }

func (l *Leader) hear(conn *line, within time.Duration) (*request, error) {
	text, err := conn.read(within)
	if err != nil {
		return nil, err
	}
	return parseRequest(text)
}

// open notes a connection, unless the Leader is closed.
func (l *Leader) open(conn *line) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.lines[conn] = struct{}{}
	}
	return !l.closed
}

func (l *Leader) forget(conn *line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.lines, conn)
}

// admit gives a process its place, or says why it gets none.
func (l *Leader) admit(h *hello, conn *line) (*place, *answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.places[h.Shard]
	switch why := differs(h, &l.self); {
	case h.Protocol != protocol:
		return nil, l.refuse(conn, fmt.Sprintf("shard %s is of another version of ota-sim", h))
	case why != "":
		return nil, l.refuse(conn, why+", so they are not of one run")
	case h.Shard == l.self.Shard:
		return nil, l.refuse(conn, fmt.Sprintf("this process is shard %s itself", h))
	case l.start != 0 && (before == nil || before.id != h.ID):
		return nil, &answer{Refused: fmt.Sprintf("the run has begun without this process, which is shard %s", h), Late: true}
	case before != nil && before.id != h.ID:
		before.replaced = true
		l.say(fmt.Sprintf("a newer process at %s has taken the place of shard %s", conn.conn.RemoteAddr(), h))
	}
	here := &place{id: h.ID, line: conn}
	l.places[h.Shard] = here
	return here, nil
}

// refuse says to both sides why a process is refused.
func (l *Leader) refuse(conn *line, why string) *answer {
	l.say(fmt.Sprintf("a process at %s is refused: %s", conn.conn.RemoteAddr(), why))
	return &answer{Refused: why}
}

// say lets a person read something once.
func (l *Leader) say(text string) {
	if !l.refused[text] && len(l.refused) < refusals {
		l.refused[text] = true
		l.party.Log(text)
	}
}

// leave gives a place up. Once the run begins it is kept for the same process.
func (l *Leader) leave(shard int, here *place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.places[shard] == here && l.start == 0 {
		delete(l.places, shard)
	}
}

// answer is what a process hears that has a place.
func (l *Leader) answer(here *place, ready bool) *answer {
	l.mu.Lock()
	defer l.mu.Unlock()
	here.ready = here.ready || ready
	l.decide()
	now := l.party.now()
	a := &answer{Since: int64(now.Sub(l.epoch)), Clock: now.UnixNano()}
	switch {
	case here.replaced:
		a.Refused = "a newer process is the same shard"
	case l.start != 0:
		a.Start = int64(l.start)
	default:
		a.Missing, a.More = l.notReady()
		a.Over = l.over
	}
	return a
}

// decide sets the start, if all are ready and time is not over.
func (l *Leader) decide() {
	if l.start != 0 || l.over {
		return
	}
	if shards, _ := l.notReady(); len(shards) == 0 {
		l.start = l.party.now().Sub(l.epoch) + lead
		close(l.complete)
	}
}

func (l *Leader) missing() (shards []int, more int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.notReady()
}

// notReady lists the first shards that are not ready, and says how many more there are.
func (l *Leader) notReady() (shards []int, more int) {
	for shard := 1; shard <= l.party.Shards; shard++ {
		here := l.places[shard]
		switch {
		case shard == l.self.Shard && l.ready, here != nil && here.ready:
		case len(shards) < mostNamed:
			shards = append(shards, shard)
		default:
			more++
		}
	}
	return shards, more
}
