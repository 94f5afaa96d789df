package serial

import (
	"context"
	"fmt"
	"io"
	"strings"

	"otafleet/firmware/line"
	"otafleet/firmware/transfer"
)

// driver speaks to an MCU that takes a whole image.
type driver struct{ cfg Config }

// Version asks the configured question.
func (d *driver) Version(ctx context.Context) (string, error) {
	l, err := line.Open(ctx, d.cfg.Line)
	if err != nil {
		return "", line.Failure(err)
	}
	defer l.Close()
	found, err := l.Exchange(d.cfg.Version)
	if err != nil {
		return "", line.Failure(fmt.Errorf("the version is not said: %w", err))
	}
	if d.cfg.Protocol == Pull && strings.HasPrefix(found[0], "AT") {
		// The MCU announced its version by a command, and waits for its answer.
		return found[1], line.Failure(l.Write([]byte("\r\nOK\r\n")))
	}
	return found[1], nil
}

// Send sends an image by the protocol.
func (d *driver) Send(ctx context.Context, image transfer.Image, begin func() error) error {
	l, err := line.Open(ctx, d.cfg.Line)
	if err != nil {
		return line.Failure(err)
	}
	defer l.Close()
	return line.Failure(d.send(l, image, begin))
}

func (d *driver) send(l *line.Line, image transfer.Image, begin func() error) error {
	if err := exchanges(l, d.cfg.Enter, "enter"); err != nil {
		return err
	}
	if err := d.image(l, image, begin); err != nil {
		return err
	}
	return exchanges(l, d.cfg.Start, "start")
}

func (d *driver) image(l *line.Line, image transfer.Image, begin func() error) error {
	m := &modem{line: l, timeout: d.cfg.Timeout, attempts: d.cfg.Attempts}
	content := io.NewSectionReader(image, 0, image.Size)
	switch d.cfg.Protocol {
	case XModem:
		return m.xmodem(content, begin)
	case YModem:
		return m.ymodem(image.Name, image.Size, content, begin)
	}
	return (&puller{cfg: &d.cfg, line: l, image: image, begin: begin}).serve()
}

// exchanges makes one after the other.
func exchanges(l *line.Line, all []line.Exchange, what string) error {
	for i, e := range all {
		if _, err := l.Exchange(e); err != nil {
			return fmt.Errorf("exchange %d of %s: %w", i+1, what, err)
		}
	}
	return nil
}
