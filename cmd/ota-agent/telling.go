package main

import (
	"context"
	"errors"
	"io"

	"otafleet/internal/cli"
	"otafleet/internal/shell"
)

// telling makes the commands that an action tells its reader reach the agent that
// it was about itself. Documents for programs stay as they are.
func (t *target) telling(asJSON *bool, act cli.Action) cli.Action {
	return func(ctx context.Context, streams cli.Streams, args []string) error {
		flags := t.flags()
		if !*asJSON {
			streams.Out = retold{streams.Out, func(text string) string { return program().Retell(text, streams, flags) }}
		}
		err := act(ctx, streams, args)
		if err == nil || flags == "" {
			return err
		}
		heard := &cli.Exit{Code: cli.Failed, Err: errors.New(program().Retell(err.Error(), cli.Streams{}, flags))}
		var exit *cli.Exit
		if errors.As(err, &exit) {
			heard.Code = exit.Code
		}
		return heard
	}
}

// flags are those by which the agent was found, to stand behind a verb.
func (t *target) flags() string {
	switch {
	case t.socket != "":
		return " " + shell.Line("--socket", t.socket)
	case t.config != defaultConfig:
		return " " + shell.Line("--config", t.config)
	}
	return ""
}

// retold writes texts that come whole, each changed.
type retold struct {
	w      io.Writer
	change func(string) string
}

func (r retold) Write(text []byte) (int, error) {
	if err := cli.Show(r.w, r.change(string(text))); err != nil {
		return 0, err
	}
	return len(text), nil
}
