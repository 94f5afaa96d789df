package quecthing_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	codec "otafleet/internal/quecthing"
	"otafleet/internal/quecthing/trial"
	"otafleet/simulator/platform/engine"
)

const recordings = "../../../internal/quecthing/testdata/trials"

// noEnd names the recordings after whose end the platform is right to say something
// else than the device, with the reason.
var noEnd = map[string]string{
	"o31_confirm_inside": "the device says that it has confirmed, and then that it has not: the platform sends the " +
		"address, which the device leaves alone, and gives up (see TestDevicesThatStay)",
}

// TestRecordedDevices has every recorded device speak with the platform. Each
// component that its recording has a plan for ends on the platform as it ended on the
// device. A plan has ended when the recording's platform sends the next one, or it was
// the last.
func TestRecordedDevices(t *testing.T) {
	trials, err := trial.ReadAll(recordings)
	require.NoError(t, err)
	compared := 0
	for i := range trials {
		t.Run(trials[i].Name, func(t *testing.T) {
			r := &replay{fixture: newFixture(t), trial: &trials[i]}
			r.run()
			assert.Empty(t, r.faults)
			if r.plan == "" {
				t.Log("no plan in it")
			}
			compared += r.compared
		})
	}
	assert.Greater(t, compared, 60, "components")
}

// replay is a recorded device at the platform.
type replay struct {
	*fixture
	trial    *trial.Trial
	plan     string   // the one in effect; empty for none
	parts    []string // its components
	compared int

	last     map[string]codec.Status // what the device said last of a component under the plan
	upgraded map[string]bool         // components that have run their target under it
}

// run gives the platform what the device has sent, when it did, and puts a plan into
// effect where the recording's platform sends one.
func (r *replay) run() {
	start := r.now
	for _, line := range r.trial.Lines {
		r.at(start.Add(line.At * time.Duration(r.trial.Scale)))
		switch content := line.Content.(type) {
		case trial.Subscribe:
			r.connects()
		case trial.Closed:
			r.leaves()
		case trial.Publish:
			f, err := codec.DecodeFrame(content.Payload)
			if err != nil {
				continue
			}
			if line.Who == trial.Up {
				r.note(f)
				r.takes(f)
				continue
			}
			r.platformSends(f)
		}
	}
	r.compare()
}

// compare looks at the end of the plan.
func (r *replay) compare() {
	for _, c := range r.parts {
		if noEnd[r.trial.Name] == "" {
			assert.Equal(r.t, r.end(c), r.shown(c), "%s at %s, of which the ledger says %s", c, r.now, r.trail)
			r.compared++
		}
	}
}

// platformSends puts the plan into effect that a recorded platform has sent, and ends
// the one before.
func (r *replay) platformSends(f codec.Frame) {
	parts := partsOf(f)
	if len(parts) == 0 || slices.Equal(parts, r.parts) && !r.over() {
		return
	}
	r.compare()
	if r.plan != "" && !r.over() {
		r.order(engine.Abandon{Plan: r.plan, Device: key})
	}
	r.parts, r.last, r.upgraded, r.decided = parts, map[string]codec.Status{}, map[string]bool{}, nil
	r.knows(parts)
	r.plan = r.fixture.plan(engine.PlanSpec{Retries: 5}, parts...)
}

// over reports whether nothing more is to come of the plan.
func (r *replay) over() bool {
	s := r.view(r.plan).Status
	return s != ota.DeviceNotUpgraded && s != ota.DeviceUpgrading
}

// partsOf are the components of a plan's frame that a platform could have meant; none
// if it is another frame, or the device would take none of it.
func partsOf(f codec.Frame) (parts []string) {
	items, err := codec.DecodeItems(f.Payload)
	if err != nil || f.Command != codec.UpgradePlan {
		return nil
	}
	all, several := items.List(codec.Components)
	if !several {
		all = []codec.Items{items}
	}
	for _, one := range all {
		id, target := one.Text(codec.Component), one.Text(codec.Target)
		kind, ok := one.Int(codec.ComponentType)
		taken := ok && kind <= codec.MCUType && len(all) <= codec.MaxComponents
		if !taken || !ota.ValidComponentID(id) || !ota.ValidVersion(target) {
			continue
		}
		name := map[bool]string{true: "mcu", false: "module"}[kind == codec.MCUType]
		parts = append(parts, name+" "+id+" "+target)
	}
	return parts
}

// knows has the platform know components that the recorded device has not told it of,
// or that run the target already. Otherwise it would not offer an upgrade of them, as
// the recorder did.
func (r *replay) knows(components []string) {
	id := ota.Identity{Product: product, Device: key}
	known, _ := r.engine.Versions(id)
	known = slices.Clone(known)
	for _, text := range components {
		c := component(text)
		fits := func(v ota.ComponentVersion) bool { return v.ID == c.ID && v.Type == c.Type && v.Version != c.Target }
		if c.Type == ota.MCU && !slices.ContainsFunc(known, fits) {
			known = slices.DeleteFunc(known, func(v ota.ComponentVersion) bool { return v.ID == c.ID })
			known = append(known, ota.ComponentVersion{ID: c.ID, Type: c.Type, Version: "earlier"})
		}
	}
	r.execute(r.engine.Handle(r.now, engine.Message{Device: id, Message: &ota.Inventory{Components: known}}))
}

// note remembers what the device says.
func (r *replay) note(f codec.Frame) {
	items, err := codec.DecodeItems(f.Payload)
	if err != nil {
		return
	}
	switch f.Command {
	case codec.DeviceInfo:
		r.versions(items.Text(codec.InfoVersion), items.Text(codec.InfoVersions))
	case codec.UpgradeAsk:
		r.versions(items.Text(codec.ModuleVersion), items.Text(codec.ModuleVersions))
	case codec.UpgradeStatus:
		if items.Has(codec.ModuleVersion) {
			r.versions(items.Text(codec.ModuleVersion), items.Text(codec.ModuleVersions))
		}
		code, _ := items.Int(codec.StatusCode)
		if r.last == nil {
			return
		}
		r.last[items.Text(codec.Component)] = codec.Status(code)
	}
}

// versions takes what the device says that it runs.
func (r *replay) versions(module, mcu string) {
	all := append(codec.ParseVersions(mcu), codec.Version{Version: module})
	for _, c := range r.parts {
		spec := component(c)
		if spec.Type == ota.Module {
			spec.ID = ""
		}
		r.upgraded[c] = r.upgraded[c] || slices.Contains(all, codec.Version{Component: spec.ID, Version: spec.Target})
	}
}

// end is how a component has ended on the device.
func (r *replay) end(c string) string {
	switch said := r.last[component(c).ID]; {
	case r.upgraded[c]:
		return "upgraded"
	case said == codec.Succeeded || said == codec.Failed || said == codec.DownloadFailed:
		return "failed"
	default:
		return said.String()
	}
}

// shown is the same on the platform, in the device's words.
func (r *replay) shown(c string) string {
	for _, v := range r.view(r.plan).Components {
		if v.ID != component(c).ID {
			continue
		}
		switch {
		case v.Status == ota.UpgradeSucceeded || v.Status == ota.NoUpdateRequired:
			return "upgraded"
		case v.Status.Failed() && v.Failure.Code == ota.PlanTerminated:
			return codec.Refused.String()
		case v.Status.Failed():
			return "failed"
		case v.Status == ota.PlanReceived && len(r.decided) > 0 && !r.decided[len(r.decided)-1].Accept:
			return codec.Refused.String()
		}
		return map[ota.Status]codec.Status{
			ota.PlanReceived: codec.Received, ota.UpgradeConfirmed: codec.Confirmed, ota.ReadyToDownload: codec.Ready,
			ota.Downloading: codec.Downloading, ota.DownloadSucceeded: codec.Downloaded, ota.Upgrading: codec.Upgrading,
		}[v.Status].String()
	}
	return "no component"
}
