package page

import (
	"net/http"
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/api"
	"otafleet/simulator/platform/engine"
)

// devicePage is one device under one plan.
type devicePage struct {
	Plan   engine.PlanView
	Fields engine.PlanSpec
	Device engine.DeviceView
	Why    string // why it may not be tried again; empty if it may
	Manual bool
	Effect bool // the plan is in effect
	Failed bool
	Open   bool // its part of the plan is not over, so that it can be ended
}

func (h *handler) showDevice(w http.ResponseWriter, r *http.Request) error {
	var d devicePage
	found := false
	h.platform.View(func(e *engine.Engine) {
		id := r.PathValue("plan")
		var known bool
		if d.Plan, known = e.Plan(id); !known {
			return
		}
		d.Fields, _ = e.Fields(id)
		d.Device, found = e.Device(id, r.PathValue("device"))
		if refusals := engine.DeviceRefusals(e.MayRetry(time.Now(), id, d.Device.Key)); len(refusals) > 0 {
			d.Why = refusals[0].Reason
		}
	})
	if !found {
		return api.NotFound("device not found in this plan")
	}
	d.Manual, d.Failed = d.Plan.Mode == ota.Manual, d.Device.Status == ota.DeviceUpgradeFailed || d.Device.Strayed
	d.Open = d.Device.Status == ota.DeviceNotUpgraded || d.Device.Status == ota.DeviceUpgrading
	d.Effect = d.Plan.Status == engine.ToBeUpgraded || d.Plan.Status == engine.Upgrading
	return h.show(w, http.StatusOK, "device", view{Title: "Component details: " + d.Device.Key, Here: "plans",
		Events: "kind=plan,report,device&plan=" + d.Plan.ID + "&device=" + d.Device.Key, Data: d})
}

// answer gives the user's answer to a manual plan.
func (h *handler) answer(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	plan, key := r.PathValue("plan"), r.PathValue("device")
	cmd := engine.UserAnswer{
		Plan: plan, Device: h.identity(plan, key), Operation: engine.UserOperation(r.PostForm.Get("operation")),
	}
	for name, to := range map[string]*time.Time{"start": &cmd.Start, "end": &cmd.End} {
		text := r.PostForm.Get(name)
		if text == "" || cmd.Operation != engine.UserAppoint {
			continue
		}
		var err error
		if *to, err = time.Parse(localTime, text); err != nil {
			return api.BadForm(err)
		}
	}
	if err := h.platform.Command(cmd); err != nil {
		return err
	}
	return back(w, r, "/plans/"+plan+"/devices/"+key)
}

// end ends the device's part of the plan.
func (h *handler) end(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	plan, key := r.PathValue("plan"), r.PathValue("device")
	if err := h.platform.Command(engine.Abandon{Plan: plan, Device: key}); err != nil {
		return err
	}
	return back(w, r, "/plans/"+plan+"/devices/"+key)
}

// confirming turns the switch by which plans reach a device without its user.
func (h *handler) confirming(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	plan, key := r.PathValue("plan"), r.PathValue("device")
	if err := h.platform.Command(engine.AutoConfirm{Device: h.identity(plan, key),
		On: r.PostForm.Get("on") == "true"}); err != nil {
		return err
	}
	return back(w, r, "/plans/"+plan+"/devices/"+key)
}

func (h *handler) identity(plan, key string) ota.Identity {
	var p engine.PlanView
	h.platform.View(func(e *engine.Engine) { p, _ = e.Plan(plan) })
	return ota.Identity{Product: p.Product, Device: key}
}
