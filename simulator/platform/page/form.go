package page

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/api"
	"otafleet/simulator/platform/engine"
)

// localTime is how a browser writes a time without a zone.
const localTime = "2006-01-02T15:04"

// Rows of a form that are always there to be filled in.
const (
	emptyRows  = 4
	emptyTexts = 3
)

// formPage is the form of a plan: what it holds, and what is wrong with it.
type formPage struct {
	ID       string // of the plan that is edited; empty for a new one
	Fields   map[string]string
	Rows     []componentRow
	Texts    []api.TextForm
	Shown    int // how many rows are unfolded
	Packages []engine.PackageView
	Plans    []engine.PlanView // whose components may be taken
	Problem  *api.Problem
}

// entry is one entry of a list of the form.
type entry struct {
	Page formPage
	At   int
}

// product is a product with the packages that there are for it.
type product struct {
	Name     string
	Packages []engine.PackageView
}

// Products groups the packages, in the order of their first ones.
func (p formPage) Products() []product {
	var all []product
	for _, pkg := range p.Packages {
		i := slices.IndexFunc(all, func(known product) bool { return known.Name == pkg.Product })
		if i < 0 {
			i, all = len(all), append(all, product{Name: pkg.Product})
		}
		all[i].Packages = append(all[i].Packages, pkg)
	}
	return all
}

// ManyTexts reports whether there is more than the first text to show.
func (p formPage) ManyTexts() bool { return len(p.Texts) > 1 && p.Texts[1].Text != "" }

// componentRow is one component of the form: a package and what it may start from.
type componentRow struct {
	Package string // id
	Sources string // versions, with semicolons
	Skip    bool
}

// Wrong is what is wrong with a field; empty if nothing is. A field that is a list
// stands for its entries.
func (p formPage) Wrong(field string) string {
	return p.wrong(func(at string) bool {
		return at == field || strings.HasPrefix(at, field+"[") || strings.HasPrefix(at, field+".")
	})
}

// WrongAlone is what is wrong with a field itself, and not with its entries.
func (p formPage) WrongAlone(field string) string {
	return p.wrong(func(at string) bool { return at == field })
}

func (p formPage) wrong(meant func(field string) bool) string {
	if p.Problem == nil {
		return ""
	}
	for _, e := range p.Problem.Errors {
		if meant(e.Field) {
			return e.Reason
		}
	}
	return ""
}

// WrongRow is what is wrong with a component.
func (p formPage) WrongRow(i int) string { return p.Wrong(fmt.Sprintf("components[%d]", i)) }

// blank is the form of a new plan, with the defaults of the platform's form.
func blank(now time.Time) formPage {
	today := now.UTC().Truncate(24 * time.Hour)
	return formPage{Fields: map[string]string{
		"time_zone": "UTC", "mode": "silent", "push": "true", "retries": "5", "rejection_minutes": "120",
		"on_failure": "stop",
		"min_rssi":   strconv.Itoa(ota.LowestRSSI), "min_battery": "30",
		"start": today.Format(localTime), "end": today.AddDate(0, 0, 8).Add(-time.Minute).Format(localTime),
	}}
}

func (h *handler) showNew(w http.ResponseWriter, r *http.Request) error {
	p := blank(time.Now())
	if from := r.URL.Query().Get("components"); from != "" {
		h.platform.View(func(e *engine.Engine) {
			if d, found := api.Details(e, from); found {
				p.Rows, p.Fields["product"] = rowsOf(&d), d.Product
			}
		})
	}
	return h.showForm(w, http.StatusOK, "New upgrade plan", p)
}

func (h *handler) showEdit(w http.ResponseWriter, r *http.Request) error {
	var d api.PlanDetails
	found := false
	h.platform.View(func(e *engine.Engine) { d, found = api.Details(e, r.PathValue("plan")) })
	if !found {
		return api.NotFound("plan not found")
	}
	return h.showForm(w, http.StatusOK, "Edit "+d.Name, filled(&d))
}

// filled is the form of a stored plan.
func filled(d *api.PlanDetails) formPage {
	zone, err := time.LoadLocation(d.TimeZone)
	if err != nil {
		zone = time.UTC
	}
	p := formPage{ID: d.ID, Rows: rowsOf(d), Texts: d.Texts, Fields: map[string]string{
		"name": d.Name, "product": d.Product, "black": strings.Join(d.Black, "\n"), "white": strings.Join(d.White, "\n"),
		"time_zone": zone.String(), "start": d.Start.In(zone).Format(localTime), "end": d.End.In(zone).Format(localTime),
		"mode": d.Mode, "push": strconv.FormatBool(d.Push || d.Mode == string(ota.Manual)),
		"retries": strconv.Itoa(d.Retries), "on_failure": d.OnFailure,
		"min_battery": optional(d.MinBattery), "min_rssi": optional(d.MinRSSI),
		"rejection_minutes": optional(d.RejectionMinutes),
	}}
	if d.PushHours != nil {
		p.Fields["push_from"], p.Fields["push_to"] = strconv.Itoa(d.PushHours.From), strconv.Itoa(d.PushHours.To)
	}
	return p
}

func optional(n *int) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(*n)
}

func rowsOf(d *api.PlanDetails) []componentRow {
	var rows []componentRow
	for _, c := range d.Components {
		row := componentRow{Package: c.PackageID, Skip: !c.Upgrade}
		if c.Package == string(ota.Full) {
			row.Sources = strings.Join(c.Sources, "; ")
		}
		rows = append(rows, row)
	}
	return rows
}

func (h *handler) showForm(w http.ResponseWriter, status int, title string, p formPage) error {
	h.platform.View(func(e *engine.Engine) { p.Packages, p.Plans = e.Packages(), e.Plans() })
	p.Shown = len(p.Rows) + 1
	for n := max(emptyRows, min(len(p.Rows)+1, ota.MaxComponents)); len(p.Rows) < n; {
		p.Rows = append(p.Rows, componentRow{})
	}
	for n := max(emptyTexts, min(len(p.Texts)+1, engine.MaxTexts)); len(p.Texts) < n; {
		t := api.TextForm{}
		if len(p.Texts) == 0 {
			t.Language = engine.NeededLanguage
		}
		p.Texts = append(p.Texts, t)
	}
	return h.show(w, status, "form", view{Title: title, Here: "plans", Data: p})
}

func (h *handler) create(w http.ResponseWriter, r *http.Request) error {
	return h.save(w, r, "", "New upgrade plan",
		func(s engine.PlanSpec) engine.Command { return engine.CreatePlan{Plan: s} })
}

func (h *handler) edit(w http.ResponseWriter, r *http.Request) error {
	return h.save(w, r, r.PathValue("plan"), "Edit plan",
		func(s engine.PlanSpec) engine.Command { return engine.EditPlan{Plan: s} })
}

// save gives the platform what the form holds; what it refuses stands in the form.
func (h *handler) save(w http.ResponseWriter, r *http.Request, id, title string,
	command func(engine.PlanSpec) engine.Command) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	page := typed(id, r.PostForm)
	form := h.planForm(&page)
	spec, err := form.Spec()
	if err == nil {
		err = h.ofOneProduct(&page)
	}
	if err == nil {
		err = h.platform.Command(command(spec))
	}
	if err == nil {
		return back(w, r, "/plans/"+spec.ID)
	}
	problem := api.ProblemOf(err)
	page.Problem = &problem
	return h.showForm(w, problem.Status, title, page)
}

// typed is the form as it was filled in.
func typed(id string, values url.Values) formPage {
	p := formPage{ID: id, Fields: map[string]string{}}
	for _, name := range []string{"name", "product", "black", "white", "time_zone", "start", "end", "mode", "push",
		"push_from", "push_to",
		"rejection_minutes", "retries", "min_battery", "min_rssi", "on_failure"} {
		p.Fields[name] = strings.TrimSpace(values.Get(name))
	}
	at := func(name string, i int) string {
		if all := values[name]; i < len(all) {
			return strings.TrimSpace(all[i])
		}
		return ""
	}
	for i := range min(len(values["package"]), ota.MaxComponents) {
		if row := (componentRow{at("package", i), at("sources", i), at("upgrade", i) == "no"}); row.Package != "" {
			p.Rows = append(p.Rows, row)
		}
	}
	for i := range min(len(values["language"]), engine.MaxTexts) {
		if t := (api.TextForm{Language: at("language", i), Text: at("text", i)}); t.Text != "" {
			p.Texts = append(p.Texts, t)
		}
	}
	return p
}

// planForm is what the API would be given. What is not a number becomes one that
// the platform refuses, with its bounds.
func (h *handler) planForm(p *formPage) *api.PlanForm {
	f := p.Fields
	form := &api.PlanForm{
		ID: p.ID, Name: f["name"], Product: f["product"],
		Black: strings.Fields(f["black"]), White: strings.Fields(f["white"]),
		TimeZone: f["time_zone"], Start: inZone(f["start"], f["time_zone"]), End: inZone(f["end"], f["time_zone"]),
		Mode: f["mode"], Retries: whole(f["retries"]),
		MinBattery: whole(f["min_battery"]), MinRSSI: whole(f["min_rssi"]),
		OnFailure: f["on_failure"], Texts: p.Texts,
	}
	if f["mode"] != string(ota.Manual) {
		push := f["push"] != "false"
		form.Push = &push
		form.Texts = nil
		if push {
			form.RejectionMinutes = whole(f["rejection_minutes"])
		}
	}
	if f["push_from"] != "" || f["push_to"] != "" {
		form.PushHours = &api.HoursForm{From: *orWrong(f["push_from"]), To: *orWrong(f["push_to"])}
	}
	h.platform.View(func(e *engine.Engine) {
		for _, row := range p.Rows {
			form.Components = append(form.Components, componentOf(e, row))
		}
	})
	return form
}

// ofOneProduct refuses a package of another product than the plan's. Its component
// and version alone could name a package that was not chosen.
func (h *handler) ofOneProduct(p *formPage) (err error) {
	h.platform.View(func(e *engine.Engine) {
		for i, row := range p.Rows {
			pkg, found := e.Package(row.Package)
			if found && pkg.Product != p.Fields["product"] {
				err = api.Invalid(
					fmt.Sprintf("components[%d].package", i),
					fmt.Sprintf("component %d: package %q is for product %s, the plan for %s", i+1, pkg.Name, pkg.Product,
						p.Fields["product"]),
				)
				return
			}
		}
	})
	return err
}

func componentOf(e *engine.Engine, row componentRow) api.ComponentForm {
	pkg, _ := e.Package(row.Package)
	upgrade := !row.Skip
	c := api.ComponentForm{
		ID: pkg.Component, Type: string(pkg.Type), Package: string(pkg.Package), Target: pkg.Target, Upgrade: &upgrade,
	}
	if pkg.Package == ota.Delta {
		c.Sources = []string{pkg.Source}
		return c
	}
	for version := range strings.SplitSeq(row.Sources, ";") {
		if version = strings.TrimSpace(version); version != "" {
			c.Sources = append(c.Sources, version)
		}
	}
	return c
}

// notWhole is no value of any field.
const notWhole = -1 << 20

func whole(text string) *int {
	if text == "" {
		return nil
	}
	return orWrong(text)
}

func orWrong(text string) *int {
	n, err := strconv.Atoi(text)
	if err != nil {
		n = notWhole
	}
	return &n
}

// inZone reads a browser's time in the plan's zone; what is none stays as it is,
// for the API to refuse.
func inZone(text, zone string) string {
	z, err := time.LoadLocation(zone)
	if err != nil {
		z = time.UTC
	}
	t, err := time.ParseInLocation(localTime, text, z)
	if err != nil {
		return text
	}
	return t.Format(time.RFC3339)
}
