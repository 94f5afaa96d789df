package quecthing

import (
	"fmt"

	"otafleet/internal/ota"
	codec "otafleet/internal/quecthing"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/account"
	"otafleet/simulator/platform/engine"
)

// Address is where a device gets the files of a component's package.
type Address struct {
	Plan      string
	Attempt   int
	Component string
	Files     []platform.File
	URLs      []string // one for each file
}

// Receive takes what the engine says to the device. The addresses that it issues come by
// Addressed.
func (d *Device) Receive(t *platform.Talk, m ota.Down) []codec.Frame {
	var frames []codec.Frame
	if p, is := m.(*ota.Plan); is {
		frames = d.offer(t, p)
	}
	return append(frames, d.release(t)...) // it ends what was terminated
}

// offer sends a plan, if the wire can say it, and the components that need no work are
// left out.
func (d *Device) offer(t *platform.Talk, p *ota.Plan) []codec.Frame {
	is, shown := d.assigned(t)
	if !shown || is.Plan != p.ID || is.Attempt != p.Attempt {
		return nil
	}
	if why := unsayable(p); why != "" {
		d.refuse(t, is, ota.ReasonInvalidPlan, why)
		return nil
	}
	var all []codec.Items
	for i := range p.Components {
		c := &p.Components[i]
		if k := partOf(&is, c.ID); k < 0 || is.Parts[k].Running != c.Target {
			all = append(all, component(p, c))
		}
	}
	if offered := fmt.Sprint(p.ID, " ", p.Attempt); offered != d.offered { // it may be a reminder
		d.offered = offered
		d.over(t)
	}
	if len(all) == 1 {
		return []codec.Frame{d.frame(codec.UpgradePlan, all[0])}
	}
	return []codec.Frame{d.frame(codec.UpgradePlan, codec.Items{codec.List(codec.Components, all...)})}
}

// unsayable says what of a plan the wire has no words for; empty for nothing.
func unsayable(p *ota.Plan) string {
	if p.OnFailure == ota.Revert && len(p.Components) > 1 {
		return "the device's wire has no roll-back of the other components"
	}
	return ""
}

// component is what a plan says of one of its components. Devices take a limit that is
// missing for 0, and no signal is so good.
func component(p *ota.Plan, c *ota.PlanComponent) codec.Items {
	battery, signal := 0, ota.LowestRSSI
	if p.Conditions.MinBattery != nil {
		battery = *p.Conditions.MinBattery
	}
	if p.Conditions.MinRSSI != nil {
		signal = *p.Conditions.MinRSSI
	}
	items := codec.Items{codec.Text(codec.Component, c.ID)}
	if c.Package == ota.Delta && len(c.Sources) == 1 {
		items = append(items, codec.Text(codec.Source, c.Sources[0]))
	}
	return append(
		items,
		codec.Text(codec.Target, c.Target), codec.Int(codec.ComponentType, kindOf(c.Type)),
		codec.Int(codec.MinBattery, int64(battery)), codec.Int(codec.NeededSpace, max(c.Size, p.Conditions.Space)),
		codec.Int(codec.MinSignal, int64(signal)),
	)
}

func kindOf(t ota.ComponentType) int64 {
	if t == ota.MCU {
		return codec.MCUType
	}
	return codec.ModuleType
}

func partOf(is *engine.Assignment, id string) int {
	for i := range is.Parts {
		if is.Parts[i].ID == id {
			return i
		}
	}
	return -1
}

// refuse refuses a plan in the device's name.
func (d *Device) refuse(t *platform.Talk, is engine.Assignment, reason ota.Reason, why string) {
	a := account.Account{Now: t.Now, Is: is}
	a.Refuse(reason, why)
	d.tell(t, &a)
}

// Configure is a frame that gives the device settings, such as its secret.
func (d *Device) Configure(items codec.Items) codec.Frame { return d.frame(codec.DeviceConfig, items) }

// Addressed takes the address that the engine has issued for a component. It is sent
// when no failure of the last one can come any more.
func (d *Device) Addressed(t *platform.Talk, a Address) []codec.Frame {
	d.waiting = &a
	return d.release(t)
}

// release sends the address that waits, if its time has come and it is still wanted,
// and sees when the device has to be looked at again.
func (d *Device) release(t *platform.Talk) []codec.Frame {
	frames := d.address(t)
	is, _ := d.assigned(t)
	_, d.deadline = d.overdue(&is)
	return frames
}

func (d *Device) address(t *platform.Talk) []codec.Frame {
	if d.waiting == nil || t.Now.Before(d.patience.hold(d.issued, d.failed)) {
		return nil
	}
	address := d.waiting
	d.waiting = nil
	is, shown := d.assigned(t)
	i := partOf(&is, address.Component)
	wanted := shown && i >= 0 && is.Accepted && is.Plan == address.Plan && is.Attempt == address.Attempt
	if !wanted || is.Parts[i].Status.Done() {
		return nil
	}
	items, why := address.items(&is.Parts[i])
	if why != "" {
		// Not tried again: it would be the same.
		d.give(t, is, i, ota.UpgradeFailed, &ota.Failure{Code: ota.PlanTerminated, Detail: why})
		return nil
	}
	d.current, d.issued, d.open = address.Component, t.Now, true
	d.step, d.since = "", t.Now
	return []codec.Frame{d.frame(codec.UpgradeFile, items)}
}

// items are those of the frame, or why there is none.
func (a *Address) items(p *engine.AssignedPart) (items codec.Items, why string) {
	common := codec.Items{
		codec.Text(codec.Component, p.ID), codec.Text(codec.Target, p.Target),
		codec.Int(codec.ComponentType, kindOf(p.Type)),
	}
	for _, f := range a.Files {
		if f.Size == 0 {
			return nil, fmt.Sprintf("the file %s is empty, which the device would wait on for ever", f.Name)
		}
	}
	switch {
	case len(a.Files) == 1:
		f := &a.Files[0]
		return append(common, codec.Text(codec.URL, a.URLs[0]), codec.Int(codec.Size, f.Size),
			codec.Text(codec.MD5, f.MD5), codec.Text(codec.CRC, f.CRC), codec.Text(codec.SHA256, f.SHA256)), ""
	case p.Type == ota.MCU:
		return nil, fmt.Sprintf("the package has %d files: the device's wire has room for one", len(a.Files))
	}
	var files []codec.Items
	for i := range a.Files {
		f := &a.Files[i]
		files = append(files, codec.Items{
			codec.Int(codec.FileIndex, int64(i+1)), codec.Text(codec.URL, a.URLs[i]), codec.Text(codec.MD5, f.MD5),
			codec.Int(codec.Size, f.Size),
		})
	}
	return append(common, codec.List(codec.Files, files...)), ""
}
