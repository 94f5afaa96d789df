package engine

import (
	"time"

	"otafleet/internal/ota"
)

// Bounds of a plan's fields, those of the platform's form.
const (
	MaxRetries          = 5    // of each component
	LowestRSSI          = -113 // dBm
	ShortestQuiet       = 10 * time.Minute
	LongestQuiet        = 1440 * time.Minute
	DefaultQuiet        = 120 * time.Minute
	ShortestAppointment = time.Hour
)

// PlanSpec is what an operator fills in to create a plan.
type PlanSpec struct {
	ID      string // 1 to 64 characters of [A-Za-z0-9_.-], unique
	Name    string // 1 to 100 characters, unique
	Product string // product key

	Black []string // device keys that are never upgraded; wins over White
	White []string // device keys that alone are upgraded; empty means all

	Zone       *time.Location // in which the push grid and PushHours are read; needed
	Start, End time.Time      // the plan is in effect from Start until just before End

	Mode      ota.Mode
	OnRequest bool  // silent plans: never pushed, the device must ask
	PushHours Hours // silent pushed plans, and manual ones for devices that confirm by themselves
	// Quiet is how long after a refusal a silent plan is not pushed: whole
	// minutes, 10 to 1440; 0 means 120, which also holds for manual plans.
	Quiet time.Duration

	Retries    int  // automatic retries of each component, 0 to 5
	MinBattery *int // percent, 0 to 100; nil asks for none
	MinRSSI    *int // dBm, -113 to 0; nil asks for none
	OnFailure  ota.OnFailure
	Components []ComponentSpec // 1 to 20, in the order of upgrade
}

// ComponentSpec is one component of a plan.
type ComponentSpec struct {
	ID      string
	Type    ota.ComponentType
	Package ota.PackageKind
	Sources []string // full: up to 8 versions it may start from, none means any; delta: exactly one
	Target  string
	Skip    bool // listed and not upgraded: no device hears of it
}

// Hours is a daily window of whole hours, From (0 to 23) until just before To
// (1 to 24, or less than From over midnight). The zero value is the whole day.
type Hours struct{ From, To int }

// contain reports whether a local hour lies in the window.
func (h Hours) contain(hour int) bool {
	switch {
	case h == Hours{}:
		return true
	case h.From < h.To:
		return h.From <= hour && hour < h.To
	}
	return hour >= h.From || hour < h.To
}

func (h Hours) valid() bool {
	if h == (Hours{}) {
		return true
	}
	return h.From >= 0 && h.From < 24 && h.To >= 0 && h.To <= 24 && h.From != h.To%24
}

// Validate joins every problem of the fields. Whether names are free and
// packages exist is for CreatePlan to say.
func (s *PlanSpec) Validate() error {
	var p problems
	p.unless(ota.ValidPlanID(s.ID), "id %q: must be 1 to %d characters of [A-Za-z0-9_.-]", s.ID, ota.MaxKey)
	n := len([]rune(s.Name))
	p.unless(n >= 1 && n <= ota.MaxPlanName, "name: %d characters, must be 1 to %d", n, ota.MaxPlanName)
	p.unless(ota.ValidKey(s.Product), "product %q is not a product key", s.Product)
	for _, key := range append(append([]string{}, s.Black...), s.White...) {
		p.unless(ota.ValidKey(key), "list: %q is not a device key", key)
	}
	s.checkTimes(&p)
	p.unless(s.Retries >= 0 && s.Retries <= MaxRetries, "retries: %d, must be 0 to %d", s.Retries, MaxRetries)
	p.unless(s.MinBattery == nil || *s.MinBattery >= 0 && *s.MinBattery <= 100, "min battery: must be 0 to 100 percent")
	p.unless(s.MinRSSI == nil || *s.MinRSSI >= LowestRSSI && *s.MinRSSI <= 0, "min RSSI: must be %d to 0 dBm", LowestRSSI)
	p.unless(s.OnFailure == "" || s.OnFailure.Valid(), "on failure: %q is not stop, continue or revert", s.OnFailure)
	s.checkComponents(&p)
	return p.join()
}

func (s *PlanSpec) checkTimes(p *problems) {
	p.unless(s.Zone != nil, "time zone: is missing")
	p.unless(!s.Start.IsZero() && s.End.After(s.Start), "period: the end must be after the start, and both are needed")
	p.unless(s.Mode.Valid(), "mode: %q is neither silent nor manual", s.Mode)
	p.unless(s.PushHours.valid(), "push hours %d to %d: must be whole hours, at least one apart", s.PushHours.From, s.PushHours.To)
	p.unless(s.Mode != ota.Manual || !s.OnRequest, "on request: is for silent plans; a manual plan cannot be asked for")
	p.unless(!s.OnRequest || s.PushHours == Hours{}, "push hours: are for plans that are pushed")
	p.unless(s.Quiet == 0 || s.Mode == ota.Silent && !s.OnRequest, "quiet: is for silent plans that are pushed")
	quiet := s.quiet()
	p.unless(quiet >= ShortestQuiet && quiet <= LongestQuiet && quiet%time.Minute == 0,
		"quiet: %s, must be whole minutes from %s to %s", quiet, ShortestQuiet, LongestQuiet)
}

func (s *PlanSpec) checkComponents(p *problems) {
	upgraded, seen := 0, map[string]bool{}
	for i, c := range s.Components {
		p.unless(ota.ValidComponentID(c.ID), "component %d: %q is not a component id", i+1, c.ID)
		p.unless(!seen[c.ID], "component %d: %q is listed twice", i+1, c.ID)
		seen[c.ID] = true
		if !c.Skip {
			upgraded++
		}
		c.check(p, i+1)
	}
	p.unless(upgraded >= 1 && len(s.Components) <= ota.MaxComponents,
		"components: %d, of which %d to upgrade; must be 1 to %d", len(s.Components), upgraded, ota.MaxComponents)
}

func (c *ComponentSpec) check(p *problems, number int) {
	p.unless(c.Type.Valid(), "component %d: type %q is neither module nor mcu", number, c.Type)
	p.unless(c.Package.Valid(), "component %d: package %q is neither full nor delta", number, c.Package)
	p.unless(ota.ValidVersion(c.Target), "component %d: target %q is not a version", number, c.Target)
	p.unless(c.Package != ota.Delta || len(c.Sources) == 1, "component %d: a delta needs exactly one source version", number)
	p.unless(len(c.Sources) <= ota.MaxSources, "component %d: %d source versions, at most %d", number, len(c.Sources), ota.MaxSources)
	for _, v := range c.Sources {
		p.unless(ota.ValidVersion(v), "component %d: source %q is not a version", number, v)
		p.unless(v != c.Target, "component %d: source and target are both %q", number, v)
	}
}

// quiet is the time without pushes after a refusal.
func (s *PlanSpec) quiet() time.Duration {
	if s.Quiet == 0 {
		return DefaultQuiet
	}
	return s.Quiet
}
