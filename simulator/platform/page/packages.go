package page

import (
	"errors"
	"io"
	"net/http"

	"otafleet/simulator/platform"
	"otafleet/simulator/platform/api"
	"otafleet/simulator/platform/engine"
)

// packagesPage is the list of packages.
type packagesPage struct {
	Packages []engine.PackageView
	Problem  *api.Problem // of an upload; nil without one
	Label    platform.Label
	Types    []string // endings that files may have
}

func (h *handler) showPackages(w http.ResponseWriter, _ *http.Request) error {
	return h.listPackages(w, http.StatusOK, packagesPage{})
}

func (h *handler) listPackages(w http.ResponseWriter, status int, p packagesPage) error {
	h.platform.View(func(e *engine.Engine) { p.Packages = e.Packages() })
	p.Types = h.api.FileTypes()
	return h.show(w, status, "packages", view{Title: "Version packages", Here: "packages", Events: "kind=plan", Data: p})
}

// upload takes a package from a form: its fields first, then the file, which goes
// straight into its place.
func (h *handler) upload(w http.ResponseWriter, r *http.Request) error {
	parts, err := r.MultipartReader()
	if err != nil {
		return api.BadForm(err)
	}
	var p packagesPage
	for {
		part, err := parts.NextPart()
		if err != nil {
			return api.BadForm(errors.New("it has no file"))
		}
		switch part.FormName() {
		case "name", "remarks":
			text, err := io.ReadAll(io.LimitReader(part, 4<<10))
			if err != nil {
				return api.BadForm(err)
			}
			if part.FormName() == "name" {
				p.Label.Name = string(text)
			} else {
				p.Label.Remarks = string(text)
			}
		case "file":
			id, err := h.api.Upload(w, r, part, p.Label)
			if err != nil {
				problem := api.ProblemOf(err)
				p.Problem = &problem
				return h.listPackages(w, problem.Status, p)
			}
			return back(w, r, "/packages/"+id)
		}
	}
}

// packagePage is a package's details.
type packagePage struct {
	Package  engine.PackageView
	Check    *engine.DeviceView // of the last verification; nil without one
	Checking bool
}

func (h *handler) showPackage(w http.ResponseWriter, r *http.Request) error {
	var p packagePage
	found := false
	h.platform.View(func(e *engine.Engine) {
		if p.Package, found = e.Package(r.PathValue("package")); !found || p.Package.Check == nil {
			return
		}
		p.Checking = p.Package.Check.Outcome == engine.Verifying
		if d, known := e.Device(p.Package.Check.Plan, p.Package.Check.Device); known {
			p.Check = &d
		}
	})
	if !found {
		return api.NotFound("package not found")
	}
	events := ""
	if p.Checking {
		events = "kind=report,device&device=" + p.Package.Check.Device
	}
	return h.show(w, http.StatusOK, "package", view{Title: p.Package.Name, Here: "packages", Events: events, Data: p})
}

// changePackage verifies or deletes a package.
func (h *handler) changePackage(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	id := r.PathValue("package")
	switch r.PostForm.Get("order") {
	case "verify":
		if err := h.platform.Command(engine.VerifyPackage{Package: id, Device: r.PostForm.Get("device")}); err != nil {
			return err
		}
		return back(w, r, "/packages/"+id)
	case "delete":
		if err := h.platform.DeletePackage(r.Context(), id); err != nil {
			return err
		}
		return back(w, r, "/packages")
	}
	return api.NotFound("order not found")
}
