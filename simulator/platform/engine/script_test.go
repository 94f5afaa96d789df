package engine_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
)

// A script is a list of statements, separated by ";":
//
//	plan p key=value…     create and activate a plan; draft p … only creates it
//	activate|suspend|resume|terminate|delete|retire p
//	retry p [d1 d2]       RetryDevices
//	abandon p d1          Abandon
//	user d1 p confirm|cancel|retry|appoint FROM TO (clock times)
//	auto d1 on|off
//	at 10:10, wait 2h     let the time pass, with every Tick asked for
//	show acks|arrivals    trace these, too
//	d1 on|ask [A1 B2] [runs=p]   an inventory without and with a request; versions are remembered
//	d1 off, d1 yes|no [p], d1 fetch A, d1 full A (in the place of a delta), d1 progress A 30
//	d1 A:ready            a report with the next number; d1 A:fail:CODE, A:dlfail:CODE
//	d1 #3 A:ready         a report under that number
//	d1 take [p]           receive, agree and confirm every component
//	d1 A+, d1 A!CODE      a whole upgrade of A that succeeds, or fails at the end
//
// A "|" starts the trace: what stands before it is setup. Every output becomes
// one word of the trace; those of a Tick carry the time.
type script struct {
	t       testing.TB
	now     time.Time
	engine  *engine.Engine
	devices map[string]*scripted
	trace   []string
	show    map[string]bool
	tick    bool
	issued  string // the last package
}

// scripted is what a script's device remembers.
type scripted struct {
	plan     string
	seq      map[string]int
	attempt  int
	versions map[string]string
}

const (
	fleet     = "gw"
	startTime = "2026-03-02T10:03:00Z"
)

func newScript(t testing.TB) *script { return newScriptOn(t, engine.New()) }

func newScriptOn(t testing.TB, e *engine.Engine) *script {
	now, err := time.Parse(time.RFC3339, startTime)
	require.NoError(t, err)
	s := &script{t: t, now: now, engine: e, devices: map[string]*scripted{}, show: map[string]bool{}}
	for _, m := range []ota.Manifest{
		manifest("A", ota.Module, "", "2"), manifest("A", ota.Module, "1", "2"), manifest("A", ota.Module, "", "3"),
		manifest("B", ota.MCU, "", "2"), manifest("C", ota.Module, "", "2"),
	} {
		s.command(engine.AddPackage{Manifest: m, Reference: m.Component + m.Source + "-" + m.Target})
	}
	return s
}

func manifest(id string, kind ota.ComponentType, source, target string) ota.Manifest {
	m := ota.Manifest{
		Product: fleet, Component: id, Type: kind, Package: ota.Full, Target: target,
		Files: []ota.File{{Name: id + ".img", Size: 1 << 20}},
	}
	if source != "" {
		m.Package, m.Source = ota.Delta, source
	}
	return m
}

// run executes a script and returns its trace.
func run(t testing.TB, text string) string {
	s := newScript(t)
	setup, traced, found := strings.Cut(text, "|")
	if !found {
		setup, traced = "", text
	}
	s.all(setup)
	s.trace = nil
	s.all(traced)
	return strings.Join(s.trace, " ")
}

func (s *script) all(text string) {
	for _, statement := range strings.Split(text, ";") {
		if words := strings.Fields(statement); len(words) > 0 {
			s.statement(words)
		}
	}
}

// orders are the commands that need nothing but a plan.
var orders = map[string]func(plan string) engine.Command{
	"activate":  func(plan string) engine.Command { return engine.Activate{Plan: plan} },
	"suspend":   func(plan string) engine.Command { return engine.Suspend{Plan: plan} },
	"resume":    func(plan string) engine.Command { return engine.Resume{Plan: plan} },
	"terminate": func(plan string) engine.Command { return engine.Terminate{Plan: plan} },
	"retire":    func(plan string) engine.Command { return engine.Retire{Plan: plan} },
	"delete":    func(plan string) engine.Command { return engine.DeletePlan{Plan: plan} },
}

func (s *script) statement(w []string) {
	if order, known := orders[w[0]]; known {
		s.command(order(w[1]))
		return
	}
	switch w[0] {
	case "plan", "draft":
		s.command(engine.CreatePlan{Plan: s.spec(w[1], w[2:])})
		if w[0] == "plan" {
			s.command(engine.Activate{Plan: w[1]})
		}
	case "abandon":
		s.command(engine.Abandon{Plan: w[1], Device: w[2]})
	case "retry":
		s.command(engine.RetryDevices{Plan: w[1], Devices: w[2:]})
	case "user":
		s.user(w[1:])
	case "auto":
		s.command(engine.AutoConfirm{Device: identity(w[1]), On: w[2] == "on"})
	case "show":
		s.show[w[1]] = true
	case "at":
		s.pass(s.clock(w[1]))
	case "wait":
		s.pass(s.now.Add(s.duration(w[1])))
	default:
		s.deviceSays(w[0], w[1:])
	}
}

// clock is the next time at which the clock shows hh:mm.
func (s *script) clock(hhmm string) time.Time {
	c, err := time.Parse("15:04", hhmm)
	require.NoError(s.t, err)
	at := time.Date(s.now.Year(), s.now.Month(), s.now.Day(), c.Hour(), c.Minute(), 0, 0, time.UTC)
	if at.Before(s.now) {
		at = at.Add(24 * time.Hour)
	}
	return at
}

// pass lets the time go on to at, with every Tick that the engine asks for.
func (s *script) pass(at time.Time) {
	s.tick = true
	defer func() { s.tick = false }()
	for {
		next := s.engine.NextTick()
		if next.IsZero() || next.After(at) {
			break
		}
		if next.After(s.now) {
			s.now = next
		}
		s.note(s.engine.Handle(s.now, engine.Tick{}))
	}
	s.now = at
}

// planOptions are the words behind a plan's id.
var planOptions = map[string]func(s *script, spec *engine.PlanSpec, value string){
	"of":        func(_ *script, p *engine.PlanSpec, v string) { p.Components = components(v) },
	"manual":    func(_ *script, p *engine.PlanSpec, _ string) { p.Mode = ota.Manual },
	"onrequest": func(_ *script, p *engine.PlanSpec, _ string) { p.OnRequest = true },
	"hours": func(s *script, p *engine.PlanSpec, v string) {
		from, to, _ := strings.Cut(v, "-")
		p.PushHours = engine.Hours{From: s.number(from), To: s.number(to)}
	},
	"zone": func(s *script, p *engine.PlanSpec, v string) {
		p.Zone = time.FixedZone(v, int(s.duration(v).Seconds()))
	},
	"quiet":   func(s *script, p *engine.PlanSpec, v string) { p.Quiet = s.duration(v) },
	"start":   func(s *script, p *engine.PlanSpec, v string) { p.Start = s.now.Add(s.duration(v)) },
	"end":     func(s *script, p *engine.PlanSpec, v string) { p.End = s.now.Add(s.duration(v)) },
	"retries": func(s *script, p *engine.PlanSpec, v string) { p.Retries = s.number(v) },
	"on":      func(_ *script, p *engine.PlanSpec, v string) { p.OnFailure = ota.OnFailure(v) },
	"black":   func(_ *script, p *engine.PlanSpec, v string) { p.Black = strings.Split(v, ",") },
	"white":   func(_ *script, p *engine.PlanSpec, v string) { p.White = strings.Split(v, ",") },
	"sources": func(_ *script, p *engine.PlanSpec, v string) { p.Components[0].Sources = strings.Split(v, ",") },
	"delta": func(_ *script, p *engine.PlanSpec, _ string) {
		p.Components[0].Package, p.Components[0].Sources = ota.Delta, []string{"1"}
	},
	"target": func(_ *script, p *engine.PlanSpec, v string) { p.Components[0].Target = v },
}

func (s *script) spec(id string, options []string) engine.PlanSpec {
	spec := engine.PlanSpec{
		ID: id, Name: "plan " + id, Product: fleet, Mode: ota.Silent, Zone: time.UTC,
		Start: s.now.Add(-time.Hour), End: s.now.Add(48 * time.Hour), Components: components("A,B"),
	}
	for _, o := range options {
		key, value, _ := strings.Cut(o, "=")
		set, known := planOptions[key]
		require.True(s.t, known, "no such option: %s", o)
		set(s, &spec, value)
	}
	return spec
}

func components(list string) []engine.ComponentSpec {
	var specs []engine.ComponentSpec
	for _, id := range strings.Split(list, ",") {
		c := engine.ComponentSpec{ID: id, Type: ota.Module, Package: ota.Full, Target: "2"}
		if id == "B" {
			c.Type = ota.MCU
		}
		specs = append(specs, c)
	}
	return specs
}

func (s *script) user(w []string) {
	answer := engine.UserAnswer{Device: identity(w[0]), Plan: w[1], Operation: engine.UserOperation(w[2])}
	if len(w) == 5 {
		answer.Start, answer.End = s.clock(w[3]), s.clock(w[4])
	}
	s.command(answer)
}

func (s *script) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	require.NoError(s.t, err)
	return d
}

func (s *script) number(text string) int {
	n, err := strconv.Atoi(text)
	require.NoError(s.t, err)
	return n
}

func identity(key string) ota.Identity { return ota.Identity{Product: fleet, Device: key} }

// command executes an order; a refusal becomes part of the trace.
func (s *script) command(cmd engine.Command) {
	out, err := s.engine.Command(s.now, cmd)
	s.note(out)
	if err != nil {
		s.trace = append(s.trace, "("+err.Error()+")")
	}
}
