package management

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

func (s *Store) actionRoutes() map[string]handler {
	return map[string]handler{
		"GET actions":          s.listActions,
		"GET actions/{action}": s.oneAction,
	}
}

func (s *Store) ofAction(do func(*request, *action) (int, any, error)) handler {
	return s.ofTarget(func(r *request, t *target) (int, any, error) {
		a := s.actions[r.number("action")]
		if a == nil || a.target != t {
			return 0, nil, missing("Action", r.PathValue("action"))
		}
		return do(r, a)
	})
}

func (s *Store) oneAction(r *request) (int, any, error) {
	a := s.actions[r.number("action")]
	if a == nil {
		return 0, nil, missing("Action", r.PathValue("action"))
	}
	return http.StatusOK, actionView(r, a, true), nil
}

func (s *Store) listActions(r *request) (int, any, error) {
	return s.pageOfActions(r, slices.Collect(maps.Values(s.actions)))
}

func (s *Store) listActionsOf(r *request, t *target) (int, any, error) {
	return s.pageOfActions(r, slices.Clone(t.actions))
}

// pageOfActions gives a page of actions: in the order of their creation, or the newest
// first if the request asks for that.
func (s *Store) pageOfActions(r *request, all []*action) (int, any, error) {
	slices.SortFunc(all, func(a, b *action) int { return cmp.Compare(a.id, b.id) })
	if strings.EqualFold(r.value("sort"), "id:desc") {
		slices.Reverse(all)
	}
	full := r.value("representation") == "full"
	return paged(r, all, actionFields, func(a *action) any { return actionView(r, a, full) })
}

func actionFields(a *action) map[string]string {
	active := "false"
	if a.active {
		active = "true"
	}
	return map[string]string{"id": fmt.Sprint(a.id), "status": a.status, "active": active,
		"target.controllerid": a.target.key, "target.name": a.target.name, "target.updatestatus": string(a.target.status),
		"distributionset.id": fmt.Sprint(a.set.id), "distributionset.name": a.set.name,
		"distributionset.version": a.set.version}
}

func actionView(r *request, a *action, full bool) any {
	kind := "update"
	if a.status == "canceling" || a.status == "canceled" {
		kind = "cancel"
	}
	path := fmt.Sprintf("targets/%s/actions/%d", a.target.key, a.id)
	links := map[string]link{"self": self(r, path)}
	if full {
		name := a.set.name + ":" + a.set.version
		links["target"] = link{self(r, "targets/"+a.target.key).Href, a.target.name}
		links["distributionset"] = link{self(r, fmt.Sprint("distributionsets/", a.set.id)).Href, name}
		links["status"] = self(r, path+"/status?offset=0&limit=50&sort=id%3ADESC")
	}
	view := map[string]any{"id": a.id, "type": kind, "active": a.active, "status": a.status, "forceType": a.force,
		"createdAt": milli(a.made), "_links": links}
	if a.rollout != nil {
		view["rollout"], view["rolloutName"] = a.rollout.id, a.rollout.name
	}
	return view
}

func (s *Store) showAction(r *request, a *action) (int, any, error) {
	return http.StatusOK, actionView(r, a, true), nil
}

func cancelAction(r *request, a *action) (int, any, error) {
	if err := a.cancel(r.value("force") == "true"); err != nil {
		return 0, nil, err
	}
	return http.StatusNoContent, nil, nil
}

// forceAction makes a soft action a forced one.
func (s *Store) forceAction(r *request, a *action) (int, any, error) {
	var b struct {
		Force string `json:"forceType"`
	}
	if err := r.decode(&b); err != nil {
		return 0, nil, err
	}
	if b.Force != "forced" {
		return 0, nil, badRequest("forceType %.40q: want forced", b.Force)
	}
	a.force = b.Force
	return http.StatusOK, actionView(r, a, true), nil
}

func listEntries(r *request, a *action) (int, any, error) {
	all := slices.Clone(a.history)
	if strings.EqualFold(r.value("sort"), "id:desc") {
		slices.Reverse(all)
	}
	return paged(r, all, func(e entry) map[string]string { return map[string]string{"id": fmt.Sprint(e.id)} },
		func(e entry) any {
			return map[string]any{"id": e.id, "type": e.status, "messages": append([]string{}, e.messages...),
				"reportedAt": milli(e.at), "timestamp": milli(e.at)}
		})
}
