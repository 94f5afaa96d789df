package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// shells are those that a program writes a completion for.
func shells() []string { return []string{"bash", "zsh", "fish"} }

// CompletionVerb prints a script with which a shell completes the verbs of a
// program, their flags and their arguments. The program is asked for when the
// verb runs, since the verb is a part of it.
func CompletionVerb(name string, program func() *Program) Verb {
	return Verb{
		Name: "completion", Args: "SHELL", Words: shells(), Summary: "print a script that completes command lines",
		Help: strings.ReplaceAll(`SHELL is bash, zsh or fish. Let the shell read the script when it starts:

  source <(PROGRAM completion bash)        in ~/.bashrc
  source <(PROGRAM completion zsh)         in ~/.zshrc, after compinit
  PROGRAM completion fish | source         in ~/.config/fish/config.fish`, "PROGRAM", name),
		Flags: func(*pflag.FlagSet) Action {
			return func(_ context.Context, streams Streams, args []string) error {
				shell, err := OneArg(args, "the shell")
				if err != nil {
					return err
				}
				if !slices.Contains(shells(), shell) {
					return Exitf(Usage, "there is no completion for %q, only for %s", shell, strings.Join(shells(), ", "))
				}
				_, err = fmt.Fprint(streams.Out, program().completion(shell))
				return err
			}
		},
	}
}

// completable is what may follow a verb. A word that is no flag may always be a
// file.
type completable struct {
	verb  *Verb
	flags []*pflag.Flag
}

func (p *Program) completables() []completable {
	all := make([]completable, len(p.Verbs))
	for i := range p.Verbs {
		all[i].verb = &p.Verbs[i]
		set := p.flagSet(all[i].verb)
		p.Verbs[i].Flags(set)
		set.VisitAll(func(f *pflag.Flag) { all[i].flags = append(all[i].flags, f) })
	}
	return all
}

// completion is the script for one of the shells.
func (p *Program) completion(shell string) string {
	function := "_" + strings.ReplaceAll(p.Name, "-", "_")
	switch shell {
	case "zsh":
		return p.zsh(function)
	case "fish":
		return p.fish()
	}
	return p.bash(function)
}

func (p *Program) bash(function string) string {
	var verbs []string
	var cases strings.Builder
	for _, c := range p.completables() {
		verbs = append(verbs, c.verb.Name)
		var flags []string
		for _, f := range c.flags {
			flags = append(flags, "--"+f.Name)
		}
		fmt.Fprintf(&cases, "    %s) flags=%q words=%q ;;\n", c.verb.Name, strings.Join(flags, " "),
			strings.Join(c.verb.Words, " "))
	}
	return fmt.Sprintf(`%[1]s() {
  local word=${COMP_WORDS[COMP_CWORD]} flags="" words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W "help %[2]s" -- "$word")
    return
  fi
  case ${COMP_WORDS[1]} in
    help) words="%[2]s" ;;
%[3]s  esac
  case $word in
    -*) mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$word") ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word"; compgen -f -- "$word") ;;
  esac
}
complete -o filenames -F %[1]s %[4]s
`, function, strings.Join(verbs, " "), cases.String(), p.Name)
}

// zsh is a script that can be sourced, and that works as a file _PROGRAM in the
// function path too.
func (p *Program) zsh(function string) string {
	names, verbs := []string{}, []string{quoted("help:explain a verb")}
	var cases strings.Builder
	for _, c := range p.completables() {
		names = append(names, c.verb.Name)
		verbs = append(verbs, quoted(c.verb.Name+":"+c.verb.Summary))
		var flags []string
		for _, f := range c.flags {
			_, usage := pflag.UnquoteUsage(f)
			flags = append(flags, quoted("--"+f.Name+":"+usage))
		}
		fmt.Fprintf(&cases, "    %s) flags=(%s) choices=(%s) ;;\n", c.verb.Name, strings.Join(flags, " "),
			strings.Join(c.verb.Words, " "))
	}
	return fmt.Sprintf(`#compdef %[1]s
%[2]s() {
  local -a verbs flags choices
  if (( CURRENT == 2 )); then
    verbs=(%[3]s)
    _describe verb verbs
    return
  fi
  case $words[2] in
    help) choices=(%[4]s) ;;
%[5]s  esac
  if [[ $PREFIX == -* ]]; then
    _describe -o flag flags
  else
    compadd -a choices
    _files
  fi
}
if [ "$funcstack[1]" = _%[1]s ]; then
  %[2]s "$@"
else
  compdef %[2]s %[1]s
fi
`, p.Name, function, strings.Join(verbs, " "), strings.Join(names, " "), cases.String())
}

func (p *Program) fish() string {
	var script strings.Builder
	offer := func(after, what string) {
		fmt.Fprintf(&script, "complete -c %s -n %s %s\n", p.Name, quoted(after), what)
	}
	verb := func(name, summary string) {
		offer("__fish_use_subcommand", "-f -a "+name+" -d "+quoted(summary))
	}
	verb("help", "explain a verb")
	for _, c := range p.completables() {
		verb(c.verb.Name, c.verb.Summary)
		offer("__fish_seen_subcommand_from help", "-f -a "+c.verb.Name)
		after := "__fish_seen_subcommand_from " + c.verb.Name
		for _, f := range c.flags {
			_, usage := pflag.UnquoteUsage(f)
			value := " -r" // a value follows
			if f.NoOptDefVal != "" {
				value = ""
			}
			offer(after, "-l "+f.Name+value+" -d "+quoted(usage))
		}
		if len(c.verb.Words) > 0 {
			offer(after, "-a "+quoted(strings.Join(c.verb.Words, " ")))
		}
	}
	return script.String()
}

// quoted is a word for all three shells: between single quotes, with those that it
// has itself outside of them.
func quoted(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }
