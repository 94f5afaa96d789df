package hawkbit

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"otafleet/internal/ota"
	"otafleet/internal/wire"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/account"
	"otafleet/simulator/platform/engine"
)

// find gives the device's assignment, if it is shown as the action and the resource
// that a request names, or else why not.
func (r *request) find(t *platform.Talk) (engine.Assignment, error) {
	r.device.seen = t.Now
	kind, id := r.rest[0], r.rest[1]
	n, err := strconv.Atoi(id)
	if err != nil || n < 0 || !r.device.identify(t.Engine()) {
		return engine.Assignment{}, notFound("action " + fmt.Sprintf("%.20q", id))
	}
	is, shown := t.Engine().Assigned(t.Now, r.device.id)
	switch {
	case shown && number(&is) == id && r.device.kind(&is) == kind:
		return is, nil
	case shown && number(&is) == id && kind == "cancelAction":
		return is, notAllowed("action " + id + " is not being cancelled")
	case shown && number(&is) == id,
		!t.Engine().WasAssigned(r.device.id, n/attempts, n%attempts),
		r.Method != http.MethodPost:
		return is, notFound("action " + id + " as " + kind)
	}
	return is, gone()
}

// document answers what an action asks for.
func (h *Handler) document(r *request) error {
	var is engine.Assignment
	var refused error
	err := h.platform.Converse(func(t *platform.Talk) {
		if is, refused = r.find(t); refused != nil || r.rest[0] != "deploymentBase" {
			return
		}
		tr := &translation{account.Account{Now: t.Now, Is: is}}
		tr.Receive()
		r.device.hear(t, tr)
	})
	if err == nil {
		err = refused
	}
	if err != nil {
		return err
	}
	if r.rest[0] == "cancelAction" {
		doc := cancellation{ID: r.rest[1]}
		doc.Cancel.StopID = r.rest[1]
		answer(r.w, http.StatusOK, doc)
		return nil
	}
	wanted := &order{Download: "forced", Update: "forced"}
	for i := range is.Parts {
		c, err := h.chunk(r, i, &is.Parts[i])
		if err != nil {
			return err
		}
		wanted.Chunks = append(wanted.Chunks, c)
	}
	doc := deployment{ID: r.rest[1], Deployment: wanted}
	if r.rest[0] == "confirmationBase" {
		doc.Deployment, doc.Confirmation = nil, wanted
	}
	answer(r.w, http.StatusOK, doc)
	return nil
}

// hear passes the messages of a translation on.
func (d *device) hear(t *platform.Talk, tr *translation) {
	for _, m := range tr.Messages {
		t.Hear(d.id, m)
	}
	d.learn(tr.Messages)
}

// chunk is a component of an action as a software module.
func (h *Handler) chunk(r *request, i int, p *engine.AssignedPart) (chunk, error) {
	c := chunk{Part: "bApp", Name: p.ID, Version: p.Target, Metadata: []pair{{"ota.order", strconv.Itoa(i)}}}
	if p.Type != ota.Module {
		c.Part = string(p.Type)
	}
	artifacts, err := h.artifacts(r, p)
	c.Artifacts = artifacts
	return c, err
}

// artifacts lists the files of a package, and its signed manifest.
func (h *Handler) artifacts(r *request, p *engine.AssignedPart) ([]artifact, error) {
	envelope, files, err := h.platform.Files(p.Package)
	if err != nil {
		return nil, err
	}
	manifest, err := sidecar(envelope)
	if err != nil {
		return nil, err
	}
	base := r.artifactsOf(engine.PackageID(p.Package))
	var all []artifact
	for i, f := range append(files[:len(files):len(files)], manifest.describe(p.ID+wire.SidecarSuffix)) {
		one := describe(f.Name, f.Size, hashes{f.SHA1, f.MD5, f.SHA256}, base)
		if h.config.FileURL != nil && i < len(files) {
			where, err := h.config.FileURL(p.Package, f.Name)
			if err != nil {
				return nil, err
			}
			one.Links["download-http"] = link{where}
		}
		all = append(all, one)
	}
	return all, nil
}

// list answers with the files of a package that the device has an action with.
func (h *Handler) list(r *request) error {
	_, all, err := h.module(r)
	if err != nil {
		return err
	}
	answer(r.w, http.StatusOK, all)
	return nil
}

// artifact answers with one of them, or with its digest.
func (h *Handler) artifact(r *request) error {
	part, all, err := h.module(r)
	if err != nil {
		return err
	}
	name, digest := strings.CutSuffix(r.rest[3], ".MD5SUM")
	for _, a := range all {
		switch {
		case a.Name != name:
		case digest:
			r.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			_, _ = io.WriteString(r.w, a.Hashes.MD5+"  "+a.Name)
			return nil
		case name == part.ID+wire.SidecarSuffix:
			return h.serveManifest(r, part)
		default:
			r.w.Header().Set("Content-Disposition", `attachment; filename="`+a.Name+`"`)
			h.platform.ServeFile(r.w, r.Request, part.Package, a.Name)
			return nil
		}
	}
	return notFound(fmt.Sprintf("artifact %.150q", name))
}

// module finds the component of the device's action whose package a request names,
// and its files.
func (h *Handler) module(r *request) (*engine.AssignedPart, []artifact, error) {
	r.device.mu.Lock()
	defer r.device.mu.Unlock()
	var found *engine.AssignedPart
	err := h.platform.Converse(func(t *platform.Talk) {
		r.device.seen = t.Now
		if !r.device.identify(t.Engine()) {
			return
		}
		is, _ := t.Engine().Assigned(t.Now, r.device.id)
		for i := range is.Parts {
			if engine.PackageID(is.Parts[i].Package) == r.rest[1] {
				found = &is.Parts[i]
			}
		}
	})
	if err == nil && found == nil {
		err = notFound(fmt.Sprintf("software module %.40q", r.rest[1]))
	}
	if err != nil {
		return nil, nil, err
	}
	all, err := h.artifacts(r, found)
	return found, all, err
}

// feedback takes what the device says of an action.
func (h *Handler) feedback(r *request) error {
	var said feedback
	if err := read(r.w, r.Request, &said); err != nil {
		return err
	}
	if err := said.check(); err != nil {
		return err
	}
	var refused error
	err := h.platform.Converse(func(t *platform.Talk) {
		var is engine.Assignment
		if is, refused = r.find(t); refused != nil {
			return
		}
		if refused = r.device.count(r.rest[1], said.closed()); refused != nil {
			return
		}
		tr := &translation{account.Account{Now: t.Now, Is: is}}
		switch {
		case r.rest[0] == "deploymentBase":
			tr.feedback(&said)
		case said.Status.Execution == "closed" && said.Status.Result.Finished != "failure":
			tr.End(endOf(is.End), joined(said.Status.Details))
		case said.Status.Execution == "closed", said.Status.Execution == "rejected":
			r.device.refused = r.rest[1]
		}
		r.device.hear(t, tr)
	})
	if err == nil {
		err = refused
	}
	if err == nil {
		r.w.WriteHeader(http.StatusOK)
	}
	return err
}

// endOf is the code that a component ends with whose plan ends this way.
func endOf(reason ota.TerminationReason) ota.Code { return (&ota.Termination{Reason: reason}).Code() }

// count keeps to hawkBit's bound of feedback on an action.
func (d *device) count(action string, closes bool) error {
	if d.action != action {
		d.action, d.entries = action, 0
	}
	if d.entries++; d.entries > maxEntries && !closes {
		return overQuota(fmt.Sprintf("action %s has %d entries: only its end is taken", action, maxEntries))
	}
	return nil
}

// confirmation takes what the device's user says to an action.
func (h *Handler) confirmation(r *request) error {
	var said confirmation
	if err := read(r.w, r.Request, &said); err != nil {
		return err
	}
	if err := said.check(); err != nil {
		return err
	}
	var refused error
	err := h.platform.Converse(func(t *platform.Talk) {
		is, why := r.find(t)
		switch {
		case why != nil:
			refused = why
		case said.Confirmation == "denied":
			reason, detail, known := refusalIn(said.Details)
			if !known {
				reason = ota.ReasonDeclined
			}
			t.Hear(
				r.device.id,
				&ota.Decision{Time: t.Now, Plan: is.Plan, Attempt: is.Attempt, Reason: reason, Detail: detail},
			)
		default:
			refused = r.confirmed(t, &is)
		}
	})
	if err == nil {
		err = refused
	}
	if err == nil {
		r.w.WriteHeader(http.StatusOK)
	}
	return err
}

// confirmed has the user accept a plan, and the device accept it.
func (r *request) confirmed(t *platform.Talk, is *engine.Assignment) error {
	if err := t.Command(engine.UserAnswer{Device: r.device.id, Plan: is.Plan, Operation: engine.UserConfirm}); err != nil {
		return refusal(
			http.StatusConflict,
			"ConcurrentModificationException",
			"repo.concurrentModification",
			err.Error(),
		)
	}
	now, shown := t.Engine().Assigned(t.Now, r.device.id)
	if shown && now.State == engine.Assigned && number(&now) == r.rest[1] {
		tr := &translation{account.Account{Now: t.Now, Is: now}}
		tr.Accept()
		r.device.hear(t, tr)
	}
	return nil
}
