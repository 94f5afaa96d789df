// Command ota-sim runs fleets of virtual upgrade agents through scripted
// failures and judges what became of them. It also serves the fake platform
// that they run against, and makes the signed packages that real devices take.
package main

import (
	"os"

	"otafleet/internal/cli"
)

// version is set by the build.
var version = "dev"

// Exit codes beside those of every program (docs/SCENARIOS.md lists them).
const (
	exitPreflight   = 3
	exitUnreachable = 4
	exitShardLost   = 5
	exitAgain       = 6
)

func main() { os.Exit(program().Main()) }

func program() *cli.Program {
	return &cli.Program{
		Name:    "ota-sim",
		Summary: "upgrade a fleet of virtual devices through scripted failures, and judge the outcome",
		Verbs: []cli.Verb{
			runVerb(), planVerb(), enrolVerb(), exploreVerb(), validateVerb(), listVerb(), reportVerb(), mergeVerb(),
			compareVerb(), replayVerb(), clusterVerb(),
			platformVerb(), packVerb(), keygenVerb(), signVerb(), verifyVerb(),
			cli.CompletionVerb("ota-sim", program), cli.VersionVerb("ota-sim", version),
		},
		Exits: []cli.ExitLine{
			{Code: cli.Failed, Meaning: "an expectation of the scenario did not hold, a figure is worse than the baseline's, " +
				"the verb failed, or not everything could be written"},
			{Code: cli.Usage, Meaning: "a flag, an argument or the scenario is wrong, or runs cannot be compared"},
			{Code: exitPreflight, Meaning: "the scenario does not fit this machine"},
			{Code: exitUnreachable, Meaning: "the broker cannot be reached, refuses the devices, or does not speak MQTT 5"},
			{Code: exitShardLost, Meaning: "a shard of the run is lost"},
			{Code: exitAgain, Meaning: "a shard with --verdict merge broke off, and the same comes of it when it is run again"},
			{Code: cli.Interrupted, Meaning: "interrupted"},
		},
	}
}
