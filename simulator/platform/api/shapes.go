package api

import (
	"strings"
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
)

// Counts are devices by their status.
type Counts struct {
	NotUpgraded      int     `json:"not_upgraded"`
	Upgrading        int     `json:"upgrading"`
	Upgraded         int     `json:"upgraded"`
	UpgradeFailed    int     `json:"upgrade_failed"`
	NoUpdateRequired int     `json:"no_update_required"`
	Total            int     `json:"total"`
	SuccessRate      float64 `json:"success_rate"` // percent
}

func countsOf(t engine.Tally) Counts {
	return Counts{
		NotUpgraded: t[ota.DeviceNotUpgraded], Upgrading: t[ota.DeviceUpgrading], Upgraded: t[ota.DeviceUpgraded],
		UpgradeFailed: t[ota.DeviceUpgradeFailed], NoUpdateRequired: t[ota.DeviceNoUpdateRequired],
		Total: t.Total(), SuccessRate: t.SuccessRate(),
	}
}

// Plan is one line of the list of plans.
type Plan struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Product string    `json:"product"`
	Status  string    `json:"status"`
	Mode    string    `json:"mode"`
	Start   time.Time `json:"start"`
	End     time.Time `json:"end"`
	Devices Counts    `json:"devices"`
}

// StatusName is a plan's status as the API writes it.
func StatusName(s engine.PlanStatus) string {
	return strings.ReplaceAll(strings.ToLower(string(s)), " ", "_")
}

func planOf(v *engine.PlanView) Plan {
	return Plan{
		ID: v.ID, Name: v.Name, Product: v.Product, Status: StatusName(v.Status), Mode: string(v.Mode),
		Start: v.Start.UTC(), End: v.End.UTC(), Devices: countsOf(v.Devices),
	}
}

// PlanDetails is a plan with everything that was filled in.
type PlanDetails struct {
	Plan
	Black            []string    `json:"black"`
	White            []string    `json:"white"`
	TimeZone         string      `json:"time_zone"`
	Push             bool        `json:"push"`
	PushHours        *HoursForm  `json:"push_hours"`
	RejectionMinutes *int        `json:"rejection_minutes"`
	Retries          int         `json:"retries"`
	MinBattery       *int        `json:"min_battery"`
	MinRSSI          *int        `json:"min_rssi"`
	OnFailure        string      `json:"on_failure"`
	Texts            []TextForm  `json:"texts"`
	Components       []Component `json:"components"`
}

// Component is one component of a plan, with its package.
type Component struct {
	ID        string   `json:"id"`
	Type      string   `json:"type"`
	Package   string   `json:"package"`
	Sources   []string `json:"sources"`
	Target    string   `json:"target"`
	Upgrade   bool     `json:"upgrade"`
	PackageID string   `json:"package_id,omitempty"` // empty without one in the catalog
}

// Details gives a plan with everything that was filled in; false if there is none
// of that id.
func Details(e *engine.Engine, id string) (PlanDetails, bool) {
	view, found := e.Plan(id)
	spec, _ := e.Fields(id)
	if !found {
		return PlanDetails{}, false
	}
	d := PlanDetails{
		Plan: planOf(&view), Black: list(spec.Black), White: list(spec.White), TimeZone: spec.Zone.String(),
		Push: spec.Mode == ota.Silent &&
			!spec.OnRequest, Retries: spec.Retries, MinBattery: spec.MinBattery, MinRSSI: spec.MinRSSI,
		OnFailure: string(spec.OnFailure), Texts: []TextForm{},
	}
	if d.OnFailure == "" {
		d.OnFailure = string(ota.Stop)
	}
	if spec.PushHours != (engine.Hours{}) {
		h := HoursForm(spec.PushHours)
		d.PushHours = &h
	}
	if d.Push {
		minutes := int(spec.Quiet / time.Minute)
		if minutes == 0 {
			minutes = int(ota.DefaultQuiet / time.Minute)
		}
		d.RejectionMinutes = &minutes
	}
	for _, t := range spec.Texts {
		d.Texts = append(d.Texts, TextForm(t))
	}
	packages := e.Packages()
	for i := range spec.Components {
		c := &spec.Components[i]
		d.Components = append(d.Components, Component{
			ID: c.ID, Type: string(c.Type), Package: string(c.Package), Sources: list(c.Sources), Target: c.Target,
			Upgrade: !c.Skip, PackageID: packageFor(packages, spec.Product, c),
		})
	}
	return d, true
}

// packageFor finds the package of a plan's component.
func packageFor(packages []engine.PackageView, product string, c *engine.ComponentSpec) string {
	source := ""
	if c.Package == ota.Delta {
		source = c.Sources[0]
	}
	for i := range packages {
		p := &packages[i]
		if p.Product == product && p.Component == c.ID && p.Type == c.Type && p.Source == source && p.Target == c.Target {
			return p.ID
		}
	}
	return ""
}

// list is never null.
func list(l []string) []string {
	if l == nil {
		return []string{}
	}
	return l
}

// Device is one line of a plan's table of devices.
type Device struct {
	Key     string     `json:"key"`
	Status  string     `json:"status"`
	Online  bool       `json:"online"`
	Started *time.Time `json:"started"`
	Ended   *time.Time `json:"ended"`
	Attempt int        `json:"attempt"`
	LastSeq int        `json:"last_seq"`
	// Failures are what has failed, Earlier what had before it was tried again.
	Failures []DeviceFailure `json:"failures"`
	Earlier  []DeviceFailure `json:"earlier_failures"`
}

// DeviceFailure is why a component failed in an attempt.
type DeviceFailure struct {
	Component string `json:"component"`
	Attempt   int    `json:"attempt"`
	FieldCause
}

func deviceOf(r *engine.DeviceRow) Device {
	return Device{
		Key: r.Key, Status: r.Status.String(), Online: r.Online, Started: moment(r.Started), Ended: moment(r.Ended),
		Attempt: r.Attempt, LastSeq: r.LastSeq, Failures: failuresOf(r.Failures), Earlier: failuresOf(r.Earlier),
	}
}

func failuresOf(all []engine.ComponentFailure) []DeviceFailure {
	shown := make([]DeviceFailure, 0, len(all))
	for _, f := range all {
		shown = append(shown, DeviceFailure{f.Component, f.Attempt, *causeOf(&f.Failure)})
	}
	return shown
}

// moment is a time, or null for none.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// DeviceDetails is one device under one plan.
type DeviceDetails struct {
	Device
	Components  []DeviceComponent `json:"components"`
	Log         []LogLine         `json:"log"`
	Retry       Retry             `json:"retry"`
	Waiting     bool              `json:"waiting"`
	QuietUntil  *time.Time        `json:"quiet_until"`
	AutoConfirm bool              `json:"auto_confirm"`
	User        User              `json:"user"`
}

// Retry says whether the device may be tried again, and if not, why.
type Retry struct {
	Allowed bool   `json:"allowed"`
	Reason  string `json:"reason,omitempty"`
}

// User is what the device's user has said to a manual plan.
type User struct {
	Confirmed bool       `json:"confirmed"`
	Cancelled bool       `json:"cancelled"`
	Start     *time.Time `json:"start"` // of an appointment
	End       *time.Time `json:"end"`
}

// DeviceComponent is one component of a device under a plan.
type DeviceComponent struct {
	ID       string      `json:"id"`
	Type     string      `json:"type"`
	Source   string      `json:"source"`
	Target   string      `json:"target"`
	Running  string      `json:"running"`
	Status   string      `json:"status"`
	Stage    string      `json:"stage"`
	Progress int         `json:"progress"`
	Times    int         `json:"times"`
	Error    *FieldCause `json:"error"`
	Earlier  *Earlier    `json:"earlier_error"`
	Steps    []Step      `json:"steps"`
}

// Earlier is a failure of an attempt that was followed by another one.
type Earlier struct {
	Attempt int `json:"attempt"`
	FieldCause
}

// Step is one of the five steps of a component's way.
type Step struct {
	Stage string `json:"stage"`
	State string `json:"state"` // done, now, later, failed or skipped
}

// FieldCause is why a component failed.
type FieldCause struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// LogLine is one line of a device's log.
type LogLine struct {
	Time      time.Time `json:"time"`
	Component string    `json:"component"`
	Text      string    `json:"text"`
}

func deviceDetails(e *engine.Engine, now time.Time, plan string, v *engine.DeviceView) DeviceDetails {
	d := DeviceDetails{
		Device: deviceOf(&v.DeviceRow), Components: []DeviceComponent{}, Log: []LogLine{},
		Waiting: v.Waiting, QuietUntil: moment(v.QuietUntil),
		AutoConfirm: v.AutoConfirm, User: User{v.User.Confirmed, v.User.Cancelled, moment(v.User.Start), moment(v.User.End)},
	}
	for _, c := range v.Components {
		d.Components = append(d.Components, componentOf(&c))
	}
	for _, l := range v.Log {
		d.Log = append(d.Log, LogLine{l.At.UTC(), l.Component, l.Text})
	}
	err := e.MayRetry(now, plan, v.Key)
	d.Retry.Allowed = err == nil
	if refusals := engine.DeviceRefusals(err); len(refusals) > 0 {
		d.Retry.Reason = refusals[0].Reason
	}
	return d
}

func componentOf(c *engine.ComponentView) DeviceComponent {
	shown := DeviceComponent{ID: c.ID, Type: string(c.Type), Source: c.Source, Target: c.Target, Running: c.Running,
		Status: c.Status.String(), Stage: string(c.Stage), Progress: c.Progress, Times: c.Times}
	if c.Failure != nil {
		shown.Error = causeOf(c.Failure)
	}
	if c.Earlier != nil {
		shown.Earlier = &Earlier{c.EarlierIn, *causeOf(c.Earlier)}
	}
	for _, s := range c.Steps() {
		shown.Steps = append(shown.Steps, Step{string(s.Stage), string(s.State)})
	}
	return shown
}

// Package is one version package.
type Package struct {
	ID           string        `json:"id"`
	Name         string        `json:"name"`
	Remarks      string        `json:"remarks"`
	Product      string        `json:"product"`
	Component    string        `json:"component"`
	Type         string        `json:"type"`
	Package      string        `json:"package"`
	Source       string        `json:"source"`
	Target       string        `json:"target"`
	Verified     bool          `json:"verified"`
	Created      time.Time     `json:"created"`
	Updated      time.Time     `json:"updated"`
	Files        []File        `json:"files"`
	Verification *Verification `json:"verification"`
}

// File is one file of a package.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Verification is the last try of a package on one device.
type Verification struct {
	Device   string         `json:"device"`
	Outcome  string         `json:"outcome"`
	Created  time.Time      `json:"created"`
	Started  *time.Time     `json:"started"`
	Ended    *time.Time     `json:"ended"`
	Progress int            `json:"progress"`
	Retries  int            `json:"retries"`
	Details  *DeviceDetails `json:"details"`
}
