package modem

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"otafleet/firmware"
	"otafleet/firmware/port"
	"otafleet/firmware/transfer"
	"otafleet/internal/ota"
)

// dataRoom is how much of a package is written at a time, in bytes.
const dataRoom = 4 << 10

// driver speaks to a module.
type driver struct{ cfg Config }

// Version asks the module what it runs.
func (d *driver) Version(ctx context.Context) (string, error) {
	l, err := port.Open(ctx, d.cfg.Port)
	if err != nil {
		return "", port.Failure(err)
	}
	defer l.Close()
	version, err := d.ask(l)
	return version, port.Failure(err)
}

// ask asks until two answers in a row are the same: an unasked code
// may come between a question and its answer.
func (d *driver) ask(l *port.Port) (string, error) {
	const most = 6 // questions
	before := ""
	for range most {
		found, err := l.Exchange(d.cfg.Profile.Version)
		if err != nil {
			return "", fmt.Errorf("the version is not said: %w", err)
		}
		version := found[1]
		if unsolicited(version) {
			version = ""
		}
		if version != "" && version == before {
			return version, nil
		}
		before = version
	}
	return "", fmt.Errorf("the version is not said: %w that stays the same in %d questions", port.ErrSilent, most)
}

// unsolicited reports whether a word is a code that modules say by themselves, and no
// version.
func unsolicited(word string) bool {
	switch strings.ToUpper(word) {
	case "",
		"OK",
		"ERROR",
		"RING",
		"RDY",
		"READY",
		"NO",
		"BUSY",
		"CONNECT",
		"POWERED",
		"NORMAL",
		"SMS",
		"CALL",
		"PB",
		"SIM":
		return true
	}
	return strings.ContainsRune("+^%$*#&!", rune(word[0]))
}

// Send upgrades the module, unless it runs the version already.
func (d *driver) Send(ctx context.Context, image transfer.Image, begin func() error) error {
	l, err := port.Open(ctx, d.cfg.Port)
	if err != nil && !errors.Is(err, port.ErrGone) {
		return err
	}
	s := &session{driver: d, ctx: ctx, port: l, image: image}
	defer s.close()
	return port.Failure(s.upgrade(begin))
}

// session is one upgrade. The line is nil while the port is gone.
type session struct {
	*driver
	ctx   context.Context
	port  *port.Port
	image transfer.Image
}

func (s *session) close() {
	if s.port != nil {
		_ = s.port.Close() // every answer was read
		s.port = nil
	}
}

func (s *session) upgrade(begin func() error) error {
	runs, err := "", port.ErrGone
	if s.port != nil {
		runs, err = s.ask(s.port)
	}
	silent := errors.Is(err, port.ErrSilent) || errors.Is(err, port.ErrGone)
	switch {
	case err == nil && runs == s.image.Version:
		return nil
	case err != nil && !silent:
		return err
	case s.image.Begun:
		if done, err := s.leave(); done || err != nil {
			return err
		}
	case silent:
		// It may be in the middle of an upgrade that was begun before.
		return s.follow()
	}
	if err := s.hand(); err != nil {
		return err
	}
	if err := begin(); err != nil {
		return err
	}
	// A module that restarts at once takes its answer with it.
	if _, err := s.say(s.cfg.Profile.Trigger); err != nil && !errors.Is(err, port.ErrGone) {
		return fmt.Errorf("the upgrade does not begin: %w", err)
	}
	return s.follow()
}

// hand gives the module the package.
func (s *session) hand() error {
	p := &s.cfg.Profile
	for i, e := range p.Prepare {
		if _, err := s.say(e); err != nil {
			return fmt.Errorf("exchange %d of prepare: %w", i+1, err)
		}
	}
	if p.Upload.Send == "" {
		return nil
	}
	if _, err := s.say(p.Upload); err != nil {
		return fmt.Errorf("the upload does not begin: %w", err)
	}
	sum, err := s.data()
	if err != nil {
		return err
	}
	found, err := s.port.Await(p.Uploaded, s.cfg.StallTimeout)
	if err != nil {
		return fmt.Errorf("the upload does not end: %w", err)
	}
	return s.compare(found[1:], sum)
}

// data writes the package and gives its checksum.
func (s *session) data() (uint16, error) {
	var sum uint16
	room := make([]byte, dataRoom)
	for content := io.NewSectionReader(s.image, 0, s.image.Size); ; {
		n, err := io.ReadFull(content, room)
		for i := 0; i < n; i += 2 {
			word := uint16(room[i]) << 8
			if i+1 < n {
				word |= uint16(room[i+1])
			}
			sum ^= word
		}
		if n > 0 {
			if err := s.port.Write(room[:n]); err != nil {
				return 0, err
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return sum, nil
		}
		if err != nil {
			return 0, fmt.Errorf("cannot read the package: %w", err)
		}
	}
}

// compare holds what the module says of the upload against what was sent.
func (s *session) compare(said []string, sum uint16) error {
	if len(said) > 0 && said[0] != strconv.FormatInt(s.image.Size, 10) {
		return firmware.Failf(ota.InstallerFailed, "the module has %s bytes of %d", said[0], s.image.Size)
	}
	if len(said) < 2 {
		return nil
	}
	if got, err := strconv.ParseUint(said[1], 16, 16); err != nil || uint16(got) != sum {
		return firmware.Failf(ota.InstallerFailed, "the module has a file with checksum %s, not %x", said[1], sum)
	}
	return nil
}

// say makes an exchange, with the package's words in it.
func (s *session) say(e port.Exchange) ([]string, error) {
	e.Send = strings.NewReplacer("{name}", s.image.Name, "{version}", s.image.Version,
		"{size}", strconv.FormatInt(s.image.Size, 10)).Replace(e.Send)
	if e.Refusal == nil {
		e.Refusal = regexp.MustCompile(`(?m)^(\+CM[ES] )?ERROR[^\r\n]*\r\n`)
	}
	return s.port.Exchange(e)
}
