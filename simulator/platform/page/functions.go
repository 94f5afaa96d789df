package page

import (
	"fmt"
	"html/template"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/api"
	"otafleet/simulator/platform/engine"
)

// functions are what the templates may call.
func functions() template.FuncMap {
	return template.FuncMap{
		"when": when, "whenUTC": whenUTC, "minute": minute, "size": ota.FormatSize, "number": number, "path": url.PathEscape,
		"join":     strings.Join,
		"rate":     rate,
		"count":    func(t engine.Tally, s int) int { return t[s] },
		"device":   func(s ota.DeviceStatus) string { return strings.ReplaceAll(s.String(), "_", "-") },
		"status":   func(s engine.PlanStatus) string { return strings.ReplaceAll(api.StatusName(s), "_", "-") },
		"hex":      func(d ota.Digest) string { return fmt.Sprintf("%x", d[:]) },
		"statuses": statuses, "stages": stages, "inc": func(i int) int { return i + 1 },
		"method": method, "sentence": sentence, "halves": func(s string) []string { return strings.Split(s, "/") },
		"component": componentType, "shares": shares, "componentStatuses": ota.Statuses,
		"at": func(p formPage, i int) entry { return entry{p, i} },
	}
}

// when is a time to the second; a dash for none.
func when(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

// whenUTC is when, with its zone.
func whenUTC(t time.Time) string {
	if t.IsZero() {
		return when(t)
	}
	return when(t) + " UTC"
}

// minute is a time to the minute.
func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

// rate is the success rate; a dash before there is one.
func rate(t engine.Tally) string {
	if t[ota.DeviceUpgraded]+t[ota.DeviceUpgradeFailed] == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f %%", t.SuccessRate())
}

// sentence begins an error with a capital letter, and ends it with a stop.
func sentence(s string) string {
	first, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(first)) + strings.TrimSuffix(s[n:], ".") + "."
}

// number groups the digits of a count.
func number(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// deviceStatus is one of the five statuses of a device, as the monitoring page of
// the platform explains it.
type deviceStatus struct {
	Status            ota.DeviceStatus
	Wire, Class, Name string
	Meaning           string
}

// statuses lists the five in the order of the page.
func statuses() []deviceStatus {
	meanings := [...]string{
		ota.DeviceNotUpgraded:      "All components are not in upgrade.",
		ota.DeviceUpgrading:        "One or more components are upgrading.",
		ota.DeviceUpgraded:         "All components have been upgraded successfully.",
		ota.DeviceUpgradeFailed:    "One or more components failed to upgrade.",
		ota.DeviceNoUpdateRequired: "No update is required for all components.",
	}
	var all []deviceStatus
	for i, meaning := range meanings {
		s := ota.DeviceStatus(i)
		all = append(all, deviceStatus{
			Status: s, Wire: s.String(), Class: strings.ReplaceAll(s.String(), "_", "-"), Name: s.Name(), Meaning: meaning,
		})
	}
	return all
}

// stage is one step of a component's bar of five.
type stage struct {
	Name  string
	State engine.StepState
	Word  string // the state for those who do not see it
}

// stages draws where a component stands.
func stages(c engine.ComponentView) []stage {
	words := map[engine.StepState]string{
		engine.StepDone: "done", engine.StepNow: "now", engine.StepLater: "not yet", engine.StepFailed: "failed",
		engine.StepSkipped: "did not happen",
	}
	var all []stage
	for _, s := range c.Steps() {
		all = append(all, stage{string(s.Stage), s.State, words[s.State]})
	}
	return all
}

func method(k ota.PackageKind) string {
	if k == ota.Delta {
		return "Delta"
	}
	return "Full"
}

func componentType(t ota.ComponentType) string {
	if t == ota.MCU {
		return "MCU firmware"
	}
	return "Module firmware"
}
