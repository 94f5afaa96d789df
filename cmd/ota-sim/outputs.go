package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/pflag"

	"otafleet/internal/cli"
	"otafleet/simulator/verdict"
)

// outputFlags say where a verdict goes, beside the terminal.
type outputFlags struct{ html, json, junit string }

func (f *outputFlags) define(flags *pflag.FlagSet) {
	flags.StringVar(&f.html, "html", "", "write the verdict as a page for a browser to this file")
	flags.StringVar(&f.json, "json", "", "write the verdict as JSON to this file; - for standard output")
	flags.StringVar(&f.junit, "junit", "", "write the verdict as a JUnit report to this file")
}

// check refuses paths at once that cannot be written to, instead of after the
// whole run.
func (f *outputFlags) check() error {
	var problems []error
	for _, path := range []string{f.html, f.json, f.junit} {
		problems = append(problems, writable(path))
	}
	if err := errors.Join(problems...); err != nil {
		return &cli.Exit{Code: cli.Usage, Err: err}
	}
	return nil
}

func writable(path string) error {
	if path == "" || path == "-" {
		return nil
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return fmt.Errorf("cannot write the verdict: %w", err)
	}
	return file.Close()
}

// text is where text for people goes: not where a program reads JSON.
func (f *outputFlags) text(streams cli.Streams) io.Writer {
	if f.json == "-" {
		return streams.Err
	}
	return streams.Out
}

// show writes the verdict in every form.
func (f *outputFlags) show(streams cli.Streams, v *verdict.Verdict) error {
	text := f.text(streams)
	if err := v.WriteText(text, verdict.Style{Color: isColored(text)}); err != nil {
		return err
	}
	return f.write(streams, v)
}

// write writes the verdict in the forms for programs and browsers.
func (f *outputFlags) write(streams cli.Streams, v *verdict.Verdict) error {
	if f.json == "-" {
		if err := v.WriteJSON(streams.Out); err != nil {
			return err
		}
	} else if err := writeFile(f.json, v.WriteJSON); err != nil {
		return err
	}
	return errors.Join(writeFile(f.junit, v.WriteJUnit), writeFile(f.html, v.WriteHTML))
}

// writeFile writes a document, if a path is given.
func writeFile(path string, write func(io.Writer) error) (err error) {
	if path == "" {
		return nil
	}
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("cannot write the verdict: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return write(file)
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
