package api

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/engine"
)

// Bounds of a page of devices.
const (
	defaultLimit = 50
	maxLimit     = 1000
	maxOffset    = 1 << 30
)

// Devices is one page of a plan's devices.
type Devices struct {
	Devices []Device `json:"devices"`
	Total   int      `json:"total"` // that the filters choose
	Offset  int      `json:"offset"`
	Limit   int      `json:"limit"`
}

// FilterOf reads the filters and the page of a table of devices from a query: key
// (the beginning of the device key), status, online, offset and limit.
func FilterOf(query url.Values) (engine.Filter, error) {
	f := engine.Filter{Prefix: query.Get("key"), Limit: defaultLimit}
	if len(f.Prefix) > ota.MaxKey {
		return f, Invalid("key", fmt.Sprintf("key: at most %d characters", ota.MaxKey))
	}
	if text := query.Get("status"); text != "" {
		status, known := parseDeviceStatus(text)
		if !known {
			return f, Invalid("status", fmt.Sprintf("status: %.40q is not the status of a device", text))
		}
		f.Status = &status
	}
	var err error
	if f.Online, err = readOnline(query); err != nil {
		return f, err
	}
	return f, readPage(query, &f.Offset, &f.Limit)
}

// readPage reads which rows of a table are wanted: offset and limit.
func readPage(query url.Values, offset, limit *int) error {
	for _, n := range []struct {
		name     string
		to       *int
		min, max int
	}{{"offset", offset, 0, maxOffset}, {"limit", limit, 1, maxLimit}} {
		text := query.Get(n.name)
		if text == "" {
			continue
		}
		value, err := strconv.Atoi(text)
		if err != nil || value < n.min || value > n.max {
			return Invalid(n.name, fmt.Sprintf("%s: want a number from %d to %d", n.name, n.min, n.max))
		}
		*n.to = value
	}
	return nil
}

// readOnline reads whether devices that are connected are wanted, or others; nil
// for both.
func readOnline(query url.Values) (*bool, error) {
	switch text := query.Get("online"); text {
	case "":
		return nil, nil
	case "true", "false":
		online := text == "true"
		return &online, nil
	}
	return nil, Invalid("online", "online: want true or false")
}

func parseDeviceStatus(text string) (ota.DeviceStatus, bool) {
	for s := ota.DeviceNotUpgraded; s <= ota.DeviceNoUpdateRequired; s++ {
		if s.String() == text {
			return s, true
		}
	}
	return 0, false
}

func (a *API) listDevices(w http.ResponseWriter, r *http.Request) error {
	f, err := FilterOf(r.URL.Query())
	if err != nil {
		return err
	}
	rows, total, err := a.rows(r.PathValue("plan"), f)
	if err != nil {
		return err
	}
	page := Devices{Devices: []Device{}, Total: total, Offset: f.Offset, Limit: f.Limit}
	for i := range rows {
		page.Devices = append(page.Devices, deviceOf(&rows[i]))
	}
	return reply(w, http.StatusOK, page)
}

func (a *API) rows(plan string, f engine.Filter) (rows []engine.DeviceRow, total int, err error) {
	a.platform.View(func(e *engine.Engine) {
		if _, found := e.Plan(plan); !found {
			err = &failure{status: http.StatusNotFound, detail: "plan not found"}
			return
		}
		rows, total = e.Devices(plan, f)
	})
	return rows, total, err
}

func failedDevices(p *platform.Service, plan string) (keys []string) {
	failed := ota.DeviceUpgradeFailed
	p.View(func(e *engine.Engine) {
		rows, _ := e.Devices(plan, engine.Filter{Status: &failed})
		for i := range rows {
			keys = append(keys, rows[i].Key)
		}
	})
	return keys
}

// exportDevices writes every device that the filters choose, without their pages.
func (a *API) exportDevices(w http.ResponseWriter, r *http.Request) error {
	f, err := FilterOf(r.URL.Query())
	if err != nil {
		return err
	}
	f.Offset, f.Limit = 0, 0
	plan := r.PathValue("plan")
	rows, _, err := a.rows(plan, f)
	if err != nil {
		return err
	}
	table := newTable(w, plan+".csv", "DeviceKey", "Upgrade start time", "Upgrade end time", "Upgrade status",
		"Device online status", "Attempt", "Failure", "Earlier failure")
	for i := range rows {
		r := &rows[i]
		table.row(r.Key, second(r.Started), second(r.Ended), r.Status.Name(), onlineName(r.Online), strconv.Itoa(r.Attempt),
			failureText(r.Failures), failureText(r.Earlier))
	}
	table.end()
	return nil
}

// failureText is what a table says of failures.
func failureText(all []engine.ComponentFailure) string {
	var parts []string
	for _, f := range all {
		text := f.Component + ": " + f.Error()
		if f.Attempt > 0 {
			text += fmt.Sprintf(" (attempt %d)", f.Attempt)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

func onlineName(online bool) string {
	if online {
		return "Online"
	}
	return "Offline"
}

func second(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// endDevice ends a device's part of a plan.
func (a *API) endDevice(w http.ResponseWriter, r *http.Request) error {
	plan, key := r.PathValue("plan"), r.PathValue("device")
	if err := a.platform.Command(engine.Abandon{Plan: plan, Device: key}); err != nil {
		return err
	}
	return a.replyDevice(w, plan, key)
}

func (a *API) showDevice(w http.ResponseWriter, r *http.Request) error {
	return a.replyDevice(w, r.PathValue("plan"), r.PathValue("device"))
}

func (a *API) device(plan, key string) (DeviceDetails, error) {
	var details DeviceDetails
	found := false
	a.platform.View(func(e *engine.Engine) {
		if _, known := e.Plan(plan); !known {
			return
		}
		var view engine.DeviceView
		if view, found = e.Device(plan, key); found {
			details = deviceDetails(e, time.Now(), plan, &view)
		}
	})
	if !found {
		return details, &failure{status: http.StatusNotFound, detail: "device not found in this plan"}
	}
	return details, nil
}

func (a *API) replyDevice(w http.ResponseWriter, plan, key string) error {
	d, err := a.device(plan, key)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, d)
}

// AnswerForm is what a device's user says to a manual plan.
type AnswerForm struct {
	Operation string `json:"operation"` // confirm, appoint, cancel or retry
	Start     string `json:"start"`     // of an appointment, RFC 3339
	End       string `json:"end"`
}

func (a *API) answer(w http.ResponseWriter, r *http.Request) error {
	var form AnswerForm
	if err := read(w, r, &form); err != nil {
		return err
	}
	plan, key := r.PathValue("plan"), r.PathValue("device")
	p, err := a.plan(plan)
	if err != nil {
		return err
	}
	cmd := engine.UserAnswer{
		Plan: plan, Device: ota.Identity{Product: p.Product, Device: key}, Operation: engine.UserOperation(form.Operation),
	}
	for _, t := range []struct {
		field, text string
		to          *time.Time
	}{{"start", form.Start, &cmd.Start}, {"end", form.End, &cmd.End}} {
		if t.text == "" {
			continue
		}
		if *t.to, err = time.Parse(time.RFC3339, t.text); err != nil {
			return Invalid(t.field, fmt.Sprintf("%s: %.40q is not a time such as 2026-03-01T08:00:00Z", t.field, t.text))
		}
	}
	if err := a.platform.Command(cmd); err != nil {
		return err
	}
	return a.replyDevice(w, plan, key)
}

// Switch is on or off.
type Switch struct {
	On bool `json:"on"`
}

func (a *API) autoConfirm(w http.ResponseWriter, r *http.Request) error {
	var form Switch
	if err := read(w, r, &form); err != nil {
		return err
	}
	id := ota.Identity{Product: r.PathValue("product"), Device: r.PathValue("device")}
	if err := a.platform.Command(engine.AutoConfirm{Device: id, On: form.On}); err != nil {
		return err
	}
	return reply(w, http.StatusOK, form)
}
