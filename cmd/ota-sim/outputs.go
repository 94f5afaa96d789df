package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	"otafleet/internal/cli"
	"otafleet/simulator/report"
	"otafleet/simulator/verdict"
)

// outputFlags say where a verdict goes, beside the terminal.
type outputFlags struct{ html, json, junit string }

func (f *outputFlags) define(flags *pflag.FlagSet) {
	flags.StringVar(&f.html, "html", "", "write the verdict as a page for a browser to this file")
	flags.StringVar(&f.json, "json", "", "write the verdict as JSON to this file; - for standard output")
	flags.StringVar(&f.junit, "junit", "", "write the verdict as a JUnit report to this file")
}

// begin refuses paths that cannot be written to, or that are something else too,
// and removes what an earlier run has left there: a verdict that is there after
// this run must not be another one's. others are what the program reads, and what
// else it writes.
func (f *outputFlags) begin(others ...string) error {
	taken := map[string]string{}
	for _, path := range others {
		taken[resolved(path)] = path
	}
	var problems []error
	for _, path := range f.files() {
		for _, place := range []string{path, besideOf(path)} {
			if other, is := taken[resolved(place)]; is {
				problems = append(problems,
					fmt.Errorf("cannot write the verdict to %s: %s is the same file as %s", path, place, other))
			}
			taken[resolved(place)] = place
		}
	}
	if len(problems) == 0 {
		for _, path := range f.files() {
			problems = append(problems, clearFile(path))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return &cli.Exit{Code: cli.Usage, Err: err}
	}
	return nil
}

// files are the files that the verdict is written to.
func (f *outputFlags) files() (all []string) {
	for _, path := range []string{f.html, f.json, f.junit} {
		if path != "" && (path != "-" || path == f.html || path == f.junit) {
			all = append(all, path)
		}
	}
	return all
}

// resolved is the place of a file that may not be there yet, links followed. Two
// names of one file (hard links) have one place.
func resolved(path string) string {
	if info, err := os.Stat(path); err == nil {
		if state, is := info.Sys().(*syscall.Stat_t); is && !info.IsDir() {
			return fmt.Sprint("inode ", state.Dev, " ", state.Ino)
		}
	}
	if whole, err := filepath.EvalSymlinks(path); err == nil {
		path = whole
	} else if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		path = filepath.Join(dir, filepath.Base(path))
	}
	if whole, err := filepath.Abs(path); err == nil {
		return whole
	}
	return path
}

// clearFile makes sure that a file can be written, and that it is not there. One
// that cannot be removed is emptied.
func clearFile(path string) error {
	if info, err := os.Stat(path); err == nil && !info.IsDir() && !info.Mode().IsRegular() {
		return nil // a pipe or a device holds nothing, and opening it may wait
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return fmt.Errorf("cannot write the verdict: %w", err)
	}
	defer file.Close()
	if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() && os.Remove(path) == nil {
		return nil
	}
	if err := file.Truncate(0); err != nil {
		return fmt.Errorf("cannot write the verdict: %w", err)
	}
	return nil
}

// text is where text for people goes: not where a program reads JSON.
func (f *outputFlags) text(streams cli.Streams) io.Writer {
	if f.json == "-" {
		return streams.Err
	}
	return streams.Out
}

// show writes the verdict in every form, and gives the exit code. One form that
// cannot be written costs no other.
func (f *outputFlags) show(streams cli.Streams, v *verdict.Verdict, exit error) error {
	style := f.style(streams)
	return f.showAs(streams, formsOf(v), exit, func(w io.Writer) error { return report.WriteText(w, v, style) })
}

// style is how text for people may look.
func (f *outputFlags) style(streams cli.Streams) report.Style {
	return report.Style{Color: isColored(f.text(streams))}
}

// forms write a result for programs and browsers.
type forms struct{ json, junit, html func(io.Writer) error }

func formsOf(v *verdict.Verdict) forms {
	return forms{
		json:  func(w io.Writer) error { return report.WriteJSON(w, v) },
		junit: func(w io.Writer) error { return report.WriteJUnit(w, v) },
		html:  func(w io.Writer) error { return report.WriteHTML(w, v) },
	}
}

// showAs writes a result in every form, with a text of its own for people.
func (f *outputFlags) showAs(streams cli.Streams, as forms, exit error, text func(io.Writer) error) error {
	err := f.write(streams, as)
	var b strings.Builder
	return ended(exit, err, text(&b), cli.Show(f.text(streams), b.String()))
}

// write writes a result in the forms for programs and browsers.
func (f *outputFlags) write(streams cli.Streams, as forms) error {
	err := errors.Join(writeFile(f.junit, as.junit), writeFile(f.html, as.html))
	if f.json == "-" {
		return errors.Join(err, as.json(streams.Out))
	}
	return errors.Join(err, writeFile(f.json, as.json))
}

// ended is an exit, or if it says nothing a failure, with what could not be written.
func ended(exit error, problems ...error) error {
	err := errors.Join(problems...)
	if err == nil {
		return exit
	}
	code := cli.Failed
	var given *cli.Exit
	if errors.As(exit, &given) {
		code = given.Code
	}
	err = fmt.Errorf("not everything of the verdict could be written:\n%w", err)
	if exit != nil && exit.Error() != "" {
		err = fmt.Errorf("%w\n%w", exit, err)
	}
	return &cli.Exit{Code: code, Err: err}
}

// besideOf is where a file is written before it is whole.
func besideOf(path string) string { return path + ".part" }

// writeFile writes a form of a result, if a path is given: beside its place, so that there
// is a whole one or none. What stands in the place could not be removed and is
// written over.
func writeFile(path string, write func(io.Writer) error) (err error) {
	if path == "" {
		return nil
	}
	place := path
	if _, err := os.Lstat(path); err != nil {
		place = besideOf(path)
	}
	file, err := os.Create(place)
	if err != nil {
		return fmt.Errorf("cannot write the verdict: %w", err)
	}
	err = errors.Join(write(file), file.Close())
	if place == path {
		return err
	}
	if err == nil {
		err = os.Rename(place, path)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(place))
	}
	return err
}

// exitOf is the exit code of a run that has just ended.
func exitOf(v *verdict.Verdict) error {
	switch {
	case v.Interrupted:
		return &cli.Exit{Code: cli.Interrupted}
	case !v.Held:
		return &cli.Exit{Code: cli.Failed}
	}
	return nil
}
