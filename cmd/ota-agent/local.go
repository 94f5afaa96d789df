package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"time"

	"otafleet/agent"
	"otafleet/agent/control"
	"otafleet/agent/host"
	"otafleet/cmd/ota-agent/config"
	"otafleet/firmware"
	"otafleet/internal/bundle"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

// localPlan makes a plan of a package file that an operator brings. What stands
// in the envelope is not trusted here: the machine verifies it.
func localPlan(envelope ota.Envelope, manifest *ota.Manifest, path string, now time.Time) agent.Install {
	component := ota.PlanComponent{ID: manifest.Component, Type: manifest.Type, Package: manifest.Package,
		Target: manifest.Target, Size: manifest.TransferSize()}
	if manifest.Package == ota.Delta {
		component.Sources = []string{manifest.Source}
	}
	now = now.UTC().Truncate(time.Millisecond)
	// An operator who stands before the device decides when: the plan has no end
	// that a clock which is wrong could reach.
	ends := time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	id := "local-" + strconv.FormatInt(now.UnixMilli(), 36)
	plan := &ota.Plan{Time: now, ID: id, Name: "package file", Attempt: 1, Mode: ota.Manual, OnFailure: ota.Stop,
		Ends: ends, Components: []ota.PlanComponent{component}}
	p := &ota.Package{Time: now, Plan: id, Attempt: 1, Component: manifest.Component, Envelope: envelope}
	for i := range manifest.Files {
		// The form of a package wants an address. This one leads nowhere (RFC 6761)
		// and is not asked: the bytes are in the package file.
		p.Files = append(p.Files, ota.FileAddress{Name: manifest.Files[i].Name,
			URLs: []string{"http://package-file.invalid/"}})
	}
	return agent.Install{Plan: plan, Package: p, Path: path}
}

// Rehearse says what would become of a package, and changes nothing.
func (u *unit) Rehearse(ctx context.Context, envelope ota.Envelope) (control.Rehearsal, error) {
	manifest, err := wire.DecodeManifest(envelope.Payload)
	if err != nil {
		return control.Rehearsal{}, err
	}
	r := u.runner.Rehearse(localPlan(envelope, manifest, "rehearsal", time.Now()))
	result := control.Rehearsal{
		Component: manifest.Component, Type: string(manifest.Type), Runs: r.Runs, Target: manifest.Target,
		Package: string(manifest.Package), Release: manifest.Release, Signed: r.Manifest != nil,
		FetchBytes: manifest.TransferSize(), Restart: "unknown", Blocked: []control.Blocker{},
	}
	result.UpToDate = r.Runs == manifest.Target
	if r.Refused != nil {
		result.Refused = &control.Failure{Code: string(r.Refused.Code), Detail: r.Refused.Detail}
	}
	for _, b := range r.Blocked {
		result.Blocked = append(result.Blocked, control.Blocker{Reason: string(b.Reason), Detail: b.Detail})
	}
	for i := range manifest.Files {
		result.WriteBytes += manifest.Files[i].Image().Size
	}
	if c := u.component(manifest.Component); c != nil {
		if c.Trust != nil {
			result.Trust = "component"
		}
		u.rehearseComponent(ctx, c, &result)
	}
	return result, nil
}

// component finds the configuration of a component; nil if there is none.
func (u *unit) component(id string) *config.Component {
	for i := range u.components {
		if u.components[i].ID == id {
			return &u.components[i]
		}
	}
	return nil
}

// rehearseComponent adds what the configuration tells of restarts and room.
func (u *unit) rehearseComponent(ctx context.Context, c *config.Component, result *control.Rehearsal) {
	place := u.dir
	switch {
	case c.Slot != nil:
		result.Restart = string(firmware.RestartSystem)
		u.rehearseSlot(ctx, c, result)
		return
	case c.File != nil:
		place = filepath.Dir(c.File.Path)
		result.Restart = string(c.File.Restart)
		if result.Restart == "" {
			result.Restart = string(firmware.RestartNone)
		}
	case c.OnLine():
		result.Restart = string(firmware.RestartNone) // what is on the line restarts alone
	}
	result.FreeBytes = host.FreeBytes(place)
	if result.FreeBytes != nil && *result.FreeBytes < result.WriteBytes {
		result.Blocked = append(result.Blocked, control.Blocker{Reason: string(ota.ReasonSpace),
			Detail: fmt.Sprintf("%s free in %s, %s too few", ota.FormatSize(*result.FreeBytes), place,
				ota.FormatSize(result.WriteBytes-*result.FreeBytes))})
	}
}

// rehearseSlot finds the room of the slot that does not run. All of it is free
// for a new version, and it never gets more.
func (u *unit) rehearseSlot(ctx context.Context, c *config.Component, result *control.Rehearsal) {
	found, err := u.lookAt(ctx, c)
	if err != nil {
		u.log.Warn("cannot find the room of a slot", "component", c.ID, "error", err)
		return
	}
	result.FreeBytes = &found.Capacity
	if result.Refused == nil && found.Capacity < result.WriteBytes {
		result.Refused = &control.Failure{Code: string(ota.TooLarge),
			Detail: fmt.Sprintf("the slot takes %s, %s too few", ota.FormatSize(found.Capacity),
				ota.FormatSize(result.WriteBytes-found.Capacity))}
	}
}

// lookAt asks an installer of its own, which the machine's knows nothing of.
func (u *unit) lookAt(ctx context.Context, c *config.Component) (firmware.Inspection, error) {
	installer, err := u.installer(c)
	if err != nil {
		return firmware.Inspection{}, err
	}
	return installer.Inspect(ctx)
}

// Install begins to install a package file.
func (u *unit) Install(_ context.Context, path string) (string, error) {
	b, err := bundle.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission):
		return "", fmt.Errorf("%w (the agent itself opens the file: it may run in a sandbox that does not show it)", err)
	case err != nil:
		return "", err
	}
	defer b.Close()
	in := localPlan(b.Envelope, b.Manifest, path, time.Now())
	switch r := u.runner.Rehearse(in); {
	case r.Refused != nil:
		return "", &control.Rejected{Failure: r.Refused}
	case len(r.Blocked) > 0:
		return "", &control.Blocked{Why: r.Blocked[0].Detail}
	}
	u.runner.Post(in)
	return in.Plan.ID, nil
}
