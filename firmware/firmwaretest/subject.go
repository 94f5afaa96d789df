// Package firmwaretest is the conformance suite of installers: what the agent
// relies on, proven by doing it, undoing it, repeating it, and cutting the
// power between any two changes.
//
// One flow through it: an installer's test describes itself as a Subject and
// calls Run. The suite sets up a World, a component on storage of its own, in
// which it starts the installer as often as it likes; each Start is a restart
// of the agent. It drives the steps Open, Stage, Activate, Commit and Revert,
// and after each asks two questions: is what lives exactly the old content or
// exactly the new one, and does Inspect say which of them.
//
// For the cuts it runs one step again and again, cut before its first change,
// before its second, and so on until a run gets through; after each cut, once
// the step is repeated and the upgrade must succeed, and once it is reverted
// and the old version must be back. An installer that changes files through a
// firmware.Disk gets the cuts from a Breaker. One that does not counts its own
// operations: flash writes, frames on a line, calls of a handler.
//
// The suite does not test what only one kind of installer has, such as its
// configuration, and measures no time.
package firmwaretest

import (
	"context"
	"testing"
	"testing/synctest"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

// Subject is the installer under test.
type Subject struct {
	// Package makes the package of a version, always the same for the same
	// version. The suite uses 1.0.0 (which runs at first), 1.1.0 and 1.2.0.
	Package func(version string) Package
	// Delta makes the package that leads from one version to another; nil where
	// the packages of the suite are full ones.
	Delta func(source, target string) Package
	// Setup makes a component that runs version, on which nothing was ever
	// installed.
	Setup func(t *testing.T, version string) World
	// KeepsBlocks says that a place may begin with what was there before the
	// job, so that blocks which both have need not be fetched.
	KeepsBlocks bool
	// InBubble runs each test in a bubble of package testing/synctest, for a
	// component that lives in memory and has times to wait for: they pass at once.
	InBubble bool
}

// Package is a version as a platform would send it.
type Package struct {
	Files []ota.File // of the manifest
	Data  [][]byte   // the bytes to transfer, one for each of Files
	Live  []byte     // what World.Live gives when the version runs
}

// World is a component and the device around it.
type World interface {
	// Start gives the installer of an agent that has just started, over all
	// that the storage holds. The power is back.
	Start(t *testing.T) firmware.Installer
	// Restart does the restart that a step asked for: for RestartSystem the
	// device boots what it is set to boot. Most components have nothing to do.
	Restart(t *testing.T, scope firmware.Restart)
	// Live reads what the component runs.
	Live(t *testing.T) []byte
	// CutAt arranges that the installer's n-th change from now on, counted from
	// 1, does not happen, nor any after it until the next Start. 0 lets
	// everything happen.
	CutAt(n int)
	// WasCut reports whether the power was cut since the last Start.
	WasCut() bool
}

// The versions of the suite.
const (
	first  = "1.0.0"
	second = "1.1.0"
	third  = "1.2.0"
)

// Run runs the suite. It needs a few seconds.
func Run(t *testing.T, subject Subject) {
	tests := []struct {
		name string
		run  func(*bench)
	}{
		{"upgrade", testUpgrade},
		{"every step twice", testTwice},
		{"restart between steps", testRestarts},
		{"revert from every step", testRevert},
		{"revert of a job never opened", testRevertUnopened},
		{"second upgrade", testSecondUpgrade},
		{"upgrade after a revert", testUpgradeAfterRevert},
		{"a cut download is resumed", testResume},
		{"bytes of another job are dropped", testOtherJob},
		{"a file is taken on a platform's word", testClaimed},
		{"wrong bytes are refused", testWrongBytes},
		{"missing bytes are refused", testMissingBytes},
		{"unstaged version is not activated", testUnstaged},
		{"what does not fit is refused", testTooLarge},
		{"ended context", testEndedContext},
		{"cut at every change, then repeat", testCutRepeat},
		{"cut at every change, then revert", testCutRevert},
		{"cut at every change of a revert", testCutInRevert},
		{"cut again and again", testManyCuts},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			run := func(t *testing.T) { test.run(newBench(t, subject)) }
			if subject.InBubble {
				synctest.Test(t, run)
			} else {
				run(t)
			}
		})
	}
}

// bench is one component on the way from one version to the next.
type bench struct {
	*testing.T
	subject   Subject
	world     World
	installer firmware.Installer
	old, new  Package
	job       firmware.Job
}

func newBench(t *testing.T, subject Subject) *bench {
	b := &bench{T: t, subject: subject}
	b.renew()
	return b
}

// renew starts over with a component that runs the first version and is to run
// the second.
func (b *bench) renew() {
	b.world = b.subject.Setup(b.T, first)
	b.upgradeTo(first, second)
	b.restart()
}

// upgradeTo makes the job from one version to another.
func (b *bench) upgradeTo(source, target string) {
	b.old, b.new = b.subject.Package(source), b.subject.Package(target)
	if b.subject.Delta != nil {
		b.new = b.subject.Delta(source, target)
	}
	b.job = firmware.Job{Component: "subject", Source: source, Target: target, Files: b.new.Files}
}

// restart is a restart of the agent.
func (b *bench) restart() { b.installer = b.world.Start(b.T) }

// withoutFiles is the job as an agent knows it that was restarted in the
// upgrade, when the manifest is no longer at hand.
func (b *bench) withoutFiles() firmware.Job {
	job := b.job
	job.Files = nil
	return job
}

func background() context.Context { return context.Background() }
