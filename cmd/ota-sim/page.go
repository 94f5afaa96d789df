package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"otafleet/internal/cli"
	"otafleet/internal/files"
	"otafleet/internal/ota"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/platform/page"
)

// pageFlags say where the platform's pages and its API are served, and to whom.
type pageFlags struct {
	address   string
	tokenFile string
	fileTypes []string
}

func (f *pageFlags) define(flags *pflag.FlagSet, address, usage string) {
	flags.StringVar(&f.address, "page", address, usage)
	flags.StringVar(&f.tokenFile, "token-file", "",
		"file with the token that the pages and the API ask for; needed beyond the loopback")
	flags.StringSliceVar(&f.fileTypes, "file-types", nil,
		"further endings that files of uploaded packages may have, such as .img,.squashfs")
}

// listen opens the address of the pages; nil if there shall be none.
func (f *pageFlags) listen(log *slog.Logger) (*page.Server, error) {
	if f.address == "" {
		return nil, nil
	}
	token, err := readSecret(f.tokenFile)
	if err == nil && f.tokenFile != "" {
		err = checkToken(f.tokenFile, token)
	}
	if err != nil {
		return nil, &cli.Exit{Code: cli.Usage, Err: err}
	}
	s, err := page.Listen(page.Config{Address: f.address, Token: string(token), FileTypes: f.fileTypes, Logger: log})
	var failed *net.OpError
	if errors.As(err, &failed) {
		err = fmt.Errorf("%w: --page takes another address, such as 127.0.0.1:0 for a free port; --page \"\" serves none",
			err)
	}
	if err != nil {
		return nil, &cli.Exit{Code: cli.Usage, Err: err}
	}
	return s, nil
}

// checkToken refuses a token that no request can carry.
func checkToken(path string, token []byte) error {
	switch {
	case len(token) == 0:
		return errors.New(path + ": the token is missing")
	case !utf8.Valid(token) || bytes.ContainsFunc(token, unicode.IsControl):
		return errors.New(path + ": the token has characters that are no text; want one line of 16 characters at least")
	}
	return nil
}

// uploadBundle gives a package file to a platform that keeps it, unless it has
// done so in an earlier life. One of the same version with other files is refused:
// devices would go on getting the old ones.
func uploadBundle(ctx context.Context, s *platform.Service, m *ota.Manifest, path string) error {
	var known *engine.PackageView
	s.View(func(e *engine.Engine) {
		for _, p := range e.Packages() {
			if p.Product == m.Product && p.Component == m.Component && p.Type == m.Type && p.Source == m.Source &&
				p.Target == m.Target {
				known = &p
			}
		}
	})
	if known != nil && sameFiles(known, m) {
		return nil
	}
	if known != nil {
		return fmt.Errorf("%s: the state directory has another package of %s %s already, and devices may run it: build "+
			"with a new version, or delete the old one (page Version packages) first",
			path, m.Component, m.Target)
	}
	f, err := files.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err = s.Upload(ctx, f, platform.Label{}, nil); err != nil {
		return fmt.Errorf("cannot offer the package %s: %w", path, err)
	}
	return nil
}

// sameFiles reports whether a package that is kept has the files of a manifest.
func sameFiles(p *engine.PackageView, m *ota.Manifest) bool {
	return slices.EqualFunc(p.Files, m.Files, func(a engine.PackageFile, b ota.File) bool {
		return a.Name == b.Name && a.Size == b.Size && a.SHA256 == b.SHA256
	})
}

// watchedRun serves the pages of a run's platform while it is under way.
type watchedRun struct {
	pages   *page.Server // nil if they are not wanted
	end     context.CancelFunc
	serving sync.WaitGroup
	failure error
}

// checkPage refuses pages of a platform that the run does not have.
func (f *runFlags) checkPage() error {
	if f.page.address != "" && f.broker != "" && !f.fakePlatform {
		return errors.New("--page shows the fake platform, and this run has one of yours")
	}
	return nil
}

// watchRun opens the address of the pages of a run that has not begun, so that a
// wrong one costs no run.
func (f *runFlags) watchRun() (*watchedRun, error) {
	pages, err := f.page.listen(nil)
	return &watchedRun{pages: pages}, err
}

// start shows the platform of a run that has begun.
func (w *watchedRun) start(text io.Writer, p *platform.Service) {
	if w.pages == nil {
		return
	}
	fmt.Fprintf(text, "pages %s/\n", w.pages.URL())
	ctx, end := context.WithCancel(context.Background())
	w.end = end
	w.serving.Go(func() { w.failure = w.pages.Run(ctx, p) })
}

// stop ends the pages.
func (w *watchedRun) stop() error {
	if w.pages == nil {
		return nil
	}
	if w.end == nil { // the run did not begin
		return w.pages.Close()
	}
	w.end()
	w.serving.Wait()
	return w.failure
}
