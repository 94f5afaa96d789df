package serial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"otafleet/firmware/port"
	"otafleet/firmware/transfer"
)

// driver speaks to an MCU that takes a whole image.
type driver struct{ cfg Config }

// Version asks the configured question.
func (d *driver) Version(ctx context.Context) (string, error) {
	l, err := port.Open(ctx, d.cfg.Port)
	if err != nil {
		return "", port.Failure(err)
	}
	defer l.Close()
	found, err := l.Exchange(d.cfg.Version)
	if err != nil {
		return "", port.Failure(fmt.Errorf("the version is not said: %w", err))
	}
	if d.cfg.Protocol == Pull && strings.HasPrefix(found[0], "AT") {
		// The MCU announced its version by a command, and waits for its answer.
		return found[1], port.Failure(l.Write([]byte("\r\nOK\r\n")))
	}
	return found[1], nil
}

// Send sends an image by the protocol.
func (d *driver) Send(ctx context.Context, image transfer.Image, begin func() error) error {
	begun := false
	began := func() error {
		begun = true
		return begin()
	}
	l, err := d.enter(ctx)
	if l == nil {
		return port.Failure(err)
	}
	defer l.Close()
	if err == nil {
		err = d.image(l, image, began)
	}
	if err != nil {
		if !begun {
			d.leave(l)
		}
		return port.Failure(err)
	}
	// An MCU that starts may take its port with it.
	if err := exchanges(l, d.cfg.Start, "start"); err != nil && !errors.Is(err, port.ErrGone) {
		return port.Failure(err)
	}
	return nil
}

// enter opens the port and brings the MCU into its bootloader. One that takes its
// port away for that is waited for, and told again. The line is nil where there is no
// port.
func (d *driver) enter(ctx context.Context) (*port.Port, error) {
	limit := d.cfg.StartLimit
	if d.cfg.Protocol == Pull {
		limit = min(limit, d.cfg.Timeout) // the other one is for writing a whole image
	}
	for end, first := time.Now().Add(limit), true; ; first = false {
		l, err := port.OpenWithin(ctx, d.cfg.Port, time.Until(end), d.cfg.Pause)
		if err != nil {
			return nil, err
		}
		if first {
			end = time.Now().Add(limit) // the port may be away for so long again
		}
		err = exchanges(l, d.cfg.Enter, "enter")
		if !errors.Is(err, port.ErrGone) || !time.Now().Before(end) {
			return l, err
		}
		_ = l.Close() // there is nothing behind it
	}
}

// leave starts an MCU that was brought into its bootloader and was given nothing: it
// runs what it ran. After a part of an image only the whole of one helps.
func (d *driver) leave(l *port.Port) {
	if err := exchanges(l, d.cfg.Start, "start"); err != nil {
		d.cfg.Logger.Warn("the MCU may be in its bootloader still", "component", d.cfg.Component, "error", err)
	}
}

func (d *driver) image(l *port.Port, image transfer.Image, begin func() error) error {
	m := &modem{port: l, timeout: d.cfg.Timeout, attempts: d.cfg.Attempts}
	content := io.NewSectionReader(image, 0, image.Size)
	switch d.cfg.Protocol {
	case XModem:
		return m.xmodem(content, begin)
	case YModem:
		return m.ymodem(image.Name, image.Size, content, begin)
	}
	return (&puller{cfg: &d.cfg, port: l, image: image, begin: begin}).serve()
}

// exchanges makes one after the other.
func exchanges(l *port.Port, all []port.Exchange, what string) error {
	for i, e := range all {
		if _, err := l.Exchange(e); err != nil {
			return fmt.Errorf("exchange %d of %s: %w", i+1, what, err)
		}
	}
	return nil
}
