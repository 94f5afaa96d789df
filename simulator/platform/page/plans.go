package page

import (
	"net/http"

	"otafleet/simulator/platform/api"
	"otafleet/simulator/platform/engine"
)

// plansPage is the list of plans.
type plansPage struct {
	Plans  []engine.PlanView
	Totals engine.Tally
}

func (h *handler) showPlans(w http.ResponseWriter, _ *http.Request) error {
	var p plansPage
	h.platform.View(func(e *engine.Engine) { p = plansPage{e.Plans(), e.Totals()} })
	return h.show(w, http.StatusOK, "plans", view{Title: "Upgrade plans", Here: "plans", Events: "kind=plan", Data: p})
}

// planPage is a plan's details.
type planPage struct {
	View     engine.PlanView
	Details  api.PlanDetails
	Packages map[string]engine.PackageView // by id
	Listed   int                           // of each list, what is shown
}

// shownKeys is how many device keys of a list a page shows.
const shownKeys = 100

func (p planPage) Black() []string { return p.Details.Black[:min(shownKeys, len(p.Details.Black))] }

// White is the beginning of the white list.
func (p planPage) White() []string { return p.Details.White[:min(shownKeys, len(p.Details.White))] }

// Active reports whether the plan may be suspended and terminated.
func (p planPage) Active() bool {
	return p.View.Status == engine.ToBeUpgraded || p.View.Status == engine.Upgrading
}

func (h *handler) showPlan(w http.ResponseWriter, r *http.Request) error {
	p := planPage{Packages: map[string]engine.PackageView{}}
	found := false
	h.platform.View(func(e *engine.Engine) {
		p.View, found = e.Plan(r.PathValue("plan"))
		p.Details, _ = api.Details(e, p.View.ID)
		for _, v := range e.Packages() {
			p.Packages[v.ID] = v
		}
	})
	if !found {
		return api.NotFound("plan not found")
	}
	return h.show(w, http.StatusOK, "plan",
		view{Title: p.View.Name, Here: "plans", Events: "kind=plan&plan=" + p.View.ID, Data: p})
}

// order carries out what a button of a plan says.
func (h *handler) order(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	id := r.PathValue("plan")
	orders := map[string]engine.Command{
		"activate": engine.Activate{Plan: id}, "suspend": engine.Suspend{Plan: id}, "resume": engine.Resume{Plan: id},
		"terminate": engine.Terminate{Plan: id}, "delete": engine.DeletePlan{Plan: id},
	}
	order := r.PostForm.Get("order")
	cmd, known := orders[order]
	if !known {
		return api.NotFound("order not found")
	}
	if err := h.platform.Command(cmd); err != nil {
		return err
	}
	switch order {
	case "delete":
		return back(w, r, "/plans")
	case "activate":
		return back(w, r, "/plans/"+id+"/monitoring")
	}
	return back(w, r, "/plans/"+id)
}
