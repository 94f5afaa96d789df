// Command ota-agent upgrades the components of one device: it takes plans from a
// platform, downloads and verifies packages, installs them, and reports each
// step. The same program, run with another verb, talks to the running agent.
package main

import (
	"os"
	"time"

	"otafleet/firmware"
	"otafleet/internal/cli"
)

// version is set by the build.
var version = "dev"

// built is when the program was made, RFC 3339, set by the build as well.
var built string

// builtAt is the same; zero for a program built without it.
func builtAt() time.Time {
	at, err := time.Parse(time.RFC3339, built)
	if err != nil {
		return time.Time{}
	}
	return at
}

// Exit codes beside those of every program (docs/OPERATOR.md lists them).
const (
	exitUnreachable = 3 // no agent answers on the control socket
	exitRefused     = 4 // the agent answers, and cannot do that now, or not for this user
	exitBusy        = 5 // another agent uses the state directory
)

func main() {
	firmware.KeepDescriptors()
	os.Exit(program().Main())
}

func program() *cli.Program {
	return &cli.Program{
		Name:    "ota-agent",
		Summary: "keep the components of this device up to date, safely",
		Verbs:   verbs(),
		Exits: []cli.ExitLine{
			{Code: cli.Failed, Meaning: "the verb failed"},
			{Code: cli.Usage, Meaning: "a flag, an argument or the configuration is wrong"},
			{Code: exitUnreachable, Meaning: "no agent answers on the control socket"},
			{Code: exitRefused, Meaning: "the agent cannot do that now, or you may not ask for it"},
			{Code: exitBusy, Meaning: "another agent uses the state directory"},
		},
	}
}

func verbs() []cli.Verb {
	all := []cli.Verb{runVerb(), statusVerb(), explainVerb()}
	for _, o := range orders() {
		all = append(all, o.verb())
	}
	return append(all, historyVerb(), rehearseVerb(), installVerb(), validateVerb(),
		cli.CompletionVerb("ota-agent", program), cli.VersionVerb("ota-agent", version))
}
