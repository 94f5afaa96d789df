// Package cli is the frame of both programs' command lines: verbs with flags,
// help that teaches, and one exit code for each way to end.
//
// One flow through it: main describes its verbs in a Program and calls Main;
// the verb is found, its flags are parsed, its function runs with a context that
// ends at the first interrupt; the error it returns becomes a line on standard
// error and the exit code.
//
// The package knows nothing of what the verbs do.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	"otafleet/internal/shell"
	"otafleet/internal/terminal"
)

// Exit codes that every verb has. Programs add their own from 3 on.
const (
	OK          = 0
	Failed      = 1
	Usage       = 2   // a wrong flag, argument or input file
	Interrupted = 130 // ended by a signal
)

// Program is a command line.
type Program struct {
	Name    string
	Summary string // one sentence
	Verbs   []Verb
	Exits   []ExitLine // the codes beside 0 and 2, for the help
}

// ExitLine explains an exit code.
type ExitLine struct {
	Code    int
	Meaning string
}

// Verb is one thing that a program does.
type Verb struct {
	Name    string
	Args    string   // how arguments are shown: SCENARIO
	Words   []string // what arguments may be beside files, for completion
	Summary string   // one line
	Help    string   // what a new user must know, with examples
	// Flags declares the verb's flags and returns the function that runs it.
	Flags func(flags *pflag.FlagSet) Action
}

// Action runs a verb with its arguments. It returns nil for exit code 0.
type Action func(ctx context.Context, streams Streams, args []string) error

// Streams are the program's standard streams.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
	Called   string // how the program was called, as a shell takes it; empty means by its name
}

// Exit is an error that chooses the exit code.
type Exit struct {
	Code int
	Err  error // nil if everything has been said already
}

// Error gives the text of the error.
func (e *Exit) Error() string {
	if e.Err == nil {
		return ""
	}
	return e.Err.Error()
}

// Unwrap gives the error.
func (e *Exit) Unwrap() error { return e.Err }

// Exitf makes an error with an exit code.
func Exitf(code int, format string, args ...any) error {
	return &Exit{code, fmt.Errorf(format, args...)}
}

// Main runs the program with the arguments of the process and returns its exit
// code. The first interrupt, termination, hang-up or quit ends the context; the
// second ends the process at once. A standard output that has no reader any more is
// an error of whoever writes, not the end of the process. A panic ends it by
// SIGABRT: the exit code that Go would give means a wrong flag here.
func (p *Program) Main() int {
	debug.SetTraceback("crash")
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup wants it
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal is not caught any more
	streams := Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
	if strings.Contains(os.Args[0], "/") {
		streams.Called = shell.Line(os.Args[0])
	}
	return p.Run(ctx, streams, os.Args[1:])
}

// Run runs the program with other arguments and streams.
func (p *Program) Run(ctx context.Context, streams Streams, args []string) int {
	if len(args) == 0 {
		p.help(streams.Err)
		return Usage
	}
	name := args[0]
	switch name {
	case "help", "-h", "--help":
		return p.helpVerb(streams, args[1:])
	case "--version":
		name = "version"
	}
	verb := p.verb(name)
	if verb == nil {
		return p.unknown(streams, name)
	}
	return p.finish(streams, verb, p.run(ctx, streams, verb, args[1:]))
}

// run parses the verb's flags and calls it.
func (p *Program) run(ctx context.Context, streams Streams, verb *Verb, args []string) error {
	flags := p.flagSet(verb)
	action := verb.Flags(flags)
	err := flags.Parse(args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		p.verbHelp(streams.Out, verb)
		return nil
	case err != nil:
		return &Exit{Usage, suggestFlag(err, flags)}
	}
	return action(ctx, streams, flags.Args())
}

func (p *Program) flagSet(verb *Verb) *pflag.FlagSet {
	flags := pflag.NewFlagSet(p.Name+" "+verb.Name, pflag.ContinueOnError)
	flags.Usage = func() {}
	flags.SetOutput(io.Discard)
	flags.SortFlags = false
	return flags
}

// finish prints an error and gives its exit code.
func (p *Program) finish(streams Streams, verb *Verb, err error) int {
	if err == nil {
		return OK
	}
	code := Failed
	var exit *Exit
	if errors.As(err, &exit) {
		code = exit.Code
	}
	if text := err.Error(); text != "" {
		text = fmt.Sprintf("%s %s: %s\n", p.Name, verb.Name, p.Retell(terminal.EscapeLines(text), streams, ""))
		if code == Usage && strings.Count(text, "\n") == 1 {
			text += p.Retell(fmt.Sprintf("See '%s help %s'.\n", p.Name, verb.Name), streams, "")
		}
		_ = Show(streams.Err, text)
	}
	return code
}

func (p *Program) verb(name string) *Verb {
	for i := range p.Verbs {
		if p.Verbs[i].Name == name {
			return &p.Verbs[i]
		}
	}
	return nil
}

// unknown says that a verb does not exist.
func (p *Program) unknown(streams Streams, name string) int {
	var verbs []string
	for _, v := range p.Verbs {
		verbs = append(verbs, v.Name)
	}
	_ = Show(streams.Err, fmt.Sprintf("%s: there is no verb %q%s\n%s", p.Name, name, suggest(name, verbs, ""),
		p.Retell("See '"+p.Name+" help'.\n", streams, "")))
	return Usage
}

func (p *Program) help(w io.Writer) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n\nUsage: %s VERB [FLAGS] [ARGUMENTS]\n\nVerbs:\n", p.Name, p.Summary, p.Name)
	for _, v := range p.Verbs {
		fmt.Fprintf(&b, "  %-10s  %s\n", v.Name, v.Summary)
	}
	fmt.Fprintf(&b, "\n'%s help VERB' explains a verb with examples.\n\nExit codes:\n", p.Name)
	fmt.Fprintf(&b, "  %-4d %s\n", OK, "done")
	for _, e := range p.Exits {
		fmt.Fprintf(&b, "  %-4d %s\n", e.Code, e.Meaning)
	}
	_ = Show(w, b.String())
}

func (p *Program) helpVerb(streams Streams, args []string) int {
	if len(args) == 0 {
		p.help(streams.Out)
		return OK
	}
	verb := p.verb(args[0])
	if verb == nil {
		return p.unknown(streams, args[0])
	}
	p.verbHelp(streams.Out, verb)
	return OK
}

func (p *Program) verbHelp(w io.Writer, verb *Verb) {
	flags := p.flagSet(verb)
	verb.Flags(flags)
	usage := p.Name + " " + verb.Name
	if flags.HasFlags() {
		usage += " [FLAGS]"
	}
	if verb.Args != "" {
		usage += " " + verb.Args
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\nUsage: %s\n", verb.Summary, usage)
	if verb.Help != "" {
		fmt.Fprintf(&b, "\n%s\n", flowing(w, strings.TrimSpace(verb.Help)))
	}
	if flags.HasFlags() {
		fmt.Fprintf(&b, "\nFlags:\n%s", flags.FlagUsages())
	}
	_ = Show(w, b.String())
}

// OneArg returns the only argument, or says what is expected.
func OneArg(args []string, what string) (string, error) {
	if len(args) != 1 {
		return "", Exitf(Usage, "want one argument, %s, and got %d", what, len(args))
	}
	return args[0], nil
}

// NoArgs refuses arguments.
func NoArgs(args []string) error {
	if len(args) > 0 {
		return Exitf(Usage, "takes no arguments, and got %q", args[0])
	}
	return nil
}
