// Package port is the serial line between the device and a component that has
// no other: the port, reads that end in time, and exchanges of a text for a
// pattern.
//
// One flow through it: Open takes the port for this process alone and makes it
// raw; an Exchange sends a text and waits for what a regular expression
// describes; a protocol reads byte by byte with a time for each; Close gives
// the port back. A line that brings nothing in time is ErrSilent, one that was
// pulled ErrGone; Failure reports both as component_silent.
//
// The package speaks termios through x/sys: of a library for serial ports it
// would need only what is here, and a file of package os has the deadlines
// already. It knows no protocol, and drives neither DTR nor RTS.
package port

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

// Config names a port.
type Config struct {
	Path string // of the device, such as /dev/ttyS1
	Baud int    // bits a second, with 8 data bits, no parity, 1 stop bit
	// Dial opens something else than the serial port at Path, such as the cable of
	// an emulator. It fails with EBUSY while something else has it open. nil opens
	// the serial port.
	Dial func() (Conn, error)
}

// Conn is an open port as the system gives it. Its reads and writes end with
// os.ErrDeadlineExceeded at their deadline.
type Conn interface {
	io.ReadWriteCloser
	SetReadDeadline(end time.Time) error
	SetWriteDeadline(end time.Time) error
	// Drop forgets what has come and was not read.
	Drop()
}

// The bounds of Config.Baud.
const (
	MinBaud = 50
	MaxBaud = 4_000_000
)

// ErrSilent says that the other side did not send what was waited for.
var ErrSilent = errors.New("no answer")

// ErrGone says that there is no port, or none any more.
var ErrGone = errors.New("the port is gone")

// writeLimit is how long the port may refuse to take bytes.
const writeLimit = 10 * time.Second

// Port is an open port.
type Port struct {
	ctx  context.Context
	conn Conn
	stop func() bool // ends the watch on ctx
	held []byte      // has come and was not read
	room [512]byte
}

// Open opens the port until Close, or until ctx ends: then every call fails with
// the context's error. It fails with firmware.ErrRetry while another program has
// the port, and with ErrGone if there is no port.
func Open(ctx context.Context, cfg Config) (*Port, error) {
	dial := cfg.Dial
	if dial == nil {
		dial = func() (Conn, error) { return openTerminal(cfg) }
	}
	conn, err := dial()
	switch {
	case errors.Is(err, unix.EBUSY):
		return nil, fmt.Errorf("%w: another program uses %s", firmware.ErrRetry, cfg.Path)
	case errors.Is(err, errUnusable):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrGone, err)
	}
	p := &Port{ctx: ctx, conn: conn}
	p.stop = context.AfterFunc(ctx, func() {
		past := time.Unix(1, 0)
		_, _ = conn.SetReadDeadline(past), conn.SetWriteDeadline(past)
	})
	return p, nil
}

// OpenWithin opens the port as Open does, and waits for one that is not there: a
// component that starts anew takes it away. The time between two looks is pause.
func OpenWithin(ctx context.Context, cfg Config, within, pause time.Duration) (*Port, error) {
	for end := time.Now().Add(within); ; {
		p, err := Open(ctx, cfg)
		if !errors.Is(err, ErrGone) || !time.Now().Before(end) {
			return p, err
		}
		if err := firmware.Pause(ctx, min(pause, max(time.Until(end), 0))); err != nil {
			return nil, err
		}
	}
}

// Close gives the port back.
func (p *Port) Close() error {
	p.stop()
	return p.conn.Close()
}

// Write sends all of b.
func (p *Port) Write(b []byte) error {
	if err := p.conn.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return err
	}
	if err := p.ctx.Err(); err != nil {
		return err
	}
	if _, err := p.conn.Write(b); err != nil {
		return p.problem(err, "the port takes nothing for %s", writeLimit)
	}
	return nil
}

// SendLast sends b, although the context may have ended, and ignores whether it
// arrives. It is for the last word to a peer that would otherwise wait.
func (p *Port) SendLast(b []byte) {
	const limit = time.Second
	if p.conn.SetWriteDeadline(time.Now().Add(limit)) == nil {
		_, _ = p.conn.Write(b)
	}
}

// Next gives the next byte, or ErrSilent if none comes within a time.
func (p *Port) Next(within time.Duration) (byte, error) {
	if len(p.held) == 0 {
		if err := p.more(within); err != nil {
			return 0, err
		}
	}
	b := p.held[0]
	p.held = p.held[1:]
	return b, nil
}

// more waits for bytes and adds them to what is held.
func (p *Port) more(within time.Duration) error {
	if err := p.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	if err := p.ctx.Err(); err != nil {
		return err
	}
	n, err := p.conn.Read(p.room[:])
	p.held = append(p.held, p.room[:n]...)
	if err != nil {
		return p.problem(err, "nothing came for %s", within)
	}
	return nil
}

// problem tells the ends of a context and of a time from other errors.
func (p *Port) problem(err error, late string, args ...any) error {
	if ended := p.ctx.Err(); ended != nil {
		return ended
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%w: %s", ErrSilent, fmt.Sprintf(late, args...))
	}
	return fmt.Errorf("%w: %w", ErrGone, err)
}

// Drop forgets everything that has come and was not read.
func (p *Port) Drop() {
	p.held = nil
	p.conn.Drop()
}

// Failure gives an error of this package its protocol code; what has one
// already, the end of a context and ErrRetry stay as they are.
func Failure(err error) error {
	var known *ota.Failure
	if err == nil || errors.As(err, &known) || !errors.Is(err, ErrSilent) && !errors.Is(err, ErrGone) {
		return err
	}
	return firmware.Failf(ota.ComponentSilent, "%v", err)
}
