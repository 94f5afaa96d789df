package ota

import (
	"fmt"
	"slices"
)

// Status is the state of one component under one plan, as the platform shows
// it. The zero value is what a platform assumes before it has heard anything.
type Status uint8

// The statuses, in the order of an upgrade's life. Their wire names are
// released and never reused.
const (
	PlanNotReceived Status = iota
	PlanReceived
	UpgradeConfirmed
	ReadyToDownload
	Downloading
	DownloadSucceeded
	DownloadFailed
	Upgrading
	UpgradeSucceeded
	UpgradeFailed
	NoUpdateRequired
	statusCount
)

// Finality says whether a component in a status can still move on.
type Finality uint8

// The three kinds of end.
const (
	NotFinal     Finality = iota // the device goes on by itself
	FinalAtLimit                 // final if the plan leaves no retry
	Final                        // final
)

// Stage is the bar of five steps in which a monitoring page shows a component.
type Stage string

// The five stages, left to right.
const (
	StageStart    Stage = "Start"
	StageConfirm  Stage = "Confirm"
	StageDownload Stage = "Download"
	StageUpgrade  Stage = "Upgrading"
	StageEnd      Stage = "Success/Fail"
)

// Entry is what a device does first when it starts and finds a component in a
// status: every status has one, so that a restart at any moment has an answer.
type Entry string

// The restart entries.
const (
	EntryNone     Entry = "nothing to do"
	EntryEvaluate Entry = "wait for the plan to be sent again and evaluate it anew, unless it was confirmed"
	EntryAddress  Entry = "wait for the package address, ask for it if it does not come"
	EntryFetch    Entry = "go on with the download after the last verified chunk"
	EntryStage    Entry = "stage the verified files again"
	EntryUpgrade  Entry = "count the restart, then go on with the step that was cut"
	EntryRetry    Entry = "wait for a package of a higher attempt, or another plan"
)

// Row is one line of the status table.
type Row struct {
	Status   Status
	Wire     string   // name in messages and on disk
	Name     string   // name on the monitoring page
	Sentence string   // what has happened when the status is reported
	Stage    Stage    // place in the bar of five steps
	Final    Finality // whether the component's part of the plan has ended
	Failed   bool     // whether a report of it carries an error
	Entry    Entry    // what a restarted device does first
	Next     []Status // the statuses that may be reported after it
}

// table is THE status table: the machine asks it what is legal, wire encodes
// from it, the platform's ledger rejects what it forbids, the verdict checks
// order against it, and the README's table is checked against it.
var table = [statusCount]Row{
	{PlanNotReceived, "plan_not_received", "Plan Not Received",
		"The platform has not heard of the component under this plan yet; a device never sends this.",
		StageStart, NotFinal, false, EntryNone, []Status{PlanReceived}},
	{PlanReceived, "plan_received", "Plan Received",
		"The device has the plan on its disk and has not accepted it.",
		StageConfirm, NotFinal, false, EntryEvaluate, []Status{UpgradeConfirmed, NoUpdateRequired, UpgradeFailed}},
	{UpgradeConfirmed, "upgrade_confirmed", "Upgrade Confirmed",
		"The device has accepted and waits for the package address; from here it goes on to the end.",
		StageConfirm, NotFinal, false, EntryAddress, []Status{ReadyToDownload, UpgradeFailed}},
	{ReadyToDownload, "ready_to_download", "Ready to Download",
		"The device has the address and has verified the signed manifest.",
		StageDownload, NotFinal, false, EntryFetch, []Status{Downloading, DownloadFailed}},
	{Downloading, "downloading", "Downloading",
		"The device has asked the storage for the first byte.",
		StageDownload, NotFinal, false, EntryFetch, []Status{DownloadSucceeded, DownloadFailed}},
	{DownloadSucceeded, "download_succeeded", "Download Succeeded",
		"Every byte is verified and lies in the inactive place.",
		StageDownload, NotFinal, false, EntryStage, []Status{Upgrading, UpgradeFailed}},
	{DownloadFailed, "download_failed", "Download Failed",
		"The download cannot be finished; the live component is untouched.",
		StageDownload, FinalAtLimit, true, EntryRetry, []Status{ReadyToDownload}},
	{Upgrading, "upgrading", "Upgrading",
		"The device has begun to make the new version run.",
		StageUpgrade, NotFinal, false, EntryUpgrade, []Status{UpgradeSucceeded, UpgradeFailed}},
	{UpgradeSucceeded, "upgrade_succeeded", "Upgrade Succeeded",
		"The component runs the target version, is healthy, and the device is connected.",
		StageEnd, Final, false, EntryNone, []Status{UpgradeFailed}},
	{UpgradeFailed, "upgrade_failed", "Upgrade Failed",
		"The upgrade failed and the component runs its previous version again.",
		StageEnd, FinalAtLimit, true, EntryRetry, []Status{ReadyToDownload}},
	{NoUpdateRequired, "no_update_required", "No Update Required",
		"The component runs the target version already.",
		StageEnd, Final, false, EntryNone, nil},
}

// Statuses returns a copy of the status table, in the order of its life.
func Statuses() []Row {
	rows := slices.Clone(table[:])
	for i := range rows {
		rows[i].Next = slices.Clone(rows[i].Next)
	}
	return rows
}

// Row returns the status's line of the table. A value outside the table gives
// a line without a name, which allows nothing.
func (s Status) Row() Row {
	if s >= statusCount {
		return Row{Status: s}
	}
	return table[s]
}

// String returns the wire name.
func (s Status) String() string {
	if s >= statusCount {
		return fmt.Sprintf("status(%d)", uint8(s))
	}
	return table[s].Wire
}

// ParseStatus finds a status by its wire name.
func ParseStatus(wire string) (Status, bool) {
	for i := range table {
		if table[i].Wire == wire {
			return table[i].Status, true
		}
	}
	return 0, false
}

// MayBecome reports whether next may be reported directly after s. The edge
// from UpgradeSucceeded to UpgradeFailed exists only for code Reverted, which
// Legal checks.
func (s Status) MayBecome(next Status) bool {
	return s < statusCount && slices.Contains(table[s].Next, next)
}

// Failed reports whether s is one of the two failures.
func (s Status) Failed() bool { return s < statusCount && table[s].Failed }

// Done reports whether s needs no further work and did not fail.
func (s Status) Done() bool { return s < statusCount && table[s].Final == Final }

// InProgress reports whether the device is at work between its confirmation
// and an end: rule 2 of the device status.
func (s Status) InProgress() bool {
	switch s {
	case UpgradeConfirmed, ReadyToDownload, Downloading, DownloadSucceeded, Upgrading:
		return true
	}
	return false
}

// Legal says why a report of next with this failure may not follow prev, or
// returns nil. It is the one rule by which both a device and a ledger judge a
// sequence of reports.
func Legal(prev, next Status, failure *Failure) error {
	switch {
	case !prev.MayBecome(next):
		return fmt.Errorf("%s may not follow %s", next, prev)
	case next.Failed() && failure == nil:
		return fmt.Errorf("%s needs an error code", next)
	case !next.Failed() && failure != nil:
		return fmt.Errorf("%s carries the error code %s", next, failure.Code)
	case prev == UpgradeSucceeded && failure.Code != Reverted:
		return fmt.Errorf("%s may follow %s only with code %s", next, prev, Reverted)
	}
	return nil
}

// DeviceStatus is the state of a device under a plan, computed from the
// statuses of its components.
type DeviceStatus uint8

// The five device statuses, in the order of a monitoring page.
const (
	DeviceNotUpgraded DeviceStatus = iota
	DeviceUpgrading
	DeviceUpgraded
	DeviceUpgradeFailed
	DeviceNoUpdateRequired
)

var deviceNames = [...]struct{ wire, name string }{
	DeviceNotUpgraded:      {"not_upgraded", "Not Upgraded"},
	DeviceUpgrading:        {"upgrading", "Upgrading"},
	DeviceUpgraded:         {"upgraded", "Upgraded"},
	DeviceUpgradeFailed:    {"upgrade_failed", "Upgrade Failed"},
	DeviceNoUpdateRequired: {"no_update_required", "No Update Required"},
}

// String returns the name in machine-readable output.
func (d DeviceStatus) String() string {
	if int(d) >= len(deviceNames) {
		return fmt.Sprintf("device_status(%d)", uint8(d))
	}
	return deviceNames[d].wire
}

// Name returns the name on the monitoring page.
func (d DeviceStatus) Name() string {
	if int(d) >= len(deviceNames) {
		return d.String()
	}
	return deviceNames[d].name
}

// ComponentState is what the device status is computed from.
type ComponentState struct {
	Status    Status
	RetryLeft bool // whether the plan allows this component another attempt
}

// ComputeDevice gives the device status by the first rule that holds (the
// protocol's section 4). A device without components is Not Upgraded.
func ComputeDevice(components []ComponentState) DeviceStatus {
	var none, done, progress, failed int
	for _, c := range components {
		switch {
		case c.Status == NoUpdateRequired:
			none++
			done++
		case c.Status == UpgradeSucceeded:
			done++
		case c.Status.InProgress(), c.Status.Failed() && c.RetryLeft:
			progress++
		case c.Status.Failed():
			failed++
		}
	}
	switch n := len(components); {
	case n == 0:
		return DeviceNotUpgraded
	case none == n:
		return DeviceNoUpdateRequired
	case progress > 0:
		return DeviceUpgrading
	case failed > 0:
		return DeviceUpgradeFailed
	case done == n:
		return DeviceUpgraded
	case done > none:
		return DeviceUpgrading
	}
	return DeviceNotUpgraded
}
