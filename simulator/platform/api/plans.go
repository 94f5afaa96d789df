package api

import (
	"net/http"

	"otafleet/simulator/platform/engine"
)

// Plans are the plans with the counts of all of them together.
type Plans struct {
	Plans  []Plan `json:"plans"`
	Totals Counts `json:"totals"`
}

func (a *API) listPlans(w http.ResponseWriter, _ *http.Request) error {
	all := Plans{Plans: []Plan{}}
	a.platform.View(func(e *engine.Engine) {
		for _, p := range e.Plans() {
			all.Plans = append(all.Plans, planOf(&p))
		}
		all.Totals = countsOf(e.Totals())
	})
	return reply(w, http.StatusOK, all)
}

func (a *API) createPlan(w http.ResponseWriter, r *http.Request) error {
	var form PlanForm
	if err := read(w, r, &form); err != nil {
		return err
	}
	spec, err := form.Spec()
	if err != nil {
		return err
	}
	if err := a.platform.Command(engine.CreatePlan{Plan: spec}); err != nil {
		return err
	}
	w.Header().Set("Location", Root+"/plans/"+spec.ID)
	return a.replyPlan(w, http.StatusCreated, spec.ID)
}

func (a *API) showPlan(w http.ResponseWriter, r *http.Request) error {
	return a.replyPlan(w, http.StatusOK, r.PathValue("plan"))
}

func (a *API) editPlan(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("plan")
	if _, err := a.plan(id); err != nil {
		return err
	}
	var form PlanForm
	if err := read(w, r, &form); err != nil {
		return err
	}
	if form.ID != "" && form.ID != id {
		return Invalid("id", "id: a stored plan keeps its id")
	}
	form.ID = id
	spec, err := form.Spec()
	if err != nil {
		return err
	}
	if err := a.platform.Command(engine.EditPlan{Plan: spec}); err != nil {
		return err
	}
	return a.replyPlan(w, http.StatusOK, id)
}

func (a *API) deletePlan(w http.ResponseWriter, r *http.Request) error {
	if err := a.platform.Command(engine.DeletePlan{Plan: r.PathValue("plan")}); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func activate(id string) engine.Command  { return engine.Activate{Plan: id} }
func suspend(id string) engine.Command   { return engine.Suspend{Plan: id} }
func resume(id string) engine.Command    { return engine.Resume{Plan: id} }
func terminate(id string) engine.Command { return engine.Terminate{Plan: id} }

// order makes a handler of a command that needs nothing but a plan.
func (a *API) order(command func(id string) engine.Command) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		id := r.PathValue("plan")
		if err := a.platform.Command(command(id)); err != nil {
			return err
		}
		return a.replyPlan(w, http.StatusOK, id)
	}
}

func (a *API) plan(id string) (PlanDetails, error) {
	var details PlanDetails
	var found bool
	a.platform.View(func(e *engine.Engine) { details, found = Details(e, id) })
	if !found {
		return details, &failure{status: http.StatusNotFound, detail: "plan not found"}
	}
	return details, nil
}

func (a *API) replyPlan(w http.ResponseWriter, status int, id string) error {
	p, err := a.plan(id)
	if err != nil {
		return err
	}
	return reply(w, status, p)
}

// RetryForm names the devices to try again; none means every failed one.
type RetryForm struct {
	Devices []string `json:"devices"`
}

// Retried is what became of a batch.
type Retried struct {
	Retried int          `json:"retried"`
	Refused []FieldError `json:"refused"` // by device
}

// maxRetry bounds the devices that one request names.
const maxRetry = 10_000

func (a *API) retryDevices(w http.ResponseWriter, r *http.Request) error {
	var form RetryForm
	if err := read(w, r, &form); err != nil {
		return err
	}
	if len(form.Devices) > maxRetry {
		return Invalid("devices", "devices: at most 10,000 at once; none means every failed one")
	}
	result, err := RetryDevices(a.platform, r.PathValue("plan"), form.Devices)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, result)
}

func (a *API) retryDevice(w http.ResponseWriter, r *http.Request) error {
	plan, device := r.PathValue("plan"), r.PathValue("device")
	if _, err := a.device(plan, device); err != nil {
		return err
	}
	if err := a.platform.Command(engine.RetryDevices{Plan: plan, Devices: []string{device}}); err != nil {
		return err
	}
	return a.replyDevice(w, plan, device)
}

// Sample is how a plan's devices stood from a time on.
type Sample struct {
	Time    string `json:"time"`
	Devices Counts `json:"devices"`
}

// Series is how a plan's counts went since its activation.
type Series struct {
	Samples []Sample `json:"samples"`
}

func (a *API) showSeries(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("plan")
	if _, err := a.plan(id); err != nil {
		return err
	}
	series := Series{Samples: []Sample{}}
	a.platform.View(func(e *engine.Engine) {
		for _, s := range e.Series(id) {
			series.Samples = append(series.Samples, Sample{s.At.UTC().Format("2006-01-02T15:04:05Z"), countsOf(s.Devices)})
		}
	})
	return reply(w, http.StatusOK, series)
}
