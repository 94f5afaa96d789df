package linetest

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"sync"
	"syscall"
	"time"
)

// Line is a line with a far end for one emulator at a time. It can be cut, and
// be bad.
type Line struct {
	Port string // path of the port

	served sync.WaitGroup

	mu    sync.Mutex
	far   *Far
	ended bool // by Close
	left  int  // things to hear until the cut; 0 for none
	cut   bool // since the last Plug
	heard func(b []byte) []byte
	said  func(b []byte) []byte
}

// Distort makes heard of what the emulator is to hear, and said of what it says.
// nil changes nothing.
func (l *Line) Distort(heard, said func(b []byte) []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard, l.said = heard, said
}

// ErrUnplugged says that the line is cut or unplugged.
var ErrUnplugged = errors.New("unplugged")

// Plug makes the line anew, without a cut ahead, and gives its far end.
func (l *Line) Plug() (*End, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left, l.cut, l.ended = 0, false, false
	return l.replug()
}

// Serve plugs the line and lets an emulator serve its far end; the one before has
// ended then.
func (l *Line) Serve(emulate func(*End)) error {
	l.Close()
	end, err := l.Plug()
	if err != nil {
		return err
	}
	l.served.Go(func() { emulate(end) })
	return nil
}

// Close hangs up and waits until the emulator has ended.
func (l *Line) Close() {
	l.mu.Lock()
	l.ended = true
	l.unplug()
	l.mu.Unlock()
	l.served.Wait()
}

// Replug makes the line anew, as Plug does, for a component that disconnects
// itself. It fails if the line has been unplugged by somebody else.
func (l *Line) Replug(e *End) (*End, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.far != e.far {
		return nil, ErrUnplugged
	}
	return l.replug()
}

// Away takes the port away for a while, for a component that disconnects itself, and
// fails as Replug does.
func (l *Line) Away(e *End, while time.Duration) (*End, error) {
	l.mu.Lock()
	mine := l.far == e.far
	if mine {
		l.unplug()
	}
	l.mu.Unlock()
	if !mine {
		return nil, ErrUnplugged
	}
	time.Sleep(while)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended || l.far != nil {
		return nil, ErrUnplugged
	}
	return l.replug()
}

func (l *Line) replug() (*End, error) {
	l.unplug()
	far, err := Plug(l.Port)
	if err != nil {
		return nil, err
	}
	l.far = far
	return &End{line: l, far: far}, nil
}

// Unplug hangs up.
func (l *Line) Unplug() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unplug()
}

func (l *Line) unplug() {
	if l.far != nil {
		_ = l.far.Close()
		l.far = nil
	}
}

// CutAt cuts the line at the n-th thing from now on that the emulator is about
// to hear; 0 lets it hear everything.
func (l *Line) CutAt(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left = n
}

// WasCut reports whether the line was cut since the last Plug.
func (l *Line) WasCut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cut
}

// End is the far end of a line until it is plugged anew.
type End struct {
	line *Line
	far  *Far
	held []byte
	room [512]byte
}

// Hears is called by an emulator before what it has heard changes anything. It
// reports whether it still hears at all.
func (e *End) Hears() bool {
	l := e.line
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.far != e.far {
		return false
	}
	if l.left > 0 {
		if l.left--; l.left == 0 {
			l.cut = true
			l.unplug()
			return false
		}
	}
	return true
}

// Next gives the next byte; os.ErrDeadlineExceeded says that none came in time.
func (e *End) Next(within time.Duration) (byte, error) {
	for end := time.Now().Add(within); len(e.held) == 0; {
		if err := e.far.SetReadDeadline(end); err != nil {
			return 0, ErrUnplugged
		}
		n, err := e.far.Read(e.room[:])
		e.held = e.filter(true, e.room[:n])
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			return 0, err
		case errors.Is(err, fs.ErrClosed) || errors.Is(err, syscall.EIO):
			return 0, ErrUnplugged
		default:
			return 0, err
		}
	}
	b := e.held[0]
	e.held = e.held[1:]
	return b, nil
}

// Say sends bytes.
func (e *End) Say(b ...byte) {
	// A line that is cut says no more, as its reader will find.
	_, _ = e.far.Write(e.filter(false, b))
}

func (e *End) filter(heard bool, b []byte) []byte {
	e.line.mu.Lock()
	defer e.line.mu.Unlock()
	by := e.line.said
	if heard {
		by = e.line.heard
	}
	if by == nil {
		return append([]byte(nil), b...)
	}
	return by(append([]byte(nil), b...))
}

// Quiet forgets what comes until nothing has come for a while.
func (e *End) Quiet(while time.Duration) {
	for {
		if _, err := e.Next(while); err != nil {
			return
		}
	}
}

// Noise is a filter that, for one byte in so many, loses it, changes it, or adds
// one before it. The same seed makes the same noise.
func Noise(seed uint64, oneIn int) func([]byte) []byte {
	random := rand.New(rand.NewPCG(seed, seed))
	return func(b []byte) []byte {
		var out []byte
		for _, c := range b {
			if random.IntN(oneIn) > 0 {
				out = append(out, c)
				continue
			}
			switch random.IntN(3) {
			case 0: // lost
			case 1:
				out = append(out, c^1<<random.IntN(8))
			case 2:
				out = append(out, byte(random.IntN(256)), c)
			}
		}
		return out
	}
}
