package agent_test

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/firmware"
	"otafleet/internal/ota"
)

// play gives the inputs of a script, separated by ";". Each is a word, mostly
// with a value behind a colon and an attempt behind "@":
//
//	connect, disconnect, boot, check, yes, no, terminate, end, none
//	cut, crash       the power goes, the agent alone ends; then boot
//	plan@2, p2/plan  a plan arrives; bad is one that cannot be read
//	pkg:app@2        an address arrives, with the twists of openText
//	sent:720h        what the platform sends from now on says that it is so much later
//	started, progress, ok, ok:system, fail:CODE, need:REASON
//	                 what the running effect says
//	runs:app=1       the component runs something else; silent without version
//	ack, ack:3       all reports, or those up to a number, are stored
//	battery:20       a reading is measured
//	wait:30s         time passes, the timer rings if it is due
//	clock:-24h       the clock is set
//	drop:app, type:app   the configuration changes before the next boot
//	add:app          the same
//	keep:app         an address is on the disk that should be forgotten
//	pause, resume    the operator wants nothing new, and takes it back
//	install:app      the operator installs a package file, with the twists of openText
//	late             every result of an effect that was cancelled
//	again            the agent hears once more that it has started
//	lose:app         the kept address of a component is damaged
func (d *driver) play(script string) {
	for _, word := range strings.Split(script, ";") {
		if word = strings.TrimSpace(word); word != "" {
			d.word(word)
		}
	}
}

func (d *driver) word(word string) {
	plan, word, found := strings.Cut(word, "/")
	if !found {
		plan, word = "p1", plan
	}
	word, attemptText, found := strings.Cut(word, "@")
	attempt := 1
	if found {
		attempt = *number(d.t, attemptText)
	}
	name, value, _ := strings.Cut(word, ":")
	switch name {
	case "plan", "bad", "pkg", "badpkg", "terminate", "end", "none", "ack", "connect", "disconnect":
		d.fromPlatform(name, value, plan, attempt)
	case "started", "progress", "ok", "fail", "need":
		d.fromEffect(name, value)
	default:
		d.fromDevice(name, value)
	}
}

func (d *driver) fromPlatform(name, value, plan string, attempt int) {
	receive := func(message ota.Down) { d.input(agent.Received{Message: message}) }
	switch name {
	case "connect":
		d.connected = true
		d.input(agent.Connected{})
	case "disconnect":
		d.connected = false
		d.input(agent.Disconnected{})
	case "plan":
		d.attempt = attempt
		receive(d.plan(plan, attempt))
	case "badpkg":
		d.input(agent.BadPackage{Plan: plan, Attempt: attempt, Component: value,
			Detail: "files[0].name: must be a file name"})
	case "bad":
		d.input(agent.BadPlan{Plan: plan, Attempt: attempt, Detail: "components: must be 1 to 20"})
	case "pkg":
		component, twist := value, ""
		if i := strings.IndexAny(value, "!+"); i >= 0 {
			component, twist = value[:i], value[i:]
		}
		d.attempt = max(d.attempt, attempt)
		p := d.pkg(plan, component, twist, attempt)
		p.Time = p.Time.Add(d.ahead)
		receive(p)
	case "terminate":
		receive(&ota.Termination{Time: d.now, Plan: plan, Reason: ota.Terminated})
	case "end":
		receive(&ota.Termination{Time: d.now, Plan: plan, Reason: ota.Ended})
	case "none":
		receive(&ota.NoPlan{Time: d.now, Reason: ota.NoPlanNone})
	case "ack":
		seq := len(d.ledger.account(plan).reports)
		if value != "" {
			seq = *number(d.t, value)
		}
		receive(&ota.Ack{Plan: plan, Seq: seq})
	}
}

// answer is the operator's to the current plan, or to PLAN or PLAN+ATTEMPT.
func (d *driver) answer(accept bool, value string) agent.Decided {
	in := agent.Decided{Accept: accept, Attempt: 1, Targets: []string{}}
	if plan := d.machine.View().Plan; plan != nil {
		in.Plan, in.Attempt = plan.ID, plan.Attempt
		for _, c := range plan.Components {
			in.Targets = append(in.Targets, c.Target)
		}
	}
	if plan, attempt, given := strings.Cut(value, "+"); value != "" {
		in.Plan = plan
		if given {
			in.Attempt = *number(d.t, attempt)
		}
	}
	if !accept {
		in.Detail = "not now"
	}
	return in
}

func (d *driver) fromDevice(name, value string) {
	switch name {
	case "boot":
		d.boot()
	case "cut":
		d.stopNow(firmware.RestartSystem)
	case "crash":
		d.stopNow(firmware.RestartProcess)
	case "check":
		d.input(agent.CheckRequested{})
	case "yes":
		d.input(d.answer(true, value))
	case "no":
		d.input(d.answer(false, value))
	case "abandon":
		d.input(agent.Abandon{Plan: d.machine.View().Plan.ID, Detail: value})
	case "battery":
		d.readings.Battery = number(d.t, value)
		d.input(agent.Measured{Readings: d.readings})
	case "busy":
		d.readings.Busy = value == "on"
		d.input(agent.Measured{Readings: d.readings})
	case "pause":
		d.input(agent.PauseRequested{Reason: value})
	case "resume":
		d.input(agent.ResumeRequested{})
	case "install":
		d.input(d.local(value))
	case "again":
		d.input(agent.Booted{BootID: "again"})
	case "late":
		d.late()
	case "wait":
		d.wait(value)
	case "sent":
		d.ahead = duration(d.t, value)
	case "clock":
		d.now = d.now.Add(duration(d.t, value))
	default:
		d.withDisk(name, value)
	}
}

func duration(t require.TestingT, text string) time.Duration {
	long, err := time.ParseDuration(text)
	require.NoError(t, err)
	return long
}

// withDisk changes what the agent finds at its next start.
func (d *driver) withDisk(name, value string) {
	switch name {
	case "runs":
		id, version, _ := strings.Cut(value, "=")
		d.versions[id] = version
		delete(d.next, id)
	case "drop":
		d.config.Components = slices.DeleteFunc(d.config.Components,
			func(c agent.ComponentConfig) bool { return c.ID == value })
	case "lose":
		delete(d.urlCache, value)
	case "keep":
		id, twist, _ := strings.Cut(value, "+")
		if twist != "" {
			twist = "+" + twist
		}
		d.urlCache[id] = d.pkg("p1", id, twist, 1)
	case "add":
		d.config.Components = append(d.config.Components, agent.ComponentConfig{ID: value, Type: ota.Module})
		d.versions[value] = "1"
	case "type":
		for i := range d.config.Components {
			if d.config.Components[i].ID == value {
				d.config.Components[i].Type = ota.MCU
			}
		}
	default:
		require.FailNow(d.t, "unknown word", name)
	}
}

// late gives every result of the effect before the running one.
func (d *driver) late() {
	op := d.effects.op - 1
	for _, in := range []agent.Input{
		agent.FetchStarted{Op: op}, agent.FetchProgressed{Op: op, Total: 1}, agent.Fetched{Op: op}, agent.Staged{Op: op},
		agent.Activated{Op: op}, agent.HealthChecked{Op: op}, agent.Confirmed{Op: op}, agent.RevertDone{Op: op},
		agent.Confirmed{},
	} {
		d.input(in)
	}
}

// wait lets time pass and rings the timer whenever it is due.
func (d *driver) wait(value string) {
	days, isDays := strings.CutSuffix(value, "d")
	long, err := time.ParseDuration(value)
	if isDays {
		n, convErr := strconv.Atoi(days)
		long, err = time.Duration(n)*24*time.Hour, convErr
	}
	require.NoError(d.t, err)
	until := d.now.Add(long)
	for !d.timer.IsZero() && !d.timer.After(until) {
		d.now, d.timer = d.timer, time.Time{}
		d.input(agent.Tick{})
	}
	d.now = until
}

// fromEffect answers for the running effect.
func (d *driver) fromEffect(name, value string) {
	op := d.effects.op
	switch name {
	case "started":
		d.started = true
		d.input(agent.FetchStarted{Op: op})
		return
	case "progress":
		d.input(agent.FetchProgressed{Op: op, Done: 1024, Total: 4096})
		return
	}
	running := d.effects.running
	require.NotNil(d.t, running, "no effect is running")
	var failure *ota.Failure
	if name == "fail" {
		failure = &ota.Failure{Code: ota.Code(value), Detail: "as told"}
	}
	switch out := running.(type) {
	case agent.Fetch:
		result := agent.Fetched{Op: op, Failure: failure}
		if name == "need" {
			result.Need = ota.AddressReason(value)
		}
		d.input(result)
	case agent.Stage:
		d.input(agent.Staged{Op: op, Failure: failure})
	case agent.Activate:
		restart := d.becomes(out.Job.Component, out.Job.Target, value, failure)
		d.input(agent.Activated{Op: op, Restart: restart, Failure: failure})
	case agent.CheckHealth:
		d.input(agent.HealthChecked{Op: op, Version: d.versions[out.Job.Component], Failure: failure})
	case agent.Confirm:
		d.input(agent.Confirmed{Op: op, Failure: failure})
	case agent.Revert:
		restart := d.becomes(out.Job.Component, out.Job.Source, value, failure)
		d.input(agent.RevertDone{Op: op, Restart: restart, Version: d.versions[out.Job.Component], Failure: failure})
	case agent.Restart:
		d.owed = ""
		d.input(agent.RestartMissed{Op: op, Detail: "as told"})
	}
}

// becomes lets a component run another version: now, or after a restart.
func (d *driver) becomes(component, version, restart string, failure *ota.Failure) firmware.Restart {
	switch {
	case restart == "silent":
		d.versions[component] = ""
		return firmware.RestartNone
	case failure != nil:
		return firmware.RestartNone
	case restart == "" || restart == "none":
		d.versions[component] = version
		return firmware.RestartNone
	}
	d.next[component] = version
	return firmware.Restart(restart)
}

// to goes on as a device does for which all is well, until the trace has a
// word. Then the platform has every report.
func (d *driver) to(word string) {
	for range 200 {
		if slices.Contains(d.seen, word) {
			d.play("ack")
			return
		}
		d.play(d.allWell())
	}
	require.FailNow(d.t, "never comes", "%s in %v", word, d.seen)
}

// allWell is what happens next if nothing goes wrong.
func (d *driver) allWell() string {
	switch {
	case d.machine == nil && d.saved == nil:
		return "boot"
	case d.owed == firmware.RestartSystem:
		return "cut; boot"
	case d.owed == firmware.RestartProcess:
		return "crash; boot"
	case !d.connected:
		return "connect"
	case d.ledger["p1"] == nil:
		return "plan"
	}
	switch out := d.effects.running.(type) {
	case nil:
		return "pkg:" + d.first() + "@" + strconv.Itoa(d.attempt)
	case agent.Fetch:
		if !d.started {
			return "started"
		}
	case agent.Activate:
		return "ok:" + string(d.restart[out.Job.Component])
	}
	return "ok"
}
