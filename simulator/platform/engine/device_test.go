package engine_test

import (
	"fmt"
	"strings"

	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
)

var shortStatus = map[string]ota.Status{
	"recv": ota.PlanReceived, "conf": ota.UpgradeConfirmed, "ready": ota.ReadyToDownload, "down": ota.Downloading,
	"got": ota.DownloadSucceeded, "dlfail": ota.DownloadFailed, "upg": ota.Upgrading, "ok": ota.UpgradeSucceeded,
	"fail": ota.UpgradeFailed, "none": ota.NoUpdateRequired,
}

func (s *script) device(key string) *scripted {
	d := s.devices[key]
	if d == nil {
		d = &scripted{plan: "p", attempt: 1, seq: map[string]int{}, versions: map[string]string{"A": "1", "B": "1"}}
		s.devices[key] = d
	}
	return d
}

func (s *script) deviceSays(key string, w []string) {
	d := s.device(key)
	plan := d.plan
	if len(w) > 1 && (w[0] == "yes" || w[0] == "no" || w[0] == "take") {
		plan = w[1]
	}
	switch w[0] {
	case "on", "ask":
		s.says(key, d.inventory(w[0] == "ask", w[1:]))
	case "off":
		s.says(key, &ota.Offline{})
	case "yes":
		s.says(key, &ota.Decision{Time: s.now, Plan: plan, Attempt: d.attempt, Accept: true})
	case "no":
		s.says(key, &ota.Decision{Time: s.now, Plan: plan, Attempt: d.attempt, Reason: ota.ReasonBattery})
	case "take":
		d.plan = plan
		s.all(fmt.Sprintf("%[1]s A:recv; %[1]s B:recv; %[1]s yes; %[1]s A:conf; %[1]s B:conf", key))
	case "full":
		s.says(key,
			&ota.AddressRequest{Time: s.now, Plan: plan, Attempt: d.attempt, Component: w[1], Reason: ota.AddressFull})
	case "fetch":
		s.says(key,
			&ota.AddressRequest{Time: s.now, Plan: plan, Attempt: d.attempt, Component: w[1], Reason: ota.AddressMissing})
	case "progress":
		s.says(key,
			&ota.Progress{Plan: plan, Component: w[1], Phase: ota.PhaseDownloading, Done: int64(s.number(w[2])), Total: 100})
	default:
		s.reports(key, w)
	}
}

// reports sends one report, or the reports of a whole upgrade.
func (s *script) reports(key string, w []string) {
	d := s.device(key)
	if id, whole := strings.CutSuffix(w[0], "+"); whole {
		d.versions[id] = "2"
		s.all(fmt.Sprintf("%[1]s %[2]s:ready; %[1]s %[2]s:down; %[1]s %[2]s:got; %[1]s %[2]s:upg; %[1]s %[2]s:ok", key, id))
		return
	}
	if id, code, failed := strings.Cut(w[0], "!"); failed {
		s.all(
			fmt.Sprintf("%[1]s %[2]s:ready; %[1]s %[2]s:down; %[1]s %[2]s:got; %[1]s %[2]s:upg; %[1]s %[2]s:fail:%[3]s", key, id,
				code),
		)
		return
	}
	r := &ota.Report{Time: s.now, Plan: d.plan, Attempt: d.attempt}
	if number, explicit := strings.CutPrefix(w[0], "#"); explicit {
		r.Seq, w = s.number(number), w[1:]
	} else {
		d.seq[d.plan]++
		r.Seq = d.seq[d.plan]
	}
	part := strings.Split(w[0], ":")
	status, known := shortStatus[part[1]]
	require.True(s.t, known, "no such statement: %v", w)
	r.Component, r.Status = part[0], status
	if len(part) == 3 {
		r.Failure = &ota.Failure{Code: ota.Code(part[2])}
	}
	s.says(key, r)
}

func (d *scripted) inventory(request bool, w []string) *ota.Inventory {
	in := &ota.Inventory{Request: request}
	for _, word := range w {
		if plan, runs := strings.CutPrefix(word, "runs="); runs {
			in.Running = &ota.Running{Plan: plan, Attempt: d.attempt, Seq: d.seq[plan]}
		} else if via, sub := strings.CutPrefix(word, "via="); sub {
			in.Via = via
		} else {
			d.versions[word[:1]] = word[1:]
		}
	}
	for _, id := range []string{"A", "B", "C"} {
		kind := ota.Module
		if id == "B" {
			kind = ota.MCU
		}
		if v := d.versions[id]; v != "" {
			in.Components = append(in.Components, ota.ComponentVersion{ID: id, Type: kind, Version: v})
		}
	}
	return in
}

func (s *script) says(key string, m ota.Up) {
	s.note(s.engine.Handle(s.now, engine.Message{Device: identity(key), Message: m}))
}

// note appends outputs to the trace, and lets devices remember the attempt.
func (s *script) note(out []engine.Output) {
	for _, o := range out {
		word := s.word(o)
		if word == "" {
			continue
		}
		if s.tick {
			word = s.now.Format("15:04:05 ") + word
			word = strings.Replace(word, ":00 ", " ", 1)
		}
		s.trace = append(s.trace, word)
	}
}

func (s *script) word(o engine.Output) string {
	switch o := o.(type) {
	case engine.Send:
		return s.messageWord(o.Device.Device, o.Message)
	case engine.Issue:
		s.device(o.Device.Device).attempt, s.issued = o.Attempt, o.Package
		return fmt.Sprintf("%s<%s/%d:%s", o.Device.Device, o.Component, o.Attempt, o.Reason)
	case engine.Changed:
		return fmt.Sprintf("%s=%s", o.Device.Device, strings.ReplaceAll(o.To.Name(), " ", ""))
	case engine.PlanChanged:
		return fmt.Sprintf("%s=%s", o.Plan, strings.ReplaceAll(string(o.Status), " ", ""))
	case engine.Recorded:
		if s.show["arrivals"] {
			return fmt.Sprintf("%s?%d:%s", o.Device.Device, o.Report.Seq, o.Arrival)
		}
	}
	return ""
}

func (s *script) messageWord(key string, m ota.Down) string {
	switch m := m.(type) {
	case *ota.Plan:
		s.device(key).attempt = m.Attempt
		return fmt.Sprintf("%s<%s/%d", key, m.ID, m.Attempt)
	case *ota.NoPlan:
		return fmt.Sprintf("%s<none:%s", key, m.Reason)
	case *ota.Termination:
		return fmt.Sprintf("%s<%s", key, m.Reason)
	case *ota.Ack:
		if s.show["acks"] {
			return fmt.Sprintf("%s<ack:%d", key, m.Seq)
		}
	}
	return ""
}
