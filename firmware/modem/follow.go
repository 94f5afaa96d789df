package modem

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"otafleet/firmware"
	"otafleet/firmware/port"
	"otafleet/internal/ota"
)

// maxRestarts is how often a module's port may go without a step forward between. A
// good upgrade takes it away a few times.
const maxRestarts = 10

// watch is what is known of an upgrade that is followed, and how much longer it may
// take. Only a step forward gives it new time: a module with a package that it cannot
// start says the same, and comes and goes, for ever.
type watch struct {
	cfg      *Config
	end      time.Time      // of the whole upgrade
	silence  time.Duration  // that is left to a module that has its port
	absence  time.Duration  // that is left to one that has not
	percent  map[string]int // the highest of each code that was heard
	last     string         // step forward
	restarts int            // since then
}

func (c *Config) watch() *watch {
	w := &watch{cfg: c, end: time.Now().Add(c.UpgradeLimit), percent: make(map[string]int)}
	w.refill()
	return w
}

func (w *watch) refill() { w.silence, w.absence, w.restarts = w.cfg.StallTimeout, w.cfg.StartLimit, 0 }

// heard takes a code. A new one is a step forward, and a higher percent.
func (w *watch) heard(text string) {
	const most = 32 // codes; a family has fewer
	text = strings.TrimSpace(text)
	name := regexp.MustCompile(`\d+`).ReplaceAllString(text, "")
	percent := -1
	if at := lastNumber(text); at != "" {
		percent, _ = strconv.Atoi(at) // one too large for an int is none
	}
	if highest, known := w.percent[name]; known && percent <= highest || !known && len(w.percent) == most {
		return
	}
	w.percent[name], w.last = percent, text
	w.refill()
}

// lastNumber is the last number in a text; empty for none.
func lastNumber(text string) string {
	all := regexp.MustCompile(`\d+`).FindAllString(text, -1)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1]
}

// failed is the end of an upgrade that does not go forward.
func (w *watch) failed(format string, args ...any) error {
	last := w.last
	if last == "" {
		last = "none"
	}
	return firmware.Failf(ota.ComponentSilent, "%s; its last step forward: %s; its port has gone %s since",
		fmt.Sprintf(format, args...), last, ota.Counted(w.restarts, "time"))
}

// over says why the upgrade must not be followed any longer; nil if it may.
func (w *watch) over() error {
	switch {
	case !time.Now().Before(w.end):
		return w.failed("the upgrade is not at its end after %s", w.cfg.UpgradeLimit)
	case w.restarts > maxRestarts:
		return w.failed("the module restarts again and again")
	}
	return nil
}

// spend takes what has passed since a time from what is left.
func spend(left *time.Duration, since time.Time) { *left -= time.Since(since) }

// leave lets a module be that may be busy with an image which it was given before the
// agent was started anew: it is listened to for as long as a start may take, and
// followed if it says something or goes. done reports that it runs the target now.
func (s *session) leave() (done bool, err error) {
	w := s.cfg.watch()
	w.silence = s.cfg.StartLimit
	var failure *ota.Failure
	if err := s.followTo(w); err != nil && !errors.As(err, &failure) && !errors.Is(err, port.ErrSilent) &&
		!errors.Is(err, port.ErrGone) {
		return false, err
	}
	if s.port == nil {
		if s.port, err = port.Open(s.ctx, s.cfg.Port); err != nil {
			return false, err
		}
	}
	runs, err := s.ask(s.port)
	return err == nil && runs == s.image.Version, err
}

// follow follows the result codes until the last one, and waits until the module runs
// the target.
func (s *session) follow() error {
	if err := s.followTo(s.cfg.watch()); err != nil {
		return err
	}
	return s.awaitTarget()
}

// followTo follows the result codes until the last one, or until the module runs the
// target.
func (s *session) followTo(w *watch) error {
	for {
		if err := w.over(); err != nil {
			return err
		}
		if s.port == nil {
			if err := s.reopen(w); err != nil {
				return err
			}
		}
		began := time.Now()
		until := began.Add(max(w.silence, 0))
		if until.After(w.end) {
			until = w.end
		}
		ended, err := s.code(w, until)
		spend(&w.silence, began)
		switch {
		case ended:
			return nil
		case err == nil:
		case errors.Is(err, port.ErrGone):
			s.close()
			w.restarts++
		case errors.Is(err, port.ErrSilent):
			// Its last code may have come while the port was closed.
			if runs, asked := s.ask(s.port); asked == nil && runs == s.image.Version {
				return nil
			}
			if err := w.over(); err != nil {
				return err
			}
			return w.failed("the module says nothing new of its upgrade: %v", err)
		default:
			return err
		}
	}
}

// reopen waits for the port, for as long as a module may take to start.
func (s *session) reopen(w *watch) error {
	began := time.Now()
	l, err := port.OpenWithin(s.ctx, s.cfg.Port, min(w.absence, time.Until(w.end)), s.cfg.Pause)
	spend(&w.absence, began)
	if errors.Is(err, port.ErrGone) {
		return w.failed("its port was gone for more than %s: %v", s.cfg.StartLimit, err)
	}
	s.port = l
	return err
}

// code waits for the next result code, and says whether it was the last one.
func (s *session) code(w *watch, until time.Time) (ended bool, err error) {
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
		w.heard(text)
	}
	return false, nil
}

// maxLine bounds a line of the module, in bytes.
const maxLine = 512

// nextLine reads a line with its end.
func (s *session) nextLine(until time.Time) (string, error) {
	var text []byte
	for {
		b, err := s.port.Next(max(time.Until(until), 0))
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
