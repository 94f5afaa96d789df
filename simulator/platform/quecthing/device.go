package quecthing

import (
	"hash/fnv"
	"slices"
	"time"

	"otafleet/internal/ota"
	codec "otafleet/internal/quecthing"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/account"
	"otafleet/simulator/platform/engine"
)

// remembered is how many frames of a device are known, so that none counts twice. A
// device sends one at a time, and repeats it at most twice.
const remembered = 32

// Device is the platform's side of the conversation with one device. It starts
// nothing and reads no clock: its methods are given what happens, and return what the
// device is to be sent. A device's methods are called one at a time.
type Device struct {
	id       ota.Identity
	patience Patience

	// Of a connection.
	online  bool
	heard   []heard // frames, the newest at the end
	info    string  // module version as the device's description has it
	battery *int
	signal  *int
	space   *int64

	// What the device runs, as it last said.
	named    []string // components that the module is, as the engine was told
	suffix   string   // what its description puts behind the module version
	module   string
	versions []codec.Version
	sdk      string

	last uint16 // number of the last frame sent

	// Of the plan, and of the component at work.
	offered string    // the plan that was sent last, with its attempt
	current string    // whose address went out last
	issued  time.Time // when; zero if it was answered by a success, or none was
	open    bool      // a failure counts: an address is out
	failed  time.Time // when the last failure came
	waiting *Address  // that must not be sent yet
	step    string    // what the device said last of it
	since   time.Time // since when

	settled  time.Time // when a version report is believed without a status; zero for never
	deadline time.Time // when the device has been where it is for too long; zero for never
}

// heard is what frames are told apart by.
type heard struct {
	id      uint16
	content uint64
}

// NewDevice returns the platform's side of a conversation.
func NewDevice(id ota.Identity, patience Patience) *Device {
	return &Device{id: id, patience: patience.withDefaults()}
}

// Connected says that the device hears from now on.
func (d *Device) Connected(t *platform.Talk) {
	d.heard, d.info, d.since = nil, "", t.Now
}

// Left says that the device's connection has ended, and reports whether the platform
// knew that there was one.
func (d *Device) Left() (known bool) {
	known = d.online
	d.online, d.settled, d.deadline = false, time.Time{}, time.Time{}
	return known
}

// Take takes a frame of the device. Frames that it has had, and those that it does not
// understand, change nothing.
func (d *Device) Take(t *platform.Talk, f codec.Frame) []codec.Frame {
	if d.repeats(f) {
		return nil
	}
	items, err := codec.DecodeItems(f.Payload)
	if err != nil {
		return nil
	}
	d.online = d.online || f.Command != codec.DeviceStatus && f.Command != codec.ModelValues
	switch f.Command {
	case codec.DeviceStatus:
		d.measured(items)
	case codec.DeviceInfo:
		d.describes(items)
		d.visit(t, false)
	case codec.UpgradeAsk:
		d.reports(items)
		d.visit(t, true)
	case codec.UpgradeStatus:
		d.status(t, items)
	}
	return d.release(t)
}

// repeats reports whether the device has sent a frame before, and remembers it.
func (d *Device) repeats(f codec.Frame) bool {
	digest := fnv.New64a()
	_, _ = digest.Write([]byte{byte(f.Command >> 8), byte(f.Command)})
	_, _ = digest.Write(f.Payload)
	this := heard{f.ID, digest.Sum64()}
	if slices.Contains(d.heard, this) {
		return true
	}
	if len(d.heard) == remembered {
		d.heard = slices.Delete(d.heard, 0, 1)
	}
	d.heard = append(d.heard, this)
	return false
}

// frame is the next one to the device.
func (d *Device) frame(c codec.Command, items codec.Items) codec.Frame {
	d.last = codec.NextID(d.last)
	return codec.Frame{ID: d.last, Command: c, Payload: items.Encode()}
}

// measured takes a device's sensors.
func (d *Device) measured(items codec.Items) {
	if v, ok := items.Int(codec.Battery); ok && v >= 0 && v <= 100 {
		percent := int(v)
		d.battery = &percent
	}
	if v, ok := items.Int(codec.Signal); ok && v >= ota.LowestRSSI && v <= 0 {
		dBm := int(v)
		d.signal = &dBm
	}
	if v, ok := items.Int(codec.FreeSpace); ok && v >= 0 {
		d.space = &v
	}
}

// visit is the device's contact with the platform: it says what it runs, and may ask
// for a plan. One that asks with the target of its plan is done, since it would not
// ask on trial; one that only names it may still say so itself.
func (d *Device) visit(t *platform.Talk, asks bool) {
	if asks {
		d.believe(t)
	}
	is, _ := d.assigned(t)
	if d.settled = (time.Time{}); d.arrived(&is) >= 0 {
		d.settled = t.Now.Add(d.patience.Settle)
	}
	d.resume(&is)
	inventory := d.inventory(t)
	inventory.Request = asks
	t.Hear(d.id, d.running(inventory, &is))
}

// resume finds the component at work that a platform has forgotten.
func (d *Device) resume(is *engine.Assignment) {
	for i := range is.Parts {
		if p := &is.Parts[i]; d.current == "" && is.Accepted && p.Status.InProgress() {
			d.current, d.open = p.ID, true
		}
	}
}

// believe ends every component that the device says to run in its target.
func (d *Device) believe(t *platform.Talk) {
	for {
		is, _ := d.assigned(t)
		i := d.arrived(&is)
		if i < 0 {
			return
		}
		d.succeed(t, is, i)
	}
}

// arrived finds a component at work that runs its target, as the device says; -1 if
// there is none.
func (d *Device) arrived(is *engine.Assignment) int {
	for i := range is.Parts {
		if p := &is.Parts[i]; is.Accepted && worked(p.Status) && d.runs(p, p.Target) {
			return i
		}
	}
	return -1
}

// worked reports whether a component's work has begun and not ended well.
func worked(s ota.Status) bool { return s.InProgress() || s.Failed() }

// assigned is what the device is at work on, or was offered. What it is to end, which
// its wire cannot tell it, is ended in its name.
func (d *Device) assigned(t *platform.Talk) (engine.Assignment, bool) {
	for {
		is, shown := t.Engine().Assigned(t.Now, d.id)
		if !shown || is.State == engine.AwaitingUser {
			return engine.Assignment{}, false
		}
		if is.State == engine.Assigned {
			return is, true
		}
		a := account.Account{Now: t.Now, Is: is}
		a.End((&ota.Termination{Reason: is.End}).Code(), "the device's wire has no word for it")
		if len(a.Messages) == 0 {
			return engine.Assignment{}, false
		}
		d.tell(t, &a)
	}
}

// tell passes messages on.
func (d *Device) tell(t *platform.Talk, a *account.Account) {
	for _, m := range a.Messages {
		t.Hear(d.id, m)
	}
	a.Messages = nil
}
