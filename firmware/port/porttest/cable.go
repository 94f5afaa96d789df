package porttest

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"sync"
	"syscall"
	"time"

	"otafleet/firmware/port"
)

// Cable is a serial line with a far end for one emulator at a time. It can be cut,
// and be bad.
type Cable struct {
	// Port is the path of the pseudo-terminal that is its near end. Empty for a
	// cable in memory, whose near end is what Dial opens: it keeps the time of a
	// bubble of package testing/synctest, so that no test waits.
	Port string

	served sync.WaitGroup

	mu    sync.Mutex
	far   far
	ended bool // by Close
	left  int  // things to hear until the cut; 0 for none
	cut   bool // since the last Plug
	heard func(b []byte) []byte
	said  func(b []byte) []byte
}

// Distort makes heard of what the emulator is to hear, and said of what it says.
// nil changes nothing.
func (c *Cable) Distort(heard, said func(b []byte) []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard, c.said = heard, said
}

// ErrUnplugged says that the line is cut or unplugged.
var ErrUnplugged = errors.New("unplugged")

// Plug makes the line anew, without a cut ahead, and gives its far end.
func (c *Cable) Plug() (*End, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left, c.cut, c.ended = 0, false, false
	return c.replug()
}

// Serve plugs the line and lets an emulator serve its far end; the one before has
// ended then.
func (c *Cable) Serve(emulate func(*End)) error {
	c.Close()
	end, err := c.Plug()
	if err != nil {
		return err
	}
	c.served.Go(func() { emulate(end) })
	return nil
}

// Close hangs up and waits until the emulator has ended.
func (c *Cable) Close() {
	c.mu.Lock()
	c.ended = true
	c.unplug()
	c.mu.Unlock()
	c.served.Wait()
}

// Replug makes the line anew, as Plug does, for a component that disconnects
// itself. It fails if the line has been unplugged already.
func (c *Cable) Replug(e *End) (*End, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.far != e.far {
		return nil, ErrUnplugged
	}
	return c.replug()
}

// Away takes the port away for a while, for a component that disconnects itself, and
// fails as Replug does.
func (c *Cable) Away(e *End, while time.Duration) (*End, error) {
	c.mu.Lock()
	mine := c.far == e.far
	if mine {
		c.unplug()
	}
	c.mu.Unlock()
	if !mine {
		return nil, ErrUnplugged
	}
	time.Sleep(while)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || c.far != nil {
		return nil, ErrUnplugged
	}
	return c.replug()
}

func (c *Cable) replug() (*End, error) {
	c.unplug()
	var err error
	if c.Port == "" {
		c.far = newWire()
	} else if c.far, err = Plug(c.Port); err != nil {
		c.far = nil
		return nil, err
	}
	return &End{cable: c, far: c.far}, nil
}

// Dial opens the near end of a cable in memory.
func (c *Cable) Dial() (port.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w, is := c.far.(*wire)
	if !is {
		return nil, &fs.PathError{Op: "open", Path: "the cable", Err: syscall.ENOENT}
	}
	return w.open()
}

// Unplug hangs up.
func (c *Cable) Unplug() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unplug()
}

func (c *Cable) unplug() {
	if c.far != nil {
		_ = c.far.Close()
		c.far = nil
	}
}

// CutAt cuts the line at the n-th thing from now on that the emulator is about
// to hear; 0 lets it hear everything.
func (c *Cable) CutAt(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = n
}

// WasCut reports whether the line was cut since the last Plug.
func (c *Cable) WasCut() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cut
}

// far is the far end of a cable: a pseudo-terminal's, or a wire's.
type far interface {
	io.ReadWriteCloser
	SetReadDeadline(end time.Time) error
}

// End is the far end of a line until it is plugged anew.
type End struct {
	cable *Cable
	far   far
	held  []byte
	room  [512]byte
}

// Hears is called by an emulator before what it has heard changes anything. It
// reports whether it still hears at all.
func (e *End) Hears() bool {
	c := e.cable
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.far != e.far {
		return false
	}
	if c.left > 0 {
		if c.left--; c.left == 0 {
			c.cut = true
			c.unplug()
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
	e.cable.mu.Lock()
	defer e.cable.mu.Unlock()
	by := e.cable.said
	if heard {
		by = e.cable.heard
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
