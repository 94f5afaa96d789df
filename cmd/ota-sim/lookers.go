package main

import (
	"errors"
	"fmt"
	"io"

	"otafleet/cmd/ota-sim/otlp"
	"otafleet/internal/cli"
	"otafleet/internal/terminal"
)

// lookers are all that look at a run while it goes on.
type lookers struct {
	known   figures
	metrics *metrics
	pages   *watchedRun
	pushed  *otlp.Pusher
	profile *profile
}

// look begins to look as the flags and the environment say.
func (f *runFlags) look(text io.Writer) (*lookers, error) {
	l := &lookers{pages: &watchedRun{}}
	var err error
	if l.metrics, err = startMetrics(f.metrics, &l.known); err == nil {
		l.pages, err = f.watchRun()
	}
	if err == nil {
		l.pushed, err = f.push(text, &l.known)
	}
	if err == nil {
		l.profile, err = startProfile(f.profile)
	}
	if err != nil {
		return nil, errors.Join(err, l.stop())
	}
	return l, nil
}

// stop ends them. What is pushed last is what the run has come to.
func (l *lookers) stop() error {
	err := l.profile.stop()
	l.pushed.Stop()
	return errors.Join(err, l.metrics.stop(), l.pages.stop())
}

// push begins to push the figures to where the environment says. Those of virtual time say
// nothing before its end.
func (f *runFlags) push(text io.Writer, known *figures) (*otlp.Pusher, error) {
	if f.virtual {
		return nil, nil
	}
	p, err := otlp.New(otlp.Program{Name: "ota-sim", Version: version, Fill: known.fill,
		Say: func(line string) { fmt.Fprintln(text, terminal.Escape(line)) }})
	if err != nil {
		return nil, &cli.Exit{Code: cli.Usage, Err: err}
	}
	return p, nil
}
