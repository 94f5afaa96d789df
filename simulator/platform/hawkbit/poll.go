package hawkbit

import (
	"fmt"
	"net/http"
	"strconv"

	"otafleet/simulator/platform"
	"otafleet/simulator/platform/engine"
)

// attempts is how many attempts of a plan have numbers. What comes after them is not
// shown.
const attempts = 1000

// number is the id of the action that an assignment is; empty for none.
func number(a *engine.Assignment) string {
	if a.Attempt >= attempts {
		return ""
	}
	return strconv.Itoa(a.Number*attempts + a.Attempt)
}

// kind is the resource under which an action is shown.
func (d *device) kind(a *engine.Assignment) string {
	switch {
	case a.State == engine.AwaitingUser:
		return "confirmationBase"
	case a.State == engine.Withdrawn && d.refused != number(a):
		return "cancelAction"
	}
	return "deploymentBase"
}

// root answers a poll.
func (h *Handler) root(r *request) error {
	if r.device.attributes == nil && r.device.asked >= unansweredPolls {
		if err := r.device.tell(map[string]string{}, h.product(r)); err != nil {
			return err
		}
		r.device.ask = true // it may have been cut off before it could say more
	}
	var doc root
	doc.Config.Polling.Sleep = clock(h.config.Sleep)
	doc.Links = map[string]link{}
	err := h.platform.Converse(func(t *platform.Talk) {
		if is, shown := r.device.visit(t); shown && number(&is) != "" {
			kind := r.device.kind(&is)
			doc.Links[kind] = link{r.base + "/" + kind + "/" + number(&is)}
		}
	})
	if err != nil {
		return err
	}
	if r.device.ask {
		r.device.asked++
		doc.Links["configData"] = link{r.base + "/configData"}
	}
	answer(r.w, http.StatusOK, doc)
	return nil
}

// configData takes the device's attributes.
func (h *Handler) configData(r *request) error {
	var sent attributes
	if err := read(r.w, r.Request, &sent); err != nil {
		return err
	}
	known, err := sent.apply(r.device.attributes)
	if err != nil {
		return err
	}
	if err := r.device.tell(known, h.product(r)); err != nil {
		return err
	}
	if err := h.platform.Converse(r.device.refresh); err != nil {
		return err
	}
	r.w.WriteHeader(http.StatusOK)
	return nil
}

// product is that of a device that names none.
func (h *Handler) product(r *request) string {
	if h.config.Product != "" {
		return h.config.Product
	}
	return r.tenant
}

// confirmationState says whether the device's user is asked at all.
func (h *Handler) confirmationState(r *request) error {
	doc := confirmationState{Links: map[string]link{}}
	err := h.platform.Converse(func(t *platform.Talk) {
		is, shown := r.device.visit(t)
		if shown && is.State == engine.AwaitingUser && number(&is) != "" {
			doc.Links["confirmationBase"] = link{r.base + "/confirmationBase/" + number(&is)}
		}
		doc.AutoConfirm.Active = t.Engine().ConfirmsItself(r.device.id)
	})
	if err != nil {
		return err
	}
	change := "activateAutoConfirm"
	if doc.AutoConfirm.Active {
		change = "deactivateAutoConfirm"
	}
	doc.Links[change] = link{r.base + "/confirmationBase/" + change}
	answer(r.w, http.StatusOK, doc)
	return nil
}

// autoConfirm turns the switch by which plans reach the device without asking its
// user.
func (h *Handler) autoConfirm(r *request) error {
	on := r.rest[1] == "activateAutoConfirm"
	var refused error
	err := h.platform.Converse(func(t *platform.Talk) {
		switch known := r.device.identify(t.Engine()); {
		case !known:
			refused = notFound("the device")
		case on && t.Engine().ConfirmsItself(r.device.id):
			refused = refusal(
				http.StatusConflict,
				"AutoConfirmationAlreadyActiveException",
				"repo.autoConfirmAlreadyActive",
				fmt.Sprintf("device %s confirms by itself already", r.device.key),
			)
		default:
			refused = t.Command(engine.AutoConfirm{Device: r.device.id, On: on})
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
