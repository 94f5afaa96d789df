package serialtest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"otafleet/firmware/port/porttest"
)

// pull reads an image that was offered, as a host reads from a module with a
// cloud client: +QIOTEVT events, AT+QIOTUPDATE, AT+QIOTOTARD, AT+QIOTMCUVER.
func (m *MCU) pull(end *porttest.End, offer string) error {
	c := client{mcu: m, end: end, component: between(offer, `10700,"`, `"`)}
	image, err := c.fetch()
	for range 5 {
		if err == nil || errors.Is(err, porttest.ErrUnplugged) {
			break
		}
		c.events = nil
		if _, err = c.ask("AT+QIOTOTAREQ"); err == nil {
			if _, err = c.event("10700"); err == nil {
				image, err = c.fetch()
			}
		}
	}
	if errors.Is(err, porttest.ErrUnplugged) {
		return err
	}
	if err != nil {
		return nil // it waits to be offered the image anew
	}
	if !m.Forgets {
		m.setLive(image)
	}
	_, err = c.ask(fmt.Sprintf(`AT+QIOTMCUVER="%s","%s"`, c.component, version(m.Live())))
	if errors.Is(err, porttest.ErrUnplugged) {
		return err
	}
	return nil
}

// client is the MCU while it reads an image.
type client struct {
	mcu       *MCU
	end       *porttest.End
	component string
	events    []string // heard and not looked at
}

var errRefused = errors.New("ERROR")

func (c *client) fetch() ([]byte, error) {
	if _, err := c.ask("AT+QIOTUPDATE=1"); err != nil {
		return nil, err
	}
	digests, err := c.event("10701")
	if err != nil {
		return nil, err
	}
	var image []byte
	for block := 1; ; block++ {
		piece, err := c.event("10703")
		if err != nil {
			return nil, err
		}
		var size, start, length int
		if _, err := fmt.Sscanf(after(piece, `",`), "%d,%d,%d", &size, &start, &length); err != nil {
			return nil, err
		}
		if c.mcu.ResetAt > 0 && block == c.mcu.ResetAt {
			c.mcu.ResetAt = 0
			_, err := c.ask(fmt.Sprintf(`AT+QIOTMCUVER="%s","%s"`, c.component, version(c.mcu.Live())))
			return nil, errors.Join(errGivenUp, err)
		}
		if image, err = c.piece(image, start+length); err != nil {
			return nil, err
		}
		if len(image) >= size {
			break
		}
		if _, err := c.ask("AT+QIOTUPDATE=2"); err != nil {
			return nil, err
		}
	}
	if !strings.Contains(digests, fmt.Sprintf("%X", sha256.Sum256(image))) {
		return nil, errGivenUp
	}
	if c.mcu.OneBank {
		c.mcu.setLive(nil)
	}
	_, err = c.ask("AT+QIOTUPDATE=3")
	return image, err
}

// piece reads up to an offset.
func (c *client) piece(image []byte, to int) ([]byte, error) {
	for len(image) < to {
		data, err := c.ask(fmt.Sprintf("AT+QIOTOTARD=%d,%d", len(image), c.mcu.Pull))
		if err != nil {
			return nil, err
		}
		if len(data) == 0 {
			return nil, errRefused
		}
		image = append(image, data...)
	}
	return image, nil
}

// ask gives a command until it is answered, and gives the bytes that came with
// the answer.
func (c *client) ask(text string) ([]byte, error) {
	for range 5 {
		c.end.Say([]byte(text + "\r\n")...)
		data, err := c.answer()
		if !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, errRefused) {
			return data, err
		}
	}
	return nil, errGivenUp
}

func (c *client) answer() (data []byte, err error) {
	for {
		text, err := c.line(20 * patience)
		if err != nil {
			return nil, err
		}
		var start, length int
		switch {
		case text == "OK":
			return data, nil
		case text == "ERROR":
			return nil, errRefused
		case strings.HasPrefix(text, "+QIOTEVT: "):
			c.events = append(c.events, text)
		default:
			if n, _ := fmt.Sscanf(text, "+QIOTOTARD: %d,%d", &start, &length); n != 2 {
				continue
			}
			for len(data) < length {
				b, err := c.end.Next(20 * patience)
				if err != nil {
					return nil, err
				}
				data = append(data, b)
			}
		}
	}
}

// event waits for an event.
func (c *client) event(code string) (string, error) {
	for {
		for len(c.events) > 0 {
			e := c.events[0]
			c.events = c.events[1:]
			if strings.HasPrefix(e, "+QIOTEVT: 7,"+code) {
				return e, nil
			}
		}
		text, err := c.line(50 * patience)
		if err != nil {
			return "", err
		}
		if strings.HasPrefix(text, "+QIOTEVT: ") {
			c.events = append(c.events, text)
		}
	}
}

// line reads a line that is not empty, its end included: LF, so that bytes may
// follow.
func (c *client) line(within time.Duration) (string, error) {
	var text []byte
	for {
		b, err := c.end.Next(within)
		if err != nil {
			return "", err
		}
		if b != '\n' {
			text = append(text, b)
			continue
		}
		if trimmed := strings.TrimRight(string(text), "\r"); trimmed != "" {
			if !c.end.Hears() {
				return "", porttest.ErrUnplugged
			}
			return trimmed, nil
		}
		text = text[:0]
	}
}

func between(text, before, behind string) string {
	inner, _, _ := strings.Cut(after(text, before), behind)
	return inner
}

func after(text, before string) string {
	_, rest, _ := strings.Cut(text, before)
	return rest
}
