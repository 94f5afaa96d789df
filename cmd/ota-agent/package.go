package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"

	"otafleet/agent/control"
	"otafleet/agent/download"
	"otafleet/firmware"
	"otafleet/internal/bundle"
	"otafleet/internal/cli"
	"otafleet/internal/ota"
	"otafleet/internal/terminal"
)

func rehearseVerb() cli.Verb {
	return cli.Verb{
		Name: "rehearse", Args: "PACKAGE", Summary: "say what installing a package would do, and change nothing",
		Help: `Reads the whole package file, checks every byte against the signed hashes, and asks
the running agent whether it would take it: signature, product, hardware, release,
conditions, space, restarts. Exit code 0: it would be installed now, or its version
runs already; 1: it would be refused; 3: no agent answers, so only the file was read;
4: something holds the device back at the moment.

Example:
  ota-agent rehearse /media/usb/app-1.1.0.ota`,
		Flags: func(flags *pflag.FlagSet) cli.Action {
			t := newTarget(flags)
			asJSON := jsonFlag(flags)
			return t.telling(asJSON, func(ctx context.Context, streams cli.Streams, args []string) error {
				path, err := cli.OneArg(args, "the package file")
				if err != nil {
					return err
				}
				client, err := t.find()
				if err != nil {
					return err
				}
				return rehearse(ctx, client, path, streams.Out, *asJSON)
			})
		},
	}
}

// rehearsal is what the verb finds: the agent's answer, and the file's content.
type rehearsal struct {
	Path string `json:"path"`
	control.Rehearsal
	Content string `json:"content"` // "complete", or what is wrong with it
}

const complete = "complete"

func rehearse(ctx context.Context, client *control.Client, path string, out io.Writer, asJSON bool) error {
	b, err := bundle.Open(path)
	if err != nil {
		return err
	}
	defer b.Close()
	r := rehearsal{Path: path, Content: content(ctx, b)}
	answer, unanswered := client.Rehearse(ctx, b.Envelope)
	var unreachable *control.Unreachable
	switch {
	case unanswered == nil:
		r.Rehearsal = answer
	case errors.As(unanswered, &unreachable):
		r.Rehearsal = readAlone(b.Manifest)
	default:
		return talk(unanswered)
	}
	if asJSON {
		err = printJSON(out, r)
	} else {
		err = printRehearsal(out, &r, unanswered == nil)
	}
	switch {
	case err != nil:
		return err
	case unanswered != nil && r.Content == complete:
		return talk(unanswered)
	case r.Refused != nil:
		return fmt.Errorf("the package would be refused: %s %s", r.Refused.Code, r.Refused.Detail)
	case r.Content != complete:
		return fmt.Errorf("the package would fail: %s", r.Content)
	case len(r.Blocked) > 0:
		return cli.Exitf(exitRefused, "the package would not be installed now: %s", r.Blocked[0].Detail)
	}
	return nil
}

// readAlone is what a manifest says, where no agent answers.
func readAlone(m *ota.Manifest) control.Rehearsal {
	r := control.Rehearsal{Component: m.Component, Type: string(m.Type), Target: m.Target, Package: string(m.Package),
		Release: m.Release, FetchBytes: m.TransferSize(), Restart: "unknown", Blocked: []control.Blocker{}}
	for i := range m.Files {
		r.WriteBytes += m.Files[i].Image().Size
	}
	return r
}

// content says whether a package file holds the bytes that its manifest speaks
// of.
func content(ctx context.Context, b *bundle.Bundle) string {
	places := make([]firmware.Target, len(b.Manifest.Files))
	for i := range places {
		places[i] = looked{b.File(i)}
	}
	switch missing, err := download.Verify(ctx, b.Manifest.Files, places); {
	case err != nil:
		return err.Error()
	case missing > 0:
		return ota.FormatSize(missing) + " are damaged"
	}
	return complete
}

// looked is a file as a place that is only looked at.
type looked struct{ io.ReaderAt }

func (looked) WriteAt([]byte, int64) (int, error) { return 0, errors.ErrUnsupported }
func (looked) Sync() error                        { return nil }
func (looked) Close() error                       { return nil }

func printRehearsal(w io.Writer, r *rehearsal, answered bool) error {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	signed := "as the device asks for"
	switch {
	case !answered:
		signed = "not checked: no agent answers, so neither are release, conditions and space"
	case !r.Signed:
		signed = "not as the device asks for"
	}
	if r.Trust != "" {
		signed += ", by the keys of the " + r.Trust
	}
	terminal.Fprintf(table, "package\t%s\n", r.Path)
	terminal.Fprintf(table, "component\t%s (%s), runs %s\n", r.Component, r.Type, dash(r.Runs))
	terminal.Fprintf(table, "target\t%s, %s package, release %d\n", r.Target, r.Package, r.Release)
	terminal.Fprintf(table, "signature\t%s\n", signed)
	terminal.Fprintf(table, "content\t%s\n", r.Content)
	terminal.Fprintf(table, "reads\t%s\n", ota.FormatSize(r.FetchBytes))
	terminal.Fprintf(table, "writes\t%s", ota.FormatSize(r.WriteBytes))
	if r.FreeBytes != nil {
		terminal.Fprintf(table, " of %s free", ota.FormatSize(*r.FreeBytes))
	}
	terminal.Fprintf(table, "\nrestarts\t%s\n", r.Restart)
	if r.UpToDate {
		terminal.Fprintf(table, "result\tnothing to do: %s runs %s already\n", r.Component, r.Target)
	}
	if r.Refused != nil {
		terminal.Fprintf(table, "refused\t%s %s\n", r.Refused.Code, r.Refused.Detail)
	}
	for _, b := range r.Blocked {
		terminal.Fprintf(table, "blocked\t%s: %s\n", b.Reason, b.Detail)
	}
	table.Flush()
	return cli.Show(w, b.String())
}

func installVerb() cli.Verb {
	return cli.Verb{
		Name: "install", Args: "FILE", Summary: "install a signed package file, such as from a USB stick",
		Help: `The running agent installs the file as it installs every package: signature, hashes,
staging, switch, health checks, and the rollback if they fail. It needs no
connection; the platform hears of the new version afterwards. The file must stay
where it is until its bytes are copied. The verb waits for the end, and prints each
step: exit code 0 if the new version runs, 1 if it does not.

Example:
  ota-agent install /media/usb/app-1.1.0.ota`,
		Flags: func(flags *pflag.FlagSet) cli.Action {
			t := newTarget(flags)
			asJSON := jsonFlag(flags)
			detach := flags.Bool("detach", false, "do not wait for the end")
			return t.telling(asJSON, func(ctx context.Context, streams cli.Streams, args []string) error {
				path, err := cli.OneArg(args, "the package file")
				if err != nil {
					return err
				}
				if path, err = filepath.Abs(path); err != nil {
					return err
				}
				client, err := t.find()
				if err != nil {
					return err
				}
				return install(ctx, client, path, streams.Out, *asJSON, *detach)
			})
		},
	}
}

func install(ctx context.Context, client *control.Client, path string, out io.Writer, asJSON, detach bool) error {
	begun, err := client.Install(ctx, path)
	switch {
	case err != nil:
		return talk(err)
	case detach && asJSON:
		return printJSON(out, begun)
	case detach:
		return cli.Show(out, terminal.Sprintf("%s as plan %s\n", begun.Done, begun.Plan))
	}
	steps := out
	if asJSON {
		steps = io.Discard
	}
	plan, err := follow(ctx, client, begun.Plan, steps)
	if err != nil {
		return err
	}
	if asJSON {
		if err := printJSON(out, plan); err != nil {
			return err
		}
	}
	return verdict(plan)
}

// verdict is nil if a local plan has brought its version.
func verdict(p *control.PastPlan) error {
	c := p.Components[0]
	switch status, _ := ota.ParseStatus(c.Status); {
	case p.Answer != "accepted":
		return cli.Exitf(exitRefused, "the agent does not install the package now")
	case status.Done():
		return nil
	case c.Failure != nil:
		return fmt.Errorf("%s: %s", c.Failure.Code, c.Failure.Detail)
	}
	return errors.New(c.Status)
}

const (
	followEvery = 300 * time.Millisecond
	// followPatience is how long the agent may not answer: it may restart itself,
	// or the device.
	followPatience = 2 * time.Minute
)

// follow waits for the end of a local plan and prints its steps.
func follow(ctx context.Context, client *control.Client, id string, out io.Writer) (*control.PastPlan, error) {
	f := follower{plan: id, out: out, began: time.Now(), heard: time.Now()}
	for {
		history, err := client.History(ctx)
		switch {
		case err == nil:
			if p, err := f.hear(history.Plans); p != nil || err != nil {
				return p, err
			}
		case ctx.Err() != nil:
			return nil, &cli.Exit{Code: cli.Interrupted,
				Err: fmt.Errorf("the installation goes on as plan %s: see 'ota-agent status'", id)}
		case time.Since(f.heard) > followPatience:
			return nil, talk(err)
		}
		select {
		case <-time.After(followEvery):
		case <-ctx.Done():
		}
	}
}

// follower prints the steps of a plan as they come.
type follower struct {
	plan         string
	out          io.Writer
	last         string // the last step that was printed
	began, heard time.Time
}

// hear takes the plans that the agent remembers, and returns the one that is
// followed when it has ended: the next plan of the platform may be in hand by
// then.
func (f *follower) hear(plans []control.PastPlan) (*control.PastPlan, error) {
	f.heard = time.Now()
	i := len(plans) - 1
	for i >= 0 && (plans[i].ID != f.plan || len(plans[i].Components) == 0) {
		i--
	}
	if i < 0 {
		if f.last != "" || time.Since(f.began) > followPatience {
			return nil, cli.Exitf(exitRefused, "the agent knows nothing of plan %s: see 'ota-agent history'", f.plan)
		}
		return nil, nil // it has not been taken up yet
	}
	p, c := &plans[i], &plans[i].Components[0]
	if c.Status != f.last {
		f.last = c.Status
		terminal.Fprintf(f.out, "%s  %s  %s\n", time.Now().Format(time.TimeOnly), c.ID,
			strings.ReplaceAll(c.Status, "_", " "))
	}
	if ended(p) {
		return p, nil
	}
	return nil, nil
}

// ended reports whether nothing more happens under a local plan.
func ended(p *control.PastPlan) bool {
	status, _ := ota.ParseStatus(p.Components[0].Status)
	return status.Done() || status.Failed() || p.Answer == "refused"
}
