package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"

	"github.com/spf13/pflag"

	"otafleet/internal/cli"
	"otafleet/internal/ota"
	"otafleet/simulator"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/platform/page"
)

// pageFlags say where the platform's pages and its API are served, and to whom.
type pageFlags struct {
	address   string
	tokenFile string
}

func (f *pageFlags) define(flags *pflag.FlagSet, address, usage string) {
	flags.StringVar(&f.address, "page", address, usage)
	flags.StringVar(&f.tokenFile, "token-file", "", "file with the token that the pages and the API ask for; needed beyond the loopback")
}

// listen opens the pages of a platform; nil if there shall be none.
func (f *pageFlags) listen(p *platform.StandIn, log *slog.Logger) (*page.Server, error) {
	if f.address == "" {
		return nil, nil
	}
	token, err := readSecret(f.tokenFile)
	if err == nil && f.tokenFile != "" && len(token) == 0 {
		err = errors.New(f.tokenFile + ": the token is missing")
	}
	if err != nil {
		return nil, &cli.Exit{Code: cli.Usage, Err: err}
	}
	s, err := page.Listen(page.Config{Address: f.address, Token: string(token), Platform: p, Logger: log})
	if err != nil {
		return nil, &cli.Exit{Code: cli.Usage, Err: err}
	}
	return s, nil
}

// uploadBundle gives a package file to a platform that keeps it, unless it has
// done so in an earlier life.
func uploadBundle(ctx context.Context, s *platform.StandIn, m *ota.Manifest, path string) error {
	known := false
	s.View(func(e *engine.Engine) {
		for _, p := range e.Packages() {
			known = known || p.Product == m.Product && p.Component == m.Component && p.Type == m.Type && p.Source == m.Source && p.Target == m.Target
		}
	})
	if known {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = s.Upload(ctx, f, platform.Label{})
	return err
}

// watchedRun serves the pages of a run's platform while it is under way.
type watchedRun struct {
	flags   *pageFlags
	end     context.CancelFunc
	serving sync.WaitGroup
	failure error
}

// start opens the pages, if they are wanted; stop gives the reason if it cannot.
func (w *watchedRun) start(text io.Writer, r *simulator.Run) {
	p := r.Platform()
	if w.flags.address == "" {
		return
	}
	if p == nil {
		w.failure = cli.Exitf(cli.Usage, "--page shows the stand-in platform, and this run has one of yours")
		return
	}
	pages, err := w.flags.listen(p, nil)
	if err != nil {
		fmt.Fprintln(text, err) // now, and not after the run alone
		w.failure = err
		return
	}
	fmt.Fprintf(text, "pages %s/\n", pages.URL())
	ctx, end := context.WithCancel(context.Background())
	w.end = end
	w.serving.Go(func() { w.failure = pages.Run(ctx) })
}

// stop ends the pages.
func (w *watchedRun) stop() error {
	if w.end != nil {
		w.end()
		w.serving.Wait()
	}
	return w.failure
}
