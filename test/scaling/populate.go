package main

import (
	"fmt"
	"path/filepath"
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/platform/store"
)

// What the devices of a platform are of, and the plan that it has for them.
const (
	product = "gw"
	planID  = "plan-1"
)

// Of ten devices one is a gateway, which speaks for the others, and of a hundred one fails.
const (
	family  = 10
	failing = 100
)

// batch is how many devices are kept at once, so that little waits for the disk.
const batch = 10_000

// populate takes devices through the plan that a platform's state holds, as if they had
// been there. It speaks to the engine: a hundred thousand sessions would take minutes.
func populate(state string, devices int) error {
	kept, err := store.Open(filepath.Join(state, "platform.db"))
	if err != nil {
		return err
	}
	defer kept.Close()
	e, err := engine.Restore(kept)
	if err != nil {
		return err
	}
	e.Keep()
	began := time.Now()
	for i := range devices {
		live(e, began.Add(time.Duration(i)*time.Millisecond), i)
		if i%batch == batch-1 || i == devices-1 {
			if err := kept.Commit(e.Changes()); err != nil {
				return err
			}
		}
	}
	if got := e.Totals().Total(); got != devices {
		return fmt.Errorf("the platform counts %d devices of %d", got, devices)
	}
	return nil
}

// key names a device.
func key(i int) string { return fmt.Sprintf("gw-%07d", i) }

// live lets a device say everything that it says of its upgrade.
func live(e *engine.Engine, now time.Time, i int) {
	via := ""
	if i%family > 0 {
		via = key(i - i%family)
	}
	seq := 0
	say := func(m ota.Up) {
		e.Handle(now, engine.Message{Device: ota.Identity{Product: product, Device: key(i)}, Message: m})
	}
	report := func(component string, status ota.Status, failure *ota.Failure) {
		seq++
		say(&ota.Report{Time: now, Plan: planID, Attempt: 1, Seq: seq, Component: component, Status: status,
			Version: "1", Failure: failure})
	}
	runs := func(request bool, version string) {
		say(&ota.Inventory{Time: now, Request: request, Via: via, Components: []ota.ComponentVersion{
			{ID: "c00", Type: ota.Module, Version: version}, {ID: "c01", Type: ota.Module, Version: version}}})
	}
	runs(true, "1")
	for _, step := range []ota.Status{ota.PlanReceived, ota.UpgradeConfirmed} {
		report("c00", step, nil)
		report("c01", step, nil)
		if step == ota.PlanReceived {
			say(&ota.Decision{Time: now, Plan: planID, Attempt: 1, Accept: true})
		}
	}
	if i%failing == 0 {
		report("c00", ota.ReadyToDownload, nil)
		report("c00", ota.DownloadFailed, &ota.Failure{Code: ota.DigestMismatch, Detail: "chunk 3"})
		return
	}
	for _, component := range []string{"c00", "c01"} {
		for _, step := range []ota.Status{ota.ReadyToDownload, ota.Downloading, ota.DownloadSucceeded, ota.Upgrading,
			ota.UpgradeSucceeded} {
			report(component, step, nil)
		}
	}
	runs(false, "2")
}
