package modem

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"otafleet/firmware"
	"otafleet/firmware/line"
	"otafleet/firmware/transfer"
	"otafleet/internal/ota"
)

// dataRoom is how much of a package is written at a time, in bytes.
const dataRoom = 4 << 10

// driver speaks to a module.
type driver struct{ cfg Config }

// Version asks the module what it runs.
func (d *driver) Version(ctx context.Context) (string, error) {
	l, err := line.Open(ctx, d.cfg.Line)
	if err != nil {
		return "", line.Failure(err)
	}
	defer l.Close()
	version, err := d.ask(l)
	return version, line.Failure(err)
}

func (d *driver) ask(l *line.Line) (string, error) {
	found, err := l.Exchange(d.cfg.Profile.Version)
	if err != nil {
		return "", fmt.Errorf("the version is not said: %w", err)
	}
	return found[1], nil
}

// Send upgrades the module, unless it runs the version already.
func (d *driver) Send(ctx context.Context, image transfer.Image, begin func() error) error {
	l, err := line.Open(ctx, d.cfg.Line)
	if err != nil && !errors.Is(err, line.ErrGone) {
		return err
	}
	s := &session{driver: d, ctx: ctx, line: l, image: image}
	defer s.close()
	return line.Failure(s.upgrade(begin))
}

// session is one upgrade. The line is nil while the port is gone.
type session struct {
	*driver
	ctx   context.Context
	line  *line.Line
	image transfer.Image
}

func (s *session) close() {
	if s.line != nil {
		_ = s.line.Close() // every answer was read
		s.line = nil
	}
}

func (s *session) upgrade(begin func() error) error {
	runs, err := "", line.ErrGone
	if s.line != nil {
		runs, err = s.ask(s.line)
	}
	switch {
	case err == nil && runs == s.image.Version:
		return nil
	case errors.Is(err, line.ErrSilent) || errors.Is(err, line.ErrGone):
		// It may be in the middle of an upgrade that was begun before.
		return s.follow()
	case err != nil:
		return err
	}
	if err := s.hand(); err != nil {
		return err
	}
	if err := begin(); err != nil {
		return err
	}
	// A module that restarts at once takes its answer with it.
	if _, err := s.say(s.cfg.Profile.Trigger); err != nil && !errors.Is(err, line.ErrGone) {
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
	found, err := s.line.Await(p.Uploaded, s.cfg.StallTimeout)
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
			if err := s.line.Write(room[:n]); err != nil {
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
func (s *session) say(e line.Exchange) ([]string, error) {
	e.Send = strings.NewReplacer("{name}", s.image.Name, "{version}", s.image.Version,
		"{size}", strconv.FormatInt(s.image.Size, 10)).Replace(e.Send)
	if e.Refusal == nil {
		e.Refusal = regexp.MustCompile(`(?m)^(\+CM[ES] )?ERROR[^\r\n]*\r\n`)
	}
	return s.line.Exchange(e)
}

// follow follows the result codes until the last one, or until the module runs
// the target. Each code, and a port that goes or comes, gives it new time.
func (s *session) follow() error {
	quiet := time.Now()
	for {
		if s.line == nil {
			if err := s.reopen(&quiet); err != nil {
				return err
			}
		}
		ended, err := s.code(quiet.Add(s.cfg.StallTimeout))
		switch {
		case ended:
			return s.awaitTarget()
		case err == nil:
			quiet = time.Now()
		case errors.Is(err, line.ErrGone):
			s.close()
			quiet = time.Now()
		case errors.Is(err, line.ErrSilent):
			// Its last code may have come while nobody listened.
			if runs, asked := s.ask(s.line); asked == nil && runs == s.image.Version {
				return nil
			}
			return fmt.Errorf("the module says nothing of its upgrade: %w", err)
		default:
			return err
		}
	}
}

// reopen waits for the port, for as long as a module may take to start.
func (s *session) reopen(quiet *time.Time) error {
	for {
		l, err := line.Open(s.ctx, s.cfg.Line)
		if err == nil {
			s.line, *quiet = l, time.Now()
			return nil
		}
		if !errors.Is(err, line.ErrGone) || time.Since(*quiet) > s.cfg.StartLimit {
			return err
		}
		if err := firmware.Pause(s.ctx, s.cfg.Pause); err != nil {
			return err
		}
	}
}

// code waits for the next result code, and says whether it was the last one.
func (s *session) code(until time.Time) (ended bool, err error) {
	text, kind, why := "", codeOther, ""
	for kind == codeOther {
		if text, err = s.nextLine(until); err != nil {
			return false, err
		}
		kind, why = s.cfg.Profile.read(text)
	}
	switch kind {
	case codeEnd:
		if n, err := strconv.Atoi(why); err != nil || n != 0 {
			return false, firmware.Failf(ota.InstallerFailed, "the module ends its upgrade with code %s", why)
		}
		return true, nil
	case codeFailed:
		return false, firmware.Failf(ota.InstallerFailed, "the module gives up its upgrade: %s", strings.TrimSpace(text))
	case codeProgress:
		s.cfg.Logger.Debug("module is being upgraded", "code", strings.TrimSpace(text), "percent", why)
	}
	return false, nil
}

// maxLine bounds a line of the module, in bytes.
const maxLine = 512

// nextLine reads a line with its end.
func (s *session) nextLine(until time.Time) (string, error) {
	var text []byte
	for {
		b, err := s.line.Next(max(time.Until(until), 0))
		if err != nil {
			return "", err
		}
		text = append(text, b)
		text = text[max(0, len(text)-maxLine):]
		if b == '\n' {
			return string(text), nil
		}
	}
}

// codeKind is what a line of the module says of its upgrade.
type codeKind int

const (
	codeOther codeKind = iota
	codeProgress
	codeEnd
	codeFailed
)

// read reads a line; its value is that of the pattern's first group.
func (p *Profile) read(text string) (kind codeKind, value string) {
	for _, c := range []struct {
		kind    codeKind
		pattern *regexp.Regexp
	}{{codeFailed, p.Failed}, {codeEnd, p.End}, {codeProgress, p.Progress}} {
		if c.pattern == nil {
			continue
		}
		if found := c.pattern.FindStringSubmatch(text); found != nil {
			return c.kind, strings.Join(found[1:min(2, len(found))], "")
		}
	}
	return codeOther, ""
}

// awaitTarget waits until the module runs the target: after its last code it may
// start once more. One that goes on with another version has answered too, and
// that is for the caller to judge.
func (s *session) awaitTarget() error {
	s.close()
	for end := time.Now().Add(s.cfg.StartLimit); ; {
		runs, err := s.Version(s.ctx)
		if err == nil && runs == s.image.Version || s.ctx.Err() != nil || time.Now().After(end) {
			return err
		}
		if err := firmware.Pause(s.ctx, s.cfg.Pause); err != nil {
			return err
		}
	}
}
