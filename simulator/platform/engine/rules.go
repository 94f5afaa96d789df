package engine

import (
	"fmt"
	"strings"
	"time"

	"otafleet/internal/ota"
)

// Bounds of a plan's fields beside those of package ota, as in the platform's form.
const (
	ShortestAppointment = time.Hour
	MaxTexts            = 50   // languages of a manual plan's text
	MaxText             = 2000 // characters of one
)

// NeededLanguage is the one that a manual plan's texts must have, if it has any.
const NeededLanguage = "en"

// URLValidity is how long a download URL works that a platform issues.
const URLValidity = 15 * time.Minute

// Bounds of the whole platform: what an operator, and devices that may all connect,
// can fill its memory with.
const (
	MaxPlans    = 1000
	MaxPackages = 1000
	MaxDevices  = 1_000_000 // unless LimitDevices says otherwise
)

// PlanSpec is what an operator fills in to create a plan.
type PlanSpec struct {
	ID      string // 1 to 64 characters of [A-Za-z0-9_.-], unique
	Name    string // 1 to 100 characters, unique
	Product string // product key

	Black []string // device keys that are never upgraded; wins over White
	White []string // device keys that alone are upgraded; empty means all

	Zone       *time.Location `json:"-"` // in which the push grid and PushHours are read; needed
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
	// Texts are what a manual plan's user reads; none, or one of them in English.
	Texts      []UpgradeText
	Components []ComponentSpec // 1 to 20, in the order of upgrade
}

// UpgradeText tells a user in one language what an upgrade brings.
type UpgradeText struct {
	Language string // a tag such as en or zh-CN
	Text     string // 1 to 2000 characters
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
	p.unless(ota.ValidPlanID(s.ID), "id", "id %q: must be 1 to %d characters of [A-Za-z0-9_.-]", s.ID, ota.MaxKey)
	n := len([]rune(s.Name))
	p.unless(n >= 1 && n <= ota.MaxPlanName, "name", "name: %d characters, must be 1 to %d", n, ota.MaxPlanName)
	p.unless(ota.ValidKey(s.Product), "product", "product %q is not a product key", s.Product)
	checkList(&p, "black", s.Black)
	checkList(&p, "white", s.White)
	s.checkTimes(&p)
	p.unless(s.Retries >= 0 && s.Retries <= ota.MaxRetries, "retries",
		"retries: %d, must be 0 to %d", s.Retries, ota.MaxRetries)
	p.unless(s.MinBattery == nil || *s.MinBattery >= 0 && *s.MinBattery <= 100, "min_battery",
		"min battery: must be 0 to 100 percent")
	p.unless(s.MinRSSI == nil || *s.MinRSSI >= ota.LowestRSSI && *s.MinRSSI <= 0, "min_rssi",
		"min RSSI: must be %d to 0 dBm", ota.LowestRSSI)
	p.unless(s.OnFailure == "" || s.OnFailure.Valid(), "on_failure", "on failure: %q is not stop, continue or revert",
		s.OnFailure)
	s.checkTexts(&p)
	s.checkComponents(&p)
	return p.join()
}

// checkList names the first key of a list that is none: a list may be as long as
// a fleet.
func checkList(p *problems, field string, keys []string) {
	for i, key := range keys {
		if !ota.ValidKey(key) {
			p.unless(false, fmt.Sprintf("%s[%d]", field, i), "list: %.128q is not a device key", key)
			return
		}
	}
}

// checkTexts holds the texts that a user reads before agreeing.
func (s *PlanSpec) checkTexts(p *problems) {
	p.unless(len(s.Texts) == 0 || s.Mode == ota.Manual, "texts",
		"texts: are for manual plans; no user is asked about a silent one")
	p.unless(len(s.Texts) <= MaxTexts, "texts", "texts: %d languages, at most %d", len(s.Texts), MaxTexts)
	seen := map[string]bool{}
	for i, t := range s.Texts {
		field := fmt.Sprintf("texts[%d].", i)
		p.unless(validLanguage(t.Language), field+"language",
			"text %d: language %.64q is not a language tag such as en or zh-CN", i+1, t.Language)
		p.unless(!seen[t.Language], field+"language", "text %d: %.64q is listed twice", i+1, t.Language)
		n := len([]rune(t.Text))
		p.unless(n >= 1 && n <= MaxText, field+"text", "text %d: %d characters, must be 1 to %d", i+1, n, MaxText)
		seen[t.Language] = true
	}
	p.unless(len(s.Texts) == 0 || seen[NeededLanguage], "texts", "texts: the one in %q is missing", NeededLanguage)
}

// validLanguage reports whether s looks like a language tag: letters, digits and
// single dashes, beginning with two or three letters.
func validLanguage(s string) bool {
	head, rest, more := strings.Cut(s, "-")
	if len(s) > 35 || len(head) < 2 || len(head) > 3 ||
		strings.ContainsFunc(head, func(r rune) bool { return r < 'a' || r > 'z' }) {
		return false
	}
	return !more || ota.ValidKey(rest) && !strings.Contains(rest, "_") && !strings.Contains(rest, "--")
}

func (s *PlanSpec) checkTimes(p *problems) {
	p.unless(s.Zone != nil, "time_zone", "time zone: is missing")
	p.unless(!s.Start.IsZero() && s.End.After(s.Start), "end",
		"period: the end must be after the start, and both are needed")
	p.unless(s.Mode.Valid(), "mode", "mode: %q is neither silent nor manual", s.Mode)
	p.unless(s.PushHours.valid(), "push_hours", "push hours %d to %d: must be whole hours, at least one apart",
		s.PushHours.From, s.PushHours.To)
	p.unless(s.Mode != ota.Manual || !s.OnRequest, "push",
		"on request: is for silent plans; a manual plan cannot be asked for")
	p.unless(!s.OnRequest || s.PushHours == Hours{}, "push_hours", "push hours: are for plans that are pushed")
	p.unless(s.Quiet == 0 || s.Mode == ota.Silent && !s.OnRequest, "rejection_minutes",
		"quiet: is for silent plans that are pushed")
	quiet := s.quiet()
	p.unless(quiet >= ota.ShortestQuiet && quiet <= ota.LongestQuiet && quiet%time.Minute == 0,
		"rejection_minutes", "quiet: %s, must be whole minutes from %s to %s", quiet, ota.ShortestQuiet, ota.LongestQuiet)
}

func (s *PlanSpec) checkComponents(p *problems) {
	upgraded, seen := 0, map[string]bool{}
	for i, c := range s.Components {
		field := fmt.Sprintf("components[%d].", i)
		p.unless(ota.ValidComponentID(c.ID), field+"id", "component %d: %q is not a component id", i+1, c.ID)
		p.unless(!seen[c.ID], field+"id", "component %d: %q is listed twice", i+1, c.ID)
		seen[c.ID] = true
		if !c.Skip {
			upgraded++
		}
		c.check(p, field, i+1)
	}
	p.unless(upgraded >= 1 && len(s.Components) <= ota.MaxComponents, "components",
		"components: %d, of which %d to upgrade; must be 1 to %d", len(s.Components), upgraded, ota.MaxComponents)
}

func (c *ComponentSpec) check(p *problems, field string, number int) {
	p.unless(c.Type.Valid(), field+"type", "component %d: type %q is neither module nor mcu", number, c.Type)
	p.unless(c.Package.Valid(), field+"package", "component %d: package %q is neither full nor delta", number, c.Package)
	p.unless(ota.ValidVersion(c.Target), field+"target", "component %d: target %q is not a version", number, c.Target)
	p.unless(c.Package != ota.Delta || len(c.Sources) == 1, field+"sources",
		"component %d: a delta needs exactly one source version", number)
	p.unless(len(c.Sources) <= ota.MaxSources, field+"sources", "component %d: %d source versions, at most %d", number,
		len(c.Sources), ota.MaxSources)
	for _, v := range c.Sources {
		p.unless(ota.ValidVersion(v), field+"sources", "component %d: source %q is not a version", number, v)
		p.unless(v != c.Target, field+"sources", "component %d: source and target are both %q", number, v)
	}
}

// quiet is the time without pushes after a refusal.
func (s *PlanSpec) quiet() time.Duration {
	if s.Quiet == 0 {
		return ota.DefaultQuiet
	}
	return s.Quiet
}
