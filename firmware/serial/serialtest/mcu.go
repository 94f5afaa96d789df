// Package serialtest emulates MCUs behind a serial line, written from the
// protocols' own descriptions and not from the code of package serial: a
// bootloader that receives XMODEM or YMODEM, an MCU that reads blocks, and an
// MCUmgr server over MCUboot's two slots.
//
// One flow through it: New makes an MCU that runs an image; Plug connects it to
// the port of an installer's configuration, a pseudo-terminal or, without a path, a
// cable in memory, which Dial opens; the installer speaks to it; Live gives what it
// runs. A line may be cut at anything that the
// MCU is about to hear, or lose and garble bytes, and an MCU may fall silent.
//
// An image's first line is its version. The emulators keep no time but for the
// patience of a receiver, which is short.
package serialtest

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"sync"
	"time"

	"otafleet/firmware/port/porttest"
)

// patience is how long a receiver waits before it asks again.
const patience = 30 * time.Millisecond

// MCU is an emulated MCU whose bootloader receives XMODEM or YMODEM, or which
// reads blocks. Its console answers "version" with what it runs, and "update" by
// entering the bootloader.
type MCU struct {
	*porttest.Cable

	// Batch makes the bootloader receive YMODEM.
	Batch bool
	// Pull makes the MCU read blocks of this many bytes instead.
	Pull int
	// OldBlocks makes it refuse blocks of 1024 bytes, Checksum CRCs.
	OldBlocks, Checksum bool
	// OneBank makes it write what it receives over what it runs. Otherwise it
	// runs the new image when it has the whole of it.
	OneBank bool
	// Dies makes it be dead, not just start anew, at ResetAt, until Revive.
	Dies bool
	// ResetAt makes it start anew at that block of the next transfer, once.
	ResetAt int
	// Away makes it take its port away for so long when it enters its bootloader.
	Away time.Duration
	// Silent makes its bootloader ask for nothing.
	Silent bool
	// Forgets makes it go on with the old image after it has taken a new one.
	Forgets bool

	mu   sync.Mutex
	dead bool
	boot bool   // it is in its bootloader, and waits to be told to go on
	live []byte // nil while it holds no whole image
	name string // that the last batch gave
}

// New makes an MCU that runs an image, with its port at a path; none is in memory.
func New(port string, image []byte) *MCU {
	return &MCU{Cable: &porttest.Cable{Port: port}, live: image}
}

// Plug switches the MCU on and connects it.
func (m *MCU) Plug() error { return m.Serve(m.serve) }

// Live gives what the MCU runs; nil if nothing.
func (m *MCU) Live() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.live
}

// Name gives the file name that the last batch announced.
func (m *MCU) Name() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.name
}

// Kill makes the MCU answer nothing, until Revive.
func (m *MCU) Kill() { m.setDead(true) }

// Revive ends what Kill or Dies began.
func (m *MCU) Revive() { m.setDead(false) }

func (m *MCU) setDead(dead bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead = dead
}

// Dead reports whether the MCU answers nothing.
func (m *MCU) Dead() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dead
}

func (m *MCU) setLive(image []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.live = image
}

// version is what the console says.
func version(image []byte) string {
	line, _, _ := bytes.Cut(image, []byte("\n"))
	return string(line)
}

// serve is the MCU from its start on.
func (m *MCU) serve(end *porttest.End) {
	if m.Live() != nil {
		end.Say([]byte("boot ok\r\n> ")...)
	}
	for {
		text, err := command(end)
		if err != nil || !end.Hears() {
			return
		}
		if end, err = m.obey(end, text); err != nil {
			return
		}
	}
}

// obey does what a line of the console says, and gives the line's end as it is
// afterwards. It fails when the line is gone.
func (m *MCU) obey(end *porttest.End, text string) (*porttest.End, error) {
	switch {
	case m.Dead():
	case text == "boot":
		m.boot = false
		end.Say([]byte("boot ok\r\n> ")...)
	case text == "version" && m.Live() != nil && !m.boot:
		end.Say([]byte("version\r\nversion " + version(m.Live()) + "\r\n> ")...)
	case text == "update":
		return m.update(end)
	case m.Pull > 0 && strings.HasPrefix(text, "+QIOTEVT: 7,10700,"):
		return end, m.pull(end, text)
	}
	return end, nil
}

// update enters the bootloader.
func (m *MCU) update(end *porttest.End) (*porttest.End, error) {
	if m.Away > 0 && !m.boot {
		m.boot = true
		return m.Cable.Away(end, m.Away)
	}
	m.boot = m.Silent
	end.Say([]byte("update\r\nready\r\n")...)
	if m.Silent {
		return end, nil
	}
	return end, m.load(end)
}

// load is the bootloader. It fails when the line is gone.
func (m *MCU) load(end *porttest.End) error {
	r := receiver{mcu: m, end: end}
	image, err := r.receive()
	switch {
	case errors.Is(err, porttest.ErrUnplugged):
		return err
	case m.Dead():
		return nil
	case err != nil:
		end.Say([]byte("transfer failed\r\n")...)
	case !m.Forgets:
		m.setLive(image)
	}
	end.Say([]byte("boot ok\r\n> ")...)
	return nil
}

// command reads a line, ended by CR or LF; empty ones are skipped.
func command(end *porttest.End) (string, error) {
	var text []byte
	for {
		b, err := end.Next(time.Hour)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		if err != nil {
			return "", err
		}
		if b == 0x18 {
			continue // the sender of a file has given up
		}
		if b != '\r' && b != '\n' {
			text = append(text, b)
		} else if len(text) > 0 {
			return string(text), nil
		}
	}
}
