package quecthing_test

import (
	"crypto/md5" //nolint:gosec // the wire names files by it
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"otafleet/agent"
	"otafleet/agent/link/quecthing"
	"otafleet/firmware"
	"otafleet/internal/ota"
	wire "otafleet/internal/quecthing"
	"otafleet/internal/quecthing/trial"
)

// line does what a line of the recording does to the device.
func (p *player) line(i int, l trial.Line) {
	switch c := l.Content.(type) {
	case trial.Boot:
		p.boot(i)
	case trial.Exit:
		p.x, p.fetch, p.stage, p.activate, p.asks, p.later, p.timer = nil, nil, nil, nil, false, nil, time.Time{}
	case trial.Call:
		p.call(c)
	case trial.Answer:
		p.answered(c.Text)
	default:
		p.wire(l)
	}
}

// wire does what the connection does.
func (p *player) wire(l trial.Line) {
	if p.x == nil {
		return
	}
	switch c := l.Content.(type) {
	case trial.Connack:
		if c.Code != 0 && p.asks {
			p.asks = false
			p.x.Refused(p.now, byte(c.Code))
		}
	case trial.Suback:
		if p.asks {
			p.asks = false
			p.x.Connected(p.now)
		}
	case trial.Closed:
		p.asks = false
		p.x.Lost(p.now, errors.New("lost"))
	case trial.Publish:
		if l.Who == trial.Down && wire.IsDownlink("qdp1115X866123456789012", c.Topic) {
			p.heard(c.Payload)
		}
	case trial.Event:
		if c.Class == 7 && c.Code == 10702 && p.fetch != nil && !p.answers {
			p.begun()
		}
	case trial.Request:
		p.requested(c)
	default:
		switch {
		case strings.HasPrefix(l.Text, "REBOOT") && p.activate != nil:
			a := p.activate
			p.activate, p.versions["MOD"] = nil, p.next
			p.input(agent.Activated{Op: a.Op, Restart: firmware.RestartSystem})
		case strings.HasPrefix(l.Text, "TCP connect"):
			p.fetched(&ota.Failure{Code: ota.NetworkTimeout})
		case strings.HasPrefix(l.Text, "TCP open"):
			p.opened = true
		}
	}
	p.deliver()
}

// heard has the device hear a message. What an address without a plan brings is
// accepted: the recorded application is not asked.
func (p *player) heard(payload []byte) {
	asked := p.asked
	p.x.Heard(p.now, payload)
	p.deliver()
	p.x.Handled(p.now)
	if f, _ := wire.DecodeFrame(payload); f.Command == wire.UpgradeFile && p.asked != asked {
		p.pump()
		p.decide(true)
	}
}

// requested waits for the answer of a server that gives one later.
func (p *player) requested(r trial.Request) {
	p.answers = true
	var seconds int
	if _, err := fmt.Sscanf(r.Path, "/delay?s=%d", &seconds); err == nil {
		p.after(time.Duration(seconds)*time.Second, func() { p.answered("200 OK") })
	}
}

// begun is a download of which the recording has no request: there was none, since
// the address leads nowhere.
func (p *player) begun() {
	fetch := p.fetch
	p.after(20*time.Millisecond, func() {
		if p.fetch == fetch && !p.opened {
			p.fetched(&ota.Failure{Code: ota.NetworkTimeout})
		}
	})
}

// decide gives the operator's answer, if one is waited for.
func (p *player) decide(accept bool) {
	if plan := p.asked; plan != nil {
		p.asked = nil
		if accept {
			p.accepted = plan
		}
		p.input(agent.Decided{Accept: accept, Plan: plan.ID, Attempt: plan.Attempt, Targets: plan.Targets()})
	}
}

// boot starts the device with the versions that the recorded one says it has.
func (p *player) boot(i int) {
	for _, l := range p.trial.Lines[i:] {
		c, is := l.Content.(trial.Publish)
		if !is || l.Who != trial.Up {
			continue
		}
		f, _ := wire.DecodeFrame(c.Payload)
		if items, _ := wire.DecodeItems(f.Payload); f.Command == wire.DeviceInfo {
			p.versions = map[string]string{"MOD": items.Text(wire.InfoVersion)}
			for _, v := range wire.ParseVersions(items.Text(wire.InfoVersions)) {
				p.versions[v.Component] = v.Version
			}
			break
		}
	}
	for component, version := range map[string]string{"STM32": "1_0_0", "ESP": "7", "OTHER": "1_0_0"} {
		if hidden(p.trial, component) && p.versions[component] == "" {
			p.versions[component] = version
		}
	}
	components := []agent.ComponentConfig{{ID: "MOD", Type: ota.Module}, {ID: "STM32", Type: ota.MCU},
		{ID: "ESP", Type: ota.MCU}, {ID: "OTHER", Type: ota.MCU}}
	config := &agent.Config{Agent: "a", Components: components, AskFirst: true, Platform: &agent.PlatformTrust{
		WeakDigests: true}, Open: func(ota.Envelope) (*ota.Manifest, error) { return nil, errors.New("unsigned") }}
	id := ota.Identity{Product: "p1115X", Device: "866123456789012"}
	p.m = agent.New(id, config, p.saved)
	p.x = quecthing.NewExchange(quecthing.Settings{Identity: id, Secret: p.secret, Model: "POSIX01",
		ICCID: "89860000000000000001", Draw: func() float64 { return 0 }, OnFailure: ota.Continue})
	p.id = 0
	p.said = append(p.said, "boot")
	free := int64(1000000)
	if flash, err := strconv.ParseInt(p.trial.Env["FLASH"], 10, 64); err == nil {
		free = flash
	}
	p.readings = agent.Readings{Battery: new(77), RSSI: new(-71), FreeBytes: &free}
	booted := agent.Booted{BootID: fmt.Sprint(i), Readings: p.readings}
	for _, c := range components {
		booted.Components = append(booted.Components, agent.Found{ID: c.ID, Version: p.versions[c.ID],
			Package: p.kept[c.ID]})
	}
	p.input(booted)
}

// call does what the application is asked for.
func (p *player) call(c trial.Call) {
	if p.x == nil || len(c) == 0 {
		return
	}
	switch strings.Join(c[:min(2, len(c))], " ") {
	case "action 1", "action 0":
		p.decide(c[1] == "1")
	case "action 3":
		p.staged(nil)
	case "request 0":
		p.input(agent.CheckRequested{})
	case "apply ok":
		p.apply, p.next = -1, c[2]
	default:
		switch c[0] {
		case "apply":
			p.apply, _ = strconv.Atoi(c[1])
		case "mcuver":
			p.runs(c[1], c[2])
		}
	}
}

// runs says what an MCU component runs now: the end of its upgrade, whatever it is.
func (p *player) runs(component, version string) {
	upgrading := p.activate != nil && p.activate.Job.Component == component ||
		p.stage != nil && p.stage.Job.Component == component
	switch {
	case !upgrading && p.versions[component] == "":
		p.versions[component] = version
		p.input(agent.Inspected{Component: component, Version: version})
		return
	case !upgrading:
		// What the operator does who ends an upgrade.
		if plan := p.accepted; plan != nil && plan.Component(component) >= 0 {
			p.accepted = nil
			p.input(agent.Abandon{Plan: plan.ID})
		}
		return
	case p.stage != nil && p.stage.Job.Target != version:
		p.staged(&ota.Failure{Code: ota.InstallerFailed})
		return
	case p.stage != nil:
		p.staged(nil)
		p.after(0, func() { p.runs(component, version) })
		p.until(p.now.Add(time.Millisecond))
		return
	}
	p.versions[component] = version
	a := p.activate
	p.activate = nil
	p.after(0, func() { p.input(agent.Activated{Op: a.Op}) })
}

// content is the file that the recording's server has, of a size.
func content(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i*7 + i/251)
	}
	return b
}

// answered does what the download server does: it answers, and the file comes.
func (p *player) answered(text string) {
	if p.fetch == nil || p.x == nil {
		return
	}
	var size, of int
	var seconds float64
	_, _ = fmt.Sscanf(text, "206 Partial Content, %d of %d bytes", &size, &of)
	wait, found := time.Duration(0), true
	for _, form := range []string{"206 Partial Content slowly over %fs", "206 Partial Content, half, pause %fs, rest",
		"206 Partial Content, half of it steadily over 11 s, pause %fs, rest"} {
		if _, err := fmt.Sscanf(text, form, &seconds); err == nil {
			wait = time.Duration(seconds * float64(time.Second))
		}
	}
	failure := &ota.Failure{Code: ota.NetworkTimeout}
	switch {
	case strings.HasPrefix(text, "(nothing)"):
		p.after(5*time.Second, func() { p.fetched(failure) })
		return
	case strings.HasPrefix(text, "206"), strings.HasPrefix(text, "200"), strings.Contains(text, "Content-Length"),
		strings.Contains(text, "HTTP/1.0"), strings.Contains(text, "chunked"):
	case strings.HasPrefix(text, "302"), strings.HasPrefix(text, "404"), strings.HasPrefix(text, "416"),
		strings.HasPrefix(text, "500"):
		p.fetched(&ota.Failure{Code: ota.HTTPError})
		return
	default:
		return
	}
	p.input(agent.FetchStarted{Op: p.fetch.Op})
	switch {
	case strings.HasSuffix(text, "then silence"):
		wait, found = 10*time.Second+10*time.Millisecond, false
	case strings.HasSuffix(text, "then close"), strings.Contains(text, "smaller"):
		found = false
	}
	fetch := p.fetch
	p.after(wait, func() {
		if p.fetch != fetch {
			return
		}
		if found {
			failure = p.wrong(fetch)
		}
		p.fetched(failure)
	})
}

// wrong says whether the file is the one that was claimed.
func (p *player) wrong(fetch *agent.Fetch) *ota.Failure {
	f := fetch.Job.Files[0]
	sum := md5.Sum(content(int(f.Size))) //nolint:gosec // as above
	if f.Claimed != nil && f.Claimed.Kind == ota.MD5 && f.Claimed.Hex != hex.EncodeToString(sum[:]) {
		return &ota.Failure{Code: ota.DigestMismatch}
	}
	return nil
}

func (p *player) fetched(failure *ota.Failure) {
	if f := p.fetch; f != nil && p.x != nil {
		p.fetch = nil
		p.input(agent.Fetched{Op: f.Op, Failure: failure, Found: ota.Digest{1}})
	}
}

// hidden reports whether the recording's application has not said what a component runs.
// It may upgrade it all the same; an agent knows what it runs, or refuses the plan.
func hidden(tr *trial.Trial, component string) bool {
	return tr.Variant != "C" && !strings.Contains(tr.Env["MCU"], component)
}

// visible is a version list without components of which the recording's application
// has not spoken.
func visible(tr *trial.Trial, text string) string {
	list := slices.DeleteFunc(wire.ParseVersions(text), func(v wire.Version) bool { return hidden(tr, v.Component) })
	return wire.FormatVersions(list)
}

// describe puts a message into words, without its number.
func describe(tr *trial.Trial, channel wire.Channel, qos int, f wire.Frame) string {
	items, _ := wire.DecodeItems(f.Payload)
	for i := range items {
		if id := items[i].ID; f.Command == wire.DeviceInfo && id == wire.InfoVersions ||
			f.Command != wire.DeviceInfo && id == wire.ModuleVersions {
			items[i] = wire.Text(id, visible(tr, items.Text(id)))
		}
	}
	if f.Command != wire.DeviceInfo {
		items = slices.DeleteFunc(items, func(it wire.Item) bool {
			return it.ID == wire.ModuleVersions && len(it.Bytes) == 0
		})
	}
	if f.Command == wire.DeviceInfo || f.Command == wire.UpgradeStatus || f.Command == wire.UpgradeAsk {
		f.Payload = items.Encode()
	}
	if f.Command == wire.UpgradeStatus {
		code, _ := items.Int(wire.StatusCode)
		return fmt.Sprintf("%d %s/%d %x", code, channel, qos, f.Payload)
	}
	if f.Command == wire.DeviceStatus { // no agent measures the voltage
		items = slices.DeleteFunc(items, func(it wire.Item) bool { return it.ID == wire.Voltage })
		return fmt.Sprintf("%s %s/%d %x", f.Command, channel, qos, items.Encode())
	}
	return fmt.Sprintf("%s %s/%d %x", f.Command, channel, qos, f.Payload)
}

// recorded is what the device of the recording has sent: what is not of upgrades left
// out, and its second tries.
func recorded(tr *trial.Trial) (said []string) {
	last := ""
	for _, l := range tr.Lines {
		if _, is := l.Content.(trial.Boot); is {
			said, last = append(said, "boot"), ""
		}
		c, is := l.Content.(trial.Publish)
		if !is || l.Who != trial.Up {
			continue
		}
		_, channel, _ := wire.ParseUplink(c.Topic)
		f, err := wire.DecodeFrame(c.Payload)
		if err != nil || channel == wire.Bus || string(c.Payload) == last {
			continue
		}
		last = string(c.Payload)
		said = append(said, describe(tr, channel, c.QoS, f))
	}
	return said
}
