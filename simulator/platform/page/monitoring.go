package page

import (
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/api"
	"otafleet/simulator/platform/engine"
)

// monitoringPage shows how far a plan's devices are.
type monitoringPage struct {
	Plan   engine.PlanView
	Bars   []bar
	Area   *area // nil before there is anything to draw
	Filter filterForm
	Rows   []row
	pager
	Export  template.URL // query of the table
	Result  string       // what a batch of retries came to
	Retries bool         // failed devices may be tried again from here
}

// filterForm is what the filters hold.
type filterForm struct{ Key, Status, Online string }

// row is one device, with why it may not be tried again.
type row struct {
	engine.DeviceRow
	Failed bool   // or it runs another version than it was upgraded to
	Why    string // empty if it may be retried
}

func (h *handler) showMonitoring(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	filter, err := api.FilterOf(query)
	if err != nil {
		return err
	}
	m := monitoringPage{
		Filter: filterForm{query.Get("key"), query.Get("status"), query.Get("online")}, Result: result(query),
	}
	found := false
	var samples []engine.Sample
	h.platform.View(func(e *engine.Engine) {
		id := r.PathValue("plan")
		if m.Plan, found = e.Plan(id); !found {
			return
		}
		samples = e.Series(id)
		var rows []engine.DeviceRow
		rows, m.Total = e.Devices(id, filter)
		for _, d := range rows {
			m.Rows = append(m.Rows, rowOf(e, id, d))
		}
	})
	if !found {
		return api.NotFound("plan not found")
	}
	m.Retries = m.Plan.Mode == ota.Silent && (m.Plan.Status == engine.ToBeUpgraded || m.Plan.Status == engine.Upgrading)
	m.Bars, m.Area = bars(m.Plan.Devices), draw(samples, time.Now())
	m.turnPages(filter)
	return h.show(w, http.StatusOK, "monitoring", view{Title: "Upgrade monitoring: " + m.Plan.Name, Here: "plans",
		Events: "kind=plan&plan=" + m.Plan.ID, Data: m})
}

func rowOf(e *engine.Engine, plan string, d engine.DeviceRow) row {
	r := row{DeviceRow: d, Failed: d.Status == ota.DeviceUpgradeFailed || d.Strayed}
	if !r.Failed {
		return r
	}
	if refusals := engine.DeviceRefusals(e.MayRetry(time.Now(), plan, d.Key)); len(refusals) > 0 {
		r.Why = refusals[0].Reason
	}
	return r
}

// turnPages finds the ways to the pages before and after.
func (m *monitoringPage) turnPages(f engine.Filter) {
	query := url.Values{}
	for name, value := range map[string]string{"key": m.Filter.Key, "status": m.Filter.Status, "online": m.Filter.Online} {
		if value != "" {
			query.Set(name, value)
		}
	}
	m.Export = queryOf(query)
	m.turn(query, f.Offset, f.Limit, len(m.Rows))
}

// retry tries failed devices again: those chosen, or all.
func (h *handler) retry(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	id, devices := r.PathValue("plan"), r.PostForm["device"]
	to := url.Values{}
	if r.PostForm.Get("all") != "" {
		devices = nil
	} else if len(devices) == 0 {
		to.Set("retried", "none")
		return back(w, r, "/plans/"+id+"/monitoring?"+to.Encode())
	}
	done, err := api.RetryDevices(h.platform, id, devices)
	if err != nil {
		return err
	}
	if r.PostForm.Get("from") == "device" && len(devices) == 1 {
		if len(done.Refused) > 0 {
			return &engine.DeviceRefusal{Device: devices[0], Reason: done.Refused[0].Reason}
		}
		return back(w, r, "/plans/"+id+"/devices/"+devices[0])
	}
	to.Set("retried", strconv.Itoa(done.Retried))
	to.Set("refused", strconv.Itoa(len(done.Refused)))
	return back(w, r, "/plans/"+id+"/monitoring?"+to.Encode())
}

// result says what a batch of retries came to.
func result(query url.Values) string {
	text := query.Get("retried")
	if text == "none" {
		return "No device was chosen."
	}
	retried, err := strconv.Atoi(text)
	refused, err2 := strconv.Atoi(query.Get("refused"))
	if err != nil || err2 != nil {
		return ""
	}
	s := ota.Counted(retried, "device") + " tried again: at once where online, else at the next contact."
	if refused > 0 {
		s += fmt.Sprintf(" %d left out: see the reason in each row.", refused)
	}
	return s
}
