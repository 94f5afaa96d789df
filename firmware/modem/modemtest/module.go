// Package modemtest emulates a cellular module on a serial line, written
// from Quectel's manuals: AT+QGMR, AT+QFDEL, AT+QFUPL with its data phase,
// AT+QFOTADL, and the +QIND: "FOTA" result codes through the module's restart.
//
// One flow through it: New makes a module that runs a firmware, whose first line
// is its version; Plug connects it; the installer speaks to it; Live gives what
// it runs. It can fall silent, refuse the package, lose bytes of an upload, and
// take its port away while it starts.
//
// It checks no signature: what it is given, it runs.
package modemtest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"otafleet/firmware/port/porttest"
)

// Module is an emulated module.
type Module struct {
	*porttest.Cable

	Deaf     bool   // answers nothing
	Code     int    // with which the next upgrade ends; 0 for success
	Loses    int    // loses that byte of the next upload, counted from 1
	Stalls   bool   // says nothing more after the upgrade has begun
	Stays    bool   // ends well and runs what it ran
	Vanishes bool   // takes its port away for its restart
	NoEnd    bool   // restarts before it has said the last code
	Flaps    bool   // takes its port away and brings it back without end
	Repeats  bool   // says the same percent without end
	Unasked  string // is said between a version and its OK

	mu      sync.Mutex
	live    []byte
	file    []byte
	busy    *porttest.End // where an upgrade stalls
	asked   int
	deletes int
	uploads int
}

// New makes a module that runs a firmware, with its port at a path; none is in
// memory.
func New(port string, live []byte) *Module {
	return &Module{Cable: &porttest.Cable{Port: port}, live: live}
}

// Plug connects the module, which has started anew.
func (m *Module) Plug() error { return m.Serve(m.serve) }

// Live gives what the module runs.
func (m *Module) Live() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.live
}

// Uploads is how many files it was given.
func (m *Module) Uploads() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.uploads
}

// Asked is how often it was asked for its version.
func (m *Module) Asked() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked
}

// Deletes is how often its package was deleted while it was busy with it.
func (m *Module) Deletes() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.deletes
}

// Finish ends an upgrade that stalls.
func (m *Module) Finish() {
	m.mu.Lock()
	end := m.busy
	m.live, m.file, m.busy = m.file, nil, nil
	m.mu.Unlock()
	say(end, "", `+QIND: "FOTA","START"`, `+QIND: "FOTA","UPDATING",100`, `+QIND: "FOTA","END",0`)
}

func (m *Module) version() string {
	line, _, _ := bytes.Cut(m.Live(), []byte("\n"))
	return string(line)
}

func (m *Module) serve(end *porttest.End) {
	for end != nil {
		text, err := command(end)
		if err != nil || !end.Hears() {
			return
		}
		if m.Deaf {
			continue
		}
		var size int
		switch {
		case text == "ATE0":
			say(end, "OK")
		case text == "AT+QGMR":
			m.mu.Lock()
			m.asked++
			m.mu.Unlock()
			if m.Unasked != "" {
				say(end, m.version(), "", m.Unasked, "", "OK")
			} else {
				say(end, m.version(), "", "OK")
			}
		case strings.HasPrefix(text, "AT+QFDEL="):
			m.delete(end)
		case strings.HasPrefix(text, "AT+QFUPL="):
			if n, _ := fmt.Sscanf(text[strings.IndexByte(text, ','):], ",%d,60", &size); n != 1 {
				say(end, "ERROR")
			} else if m.upload(end, size) != nil {
				return
			}
		case strings.HasPrefix(text, "AT+QFOTADL="):
			end = m.upgrade(end)
		default:
			say(end, "ERROR")
		}
	}
}

func (m *Module) delete(end *porttest.End) {
	m.mu.Lock()
	had := m.file != nil
	m.file = nil
	if m.busy != nil {
		m.deletes++
	}
	m.mu.Unlock()
	if had {
		say(end, "OK")
	} else {
		say(end, "+CME ERROR: 417")
	}
}

// upload takes a file of size bytes.
func (m *Module) upload(end *porttest.End, size int) error {
	say(end, "CONNECT")
	var file []byte
	for len(file) < size {
		b, err := end.Next(300 * time.Millisecond)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break // nothing more is coming
		}
		if err != nil {
			return err
		}
		if m.Loses > 0 && len(file) == m.Loses {
			m.Loses = 0
			continue
		}
		file = append(file, b)
	}
	if !end.Hears() {
		return porttest.ErrUnplugged
	}
	var high, low byte
	for i, b := range file {
		if i%2 == 0 {
			high ^= b
		} else {
			low ^= b
		}
	}
	m.mu.Lock()
	m.file = file
	m.uploads++
	m.mu.Unlock()
	say(end, fmt.Sprintf("+QFUPL: %d,%02x%02x", len(file), high, low), "", "OK")
	return nil
}

// upgrade upgrades the module and gives the end of the line on which it goes on.
func (m *Module) upgrade(end *porttest.End) *porttest.End {
	m.mu.Lock()
	file := m.file
	m.mu.Unlock()
	if file == nil {
		say(end, "ERROR")
		return end
	}
	say(end, "OK")
	if m.Stalls {
		m.mu.Lock()
		m.busy = end
		m.mu.Unlock()
		return end
	}
	say(end, "", `+QIND: "FOTA","START"`, `+QIND: "FOTA","UPDATING",10`)
	for m.Repeats && end.Hears() {
		say(end, `+QIND: "FOTA","UPDATING",10`)
		time.Sleep(while)
	}
	for m.Flaps {
		again, err := m.Replug(end)
		if err != nil {
			return nil
		}
		end = again
		time.Sleep(while)
	}
	if m.Code != 0 {
		say(end, fmt.Sprintf(`+QIND: "FOTA","END",%d`, m.Code))
		m.Code = 0
		return end
	}
	if !m.Stays {
		m.mu.Lock()
		m.live, m.file = file, nil
		m.mu.Unlock()
	}
	if m.Vanishes || m.NoEnd {
		again, err := m.Replug(end)
		if err != nil {
			return nil
		}
		end = again
	}
	if !m.NoEnd {
		say(end, `+QIND: "FOTA","UPDATING",100`, `+QIND: "FOTA","END",0`)
	}
	return end
}

// while is between two of what a module repeats without end.
const while = 3 * time.Millisecond

func say(end *porttest.End, lines ...string) {
	end.Say([]byte("\r\n" + strings.Join(lines, "\r\n") + "\r\n")...)
}

func command(end *porttest.End) (string, error) {
	var text []byte
	for {
		b, err := end.Next(time.Hour)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
		case err != nil:
			return "", err
		case b == '\r':
			return strings.TrimSpace(string(text)), nil
		default:
			text = append(text, b)
		}
	}
}
