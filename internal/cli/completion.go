package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// CompletionVerb prints a script with which bash completes the verbs of a
// program, their flags and their arguments. The program is asked for when the
// verb runs, since the verb is a part of it.
func CompletionVerb(name string, program func() *Program) Verb {
	return Verb{
		Name: "completion", Args: "bash", Words: []string{"bash"}, Summary: "print a script that lets bash complete command lines",
		Help: "Let the shell read it, now or in ~/.bashrc:\n\n  source <(" + name + " completion bash)",
		Flags: func(*pflag.FlagSet) Action {
			return func(_ context.Context, streams Streams, args []string) error {
				shell, err := OneArg(args, "the shell")
				if err != nil {
					return err
				}
				if shell != "bash" {
					return Exitf(Usage, "there is no completion for %s, only for bash", shell)
				}
				_, err = fmt.Fprint(streams.Out, program().bash())
				return err
			}
		},
	}
}

// bash is the script. A word that is no flag may always be a file.
func (p *Program) bash() string {
	var verbs []string
	var cases strings.Builder
	for i := range p.Verbs {
		v := &p.Verbs[i]
		verbs = append(verbs, v.Name)
		var flags []string
		set := p.flagSet(v)
		v.Flags(set)
		set.VisitAll(func(f *pflag.Flag) { flags = append(flags, "--"+f.Name) })
		fmt.Fprintf(&cases, "    %s) flags=%q words=%q ;;\n", v.Name, strings.Join(flags, " "), strings.Join(v.Words, " "))
	}
	all := strings.Join(verbs, " ")
	function := "_" + strings.ReplaceAll(p.Name, "-", "_")
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
`, function, all, cases.String(), p.Name)
}
