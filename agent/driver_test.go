package agent_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/firmware"
	"otafleet/internal/ota"
)

// driver plays one device by hand: it gives a Machine the inputs that a line of
// text asks for and writes down what the Machine says.
type driver struct {
	t       *testing.T
	config  agent.Config
	parts   []ota.PlanComponent
	policy  ota.OnFailure
	delta   bool
	factory int64 // release counter of the components that follow
	needs   ota.Conditions
	restart map[string]firmware.Restart // that the activation of a component needs

	// The device.
	machine   *agent.Machine
	saved     *agent.State
	now       time.Time
	boots     int
	readings  agent.Readings
	versions  map[string]string // what the components run
	next      map[string]string // what they run after the restart that is owed
	owed      firmware.Restart
	urlCache  map[string]*ota.Package
	effects   effects
	started   bool // the running Fetch has asked for its first byte
	connected bool
	timer     time.Time

	// The platform.
	ledger  ledger
	asked   string // what the device last asked an address for
	attempt int
	ahead   time.Duration // of the platform's clock, as addresses show it

	installed map[string]bool // ids of local plans

	timers bool // write timers down
	groups []string
	seen   []string // every word so far, for "to"
}

var epoch = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// newDriver sets a device up. The words are
//
//	app:1>2          a component that the plan brings from version 1 to 2
//	app:1>2/system   one that needs a restart for it (system or process)
//	app:1            a component that the plan does not name
//	stop, continue, revert, ask, timers
//	window:1-5       every day between these hours the device may be changed
//	delta            the components that follow get deltas
//	irreversible:app the component cannot roll back
//	battery:20       a reading; needs:30 the plan's condition on it
//	least:20         what the device asks of the battery, whatever the plan does
//	factory:7        the release that the components that follow were made with
//	hardware:b       the device's revision
//	soak:10s         how long a version that needed a restart runs before it is permanent
//	built            the program was made 30 days after what the clock shows
//	to WORD          go on, all well, until the trace has that word
func newDriver(t *testing.T, setup string) *driver {
	d := &driver{
		t: t, policy: ota.Stop, restart: map[string]firmware.Restart{}, now: epoch, attempt: 1,
		versions: map[string]string{}, next: map[string]string{}, urlCache: map[string]*ota.Package{}, ledger: ledger{},
	}
	d.config = agent.Config{Agent: "ota-agent/test", Open: openText, MaxRestarts: 2}
	words := strings.Fields(setup)
	for i := 0; i < len(words); i++ {
		if words[i] == "to" {
			i++
			d.to(words[i])
			continue
		}
		d.set(words[i])
	}
	if d.machine == nil {
		d.boot()
	}
	d.groups = nil
	return d
}

func (d *driver) set(word string) {
	name, value, _ := strings.Cut(word, ":")
	switch name {
	case "stop", "continue", "revert":
		d.policy = ota.OnFailure(name)
	case "delta":
		d.delta = true
	case "irreversible":
		for i := range d.config.Components {
			if c := &d.config.Components[i]; c.ID == value {
				c.Irreversible = true
			}
		}
	case "factory":
		d.factory = int64(*number(d.t, value))
	case "built":
		d.config.Built = epoch.Add(30 * 24 * time.Hour)
	case "ask":
		d.config.AskFirst = true
	case "shut": // a window whose time zone the device does not know
		d.config.Windows = append(d.config.Windows, agent.Window{Zone: time.UTC})
	case "window":
		d.config.Windows = append(d.config.Windows, daily(d.t, value))
	case "timers":
		d.timers = true
	case "battery":
		d.readings.Battery = number(d.t, value)
	case "needs":
		d.needs.MinBattery = number(d.t, value)
	case "least":
		d.config.Conditions.MinBattery = number(d.t, value)
	case "hardware":
		d.config.Hardware = value
	case "soak":
		wait, err := time.ParseDuration(value)
		require.NoError(d.t, err)
		d.config.Soak, d.config.RestartSoak = 0, wait
	default:
		d.component(name, value)
	}
}

func (d *driver) component(id, value string) {
	value, restart, _ := strings.Cut(value, "/")
	from, target, planned := strings.Cut(value, ">")
	d.config.Components = append(d.config.Components, agent.ComponentConfig{ID: id, Type: ota.Module, Release: d.factory})
	d.versions[id], d.restart[id] = from, firmware.RestartNone
	if restart != "" {
		d.restart[id] = firmware.Restart(restart)
	}
	if planned {
		d.parts = append(d.parts, ota.PlanComponent{ID: id, Type: ota.Module, Package: ota.Full, Target: target, Size: 4096})
		if d.delta {
			last := &d.parts[len(d.parts)-1]
			last.Package, last.Sources = ota.Delta, []string{from}
		}
	}
}

func number(t *testing.T, text string) *int {
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return &n
}

// openText plays the verification of signatures. The payload of an envelope is
// "component>target", with "!code" behind it for one that is refused, or with
// "+what" for one that says something else than it should.
func openText(e ota.Envelope) (*ota.Manifest, error) {
	text, code, _ := strings.Cut(string(e.Payload), "!")
	if code != "" {
		return nil, &ota.Failure{Code: ota.Code(code)}
	}
	text, twist, _ := strings.Cut(text, "+")
	component, target, _ := strings.Cut(text, ">")
	m := &ota.Manifest{
		Product: "gw-200", Component: component, Type: ota.Module, Package: ota.Full, Target: target, Release: 7,
		Files: []ota.File{{Name: "image", Size: 4096, Chunk: 4096, Chunks: make([]ota.Digest, 1),
			SHA256: ota.Digest{1, text[0]}}},
	}
	switch twist {
	case "product":
		m.Product = "gw-100"
	case "target":
		m.Target = "9"
	case "delta":
		m.Package, m.Source, m.Files[0].SHA256[0] = ota.Delta, "1", 3
	case "weeks": // three from now
		m.Expires = epoch.Add(3 * 7 * 24 * time.Hour)
	case "signedlater":
		m.Created = epoch.Add(4 * 7 * 24 * time.Hour)
	case "mcu":
		m.Type = ota.MCU
	case "hardware":
		m.Hardware = []string{"b", "c"}
	case "expired":
		m.Expires = epoch
	case "old":
		m.Release = 6
	case "oldallowed":
		m.Release, m.AllowDowngrade, m.Expires = 6, true, epoch.Add(24*time.Hour)
	case "oldonce":
		m.Release, m.AllowDowngrade, m.Expires = 6, true, epoch
	case "oldforever":
		m.Release, m.AllowDowngrade = 6, true
	case "highest":
		m.Release = 1<<63 - 1
	case "lie": // of a build machine whose clock is wrong
		m.Created = epoch.Add(70 * 365 * 24 * time.Hour)
	case "other":
		m.Files[0].SHA256[0] = 2
	case "file":
		m.Files[0].Name = "another"
	case "two":
		m.Files = append(m.Files, m.Files[0])
	}
	return m, nil
}

func (d *driver) plan(id string, attempt int) *ota.Plan {
	return &ota.Plan{
		Time: epoch, ID: id, Name: "spring", Attempt: attempt, Mode: ota.Silent, Ends: epoch.Add(30 * 24 * time.Hour),
		Conditions: d.needs, OnFailure: d.policy, Components: d.parts,
	}
}

// pkg makes an address. twist stands behind the manifest's text, see openText.
func (d *driver) pkg(plan, component, twist string, attempt int) *ota.Package {
	target := "2"
	for _, c := range d.parts {
		if c.ID == component {
			target = c.Target
		}
	}
	return &ota.Package{
		Time: epoch, Plan: plan, Attempt: attempt, Component: component,
		Envelope: ota.Envelope{Payload: []byte(component + ">" + target + twist)},
		Files:    []ota.FileAddress{{Name: "image", URLs: []string{"https://oss.example.com/" + component}}},
	}
}

// boot starts the agent from what it saved.
func (d *driver) boot() {
	d.machine = agent.New(ota.Identity{Product: "gw-200", Device: "gw-0001"}, &d.config, d.saved)
	d.effects, d.timer, d.connected = effects{}, time.Time{}, false
	booted := agent.Booted{BootID: strconv.Itoa(d.boots), Readings: d.readings}
	for _, c := range d.config.Components {
		booted.Components = append(booted.Components, agent.Found{ID: c.ID, Version: d.versions[c.ID],
			Package: d.urlCache[c.ID]})
	}
	d.input(booted)
}

// stopNow ends the agent: with the power, or alone.
func (d *driver) stopNow(scope firmware.Restart) {
	if scope == firmware.RestartSystem {
		d.boots++
	}
	if scope == firmware.RestartSystem || d.owed == firmware.RestartProcess {
		for id, version := range d.next {
			d.versions[id] = version
		}
		d.next = map[string]string{}
	}
	d.machine, d.owed = nil, ""
}

// input gives the machine one input, executes what it says as far as that has
// an effect here, and writes it down.
func (d *driver) input(in agent.Input) {
	words := d.give(in)
	d.seen = append(d.seen, words...)
	d.groups = append(d.groups, strings.Join(words, " "))
}

// give gives the machine one input, and the readings that it asks for.
func (d *driver) give(in agent.Input) (words []string) {
	d.effects.hear(in)
	outputs := d.machine.Handle(d.now, in)
	require.NoError(d.t, d.effects.take(outputs))
	for _, out := range outputs {
		d.execute(out)
		if _, is := out.(agent.Measure); is {
			words = append(words, d.give(agent.Measured{Readings: d.readings})...)
		} else if word := d.describe(out); word != "" {
			words = append(words, word)
		}
	}
	return words
}

func (d *driver) execute(out agent.Output) {
	switch out := out.(type) {
	case agent.Save:
		d.saved = out.State
	case agent.SetTimer:
		d.timer = out.At
	case agent.Fetch:
		d.urlCache[out.Package.Component], d.started = out.Package, false
	case agent.Forget:
		delete(d.urlCache, out.Component)
	case agent.Restart:
		d.owed = out.Scope
	case agent.Send:
		require.True(d.t, d.connected, "%T is sent without a connection", out.Message)
		switch message := out.Message.(type) {
		case *ota.Report:
			require.NoError(d.t, d.ledger.take(message))
		case *ota.Decision:
			if message.Accept {
				d.asked = d.first()
			}
		}
	}
}

// first is the component whose turn it is.
func (d *driver) first() string {
	for _, c := range d.parts {
		if !d.ledger.account("p1").status[c.ID].Done() {
			return c.ID
		}
	}
	return ""
}

// describe gives the word for an output; empty for timers, unless they are
// asked for.
func (d *driver) describe(out agent.Output) string {
	switch out := out.(type) {
	case agent.Save:
		return "save"
	case agent.Send:
		return describeMessage(out.Message)
	case agent.SetTimer:
		return d.describeTimer(out)
	case agent.Ask:
		return "ask-operator"
	case agent.Cancel:
		return "cancel"
	case agent.Note:
		return "note:" + describeMessage(&out.Report)
	case agent.Fetch:
		return "fetch:" + out.Job.Component
	case agent.Stage:
		return "stage:" + out.Job.Component
	case agent.Activate:
		return "activate:" + out.Job.Component
	case agent.Restart:
		return "restart:" + string(out.Scope)
	case agent.CheckHealth:
		return "health:" + out.Job.Component
	case agent.Confirm:
		return "confirm:" + out.Job.Component
	case agent.Revert:
		return "revert:" + out.Job.Component
	case agent.Forget:
		return "forget:" + out.Component
	}
	return fmt.Sprintf("%T?", out)
}

func (d *driver) describeTimer(out agent.SetTimer) string {
	switch {
	case !d.timers:
		return ""
	case out.At.IsZero():
		return "timer:off"
	}
	return "timer+" + strings.Replace(strings.Replace(out.At.Sub(d.now).String(), "m0s", "m", 1), "h0m", "h", 1)
}

func describeMessage(message ota.Up) string {
	// The plan p1 and its first attempt go without saying.
	about := func(plan string, attempt int) (prefix, suffix string) {
		if plan != "p1" {
			prefix = plan + "/"
		}
		if attempt != 1 {
			suffix = "@" + strconv.Itoa(attempt)
		}
		return prefix, suffix
	}
	switch m := message.(type) {
	case *ota.Inventory:
		if m.Trouble != "" {
			return "inventory!" + strings.TrimPrefix(m.Trouble, "cannot save the state: ")
		}
		word := "inventory"
		if m.Request {
			word += "?"
		}
		if m.Running != nil {
			prefix, suffix := about(m.Running.Plan, m.Running.Attempt)
			word += fmt.Sprintf(":%srunning%s#%d", prefix, suffix, m.Running.Seq)
		}
		return word
	case *ota.Decision:
		prefix, suffix := about(m.Plan, m.Attempt)
		if m.Accept {
			return prefix + "accept" + suffix
		}
		return prefix + "refuse:" + string(m.Reason) + suffix
	case *ota.Report:
		prefix, suffix := about(m.Plan, m.Attempt)
		word := prefix + m.Component + "=" + m.Status.String() + suffix
		if m.Failure != nil {
			word += "(" + string(m.Failure.Code) + ")"
		}
		return word
	case *ota.Progress:
		return "progress:" + m.Component
	case *ota.AddressRequest:
		_, suffix := about(m.Plan, m.Attempt)
		return "ask:" + m.Component + "(" + string(m.Reason) + ")" + suffix
	}
	return fmt.Sprintf("%T?", message)
}
