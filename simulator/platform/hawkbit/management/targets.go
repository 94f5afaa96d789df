package management

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"otafleet/internal/ota"
)

func (s *Store) targetRoutes() map[string]handler {
	return map[string]handler{
		"GET targets":                                  s.listTargets,
		"POST targets":                                 s.createTargets,
		"GET targets/{target}":                         s.ofTarget(s.showTarget),
		"PUT targets/{target}":                         s.ofTarget(s.updateTarget),
		"DELETE targets/{target}":                      s.ofTarget(s.deleteTarget),
		"GET targets/{target}/attributes":              s.ofTarget(showAttributes),
		"GET targets/{target}/tags":                    s.ofTarget(s.showTags),
		"GET targets/{target}/assignedDS":              s.ofTarget(s.showAssigned),
		"GET targets/{target}/installedDS":             s.ofTarget(s.showInstalled),
		"POST targets/{target}/assignedDS":             s.ofTarget(s.assignToTarget),
		"GET targets/{target}/actions":                 s.ofTarget(s.listActionsOf),
		"GET targets/{target}/actions/{action}":        s.ofAction(s.showAction),
		"DELETE targets/{target}/actions/{action}":     s.ofAction(cancelAction),
		"PUT targets/{target}/actions/{action}":        s.ofAction(s.forceAction),
		"GET targets/{target}/actions/{action}/status": s.ofAction(listEntries),
	}
}

func (s *Store) ofTarget(do func(*request, *target) (int, any, error)) handler {
	return func(r *request) (int, any, error) {
		t := s.targets[r.PathValue("target")]
		if t == nil {
			return 0, nil, missing("Target", r.PathValue("target"))
		}
		return do(r, t)
	}
}

// targetBody is what a script says of a target.
type targetBody struct {
	Key         string  `json:"controllerId"`
	Name        *string `json:"name"`
	Description *string `json:"description"`
	Token       *string `json:"securityToken"`
	Ask         *bool   `json:"requestAttributes"`
}

func (b *targetBody) apply(t *target) error {
	for _, field := range []struct {
		given *string
		into  *string
		most  int
	}{{b.Name, &t.name, maxText}, {b.Description, &t.description, maxText}, {b.Token, &t.token, 128}} {
		if field.given == nil {
			continue
		}
		if len(*field.given) > field.most {
			return badRequest("target %.80q: a text of it has more than %d bytes", t.key, field.most)
		}
		*field.into = *field.given
	}
	if b.Ask != nil {
		t.ask = *b.Ask
	}
	return nil
}

func (s *Store) createTargets(r *request) (int, any, error) {
	bodies, err := list[targetBody](r)
	if err != nil {
		return 0, nil, err
	}
	made := map[string]*target{}
	views := []any{}
	for i := range bodies {
		b := &bodies[i]
		switch {
		case !ota.ValidKey(b.Key) || len(b.Key) > maxKey:
			return 0, nil, badRequest("controllerId %.80q: want 1 to %d characters of [A-Za-z0-9_-]", b.Key, ota.MaxKey)
		case s.targets[b.Key] != nil || made[b.Key] != nil:
			return 0, nil, exists("Target", b.Key)
		case len(s.targets)+len(made) >= maxObjects:
			return 0, nil, quota("there are too many targets")
		}
		t := &target{named: named{id: s.number(), name: b.Key, made: s.now()}, key: b.Key, token: fresh(), status: Unknown,
			ask: true}
		if err := b.apply(t); err != nil {
			return 0, nil, err
		}
		made[b.Key] = t
		views = append(views, targetView(r, t))
	}
	maps.Copy(s.targets, made)
	return http.StatusCreated, views, nil
}

func (s *Store) listTargets(r *request) (int, any, error) {
	return s.pageOf(r, slices.Collect(maps.Values(s.targets)))
}

// pageOf gives a page of targets, in the order of their creation.
func (s *Store) pageOf(r *request, all []*target) (int, any, error) {
	slices.SortFunc(all, func(a, b *target) int { return a.id - b.id })
	return paged(r, all, targetFields, func(t *target) any { return targetView(r, t) })
}

func targetFields(t *target) map[string]string {
	var tags []string
	for _, one := range t.tags {
		tags = append(tags, one.name)
	}
	return map[string]string{"id": t.key, "controllerid": t.key, "name": t.name, "description": t.description,
		"updatestatus": string(t.status), "tag": strings.Join(tags, "\n"), "tag.name": strings.Join(tags, "\n"),
		"assignedds.name": nameOf(t.assigned), "installedds.name": nameOf(t.runs)}
}

func nameOf(s *set) string {
	if s == nil {
		return ""
	}
	return s.name
}

// targetDocument is a target as scripts see it.
type targetDocument struct {
	Key         string          `json:"controllerId"`
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Status      UpdateStatus    `json:"updateStatus"`
	Polled      int64           `json:"lastControllerRequestAt,omitempty"`
	Installed   int64           `json:"installedAt,omitempty"`
	Token       string          `json:"securityToken"`
	Ask         bool            `json:"requestAttributes"`
	Made        int64           `json:"createdAt"`
	Links       map[string]link `json:"_links"`
}

func targetView(r *request, t *target) any {
	path := "targets/" + url.PathEscape(t.key)
	return targetDocument{Key: t.key, Name: t.name, Description: t.description, Status: t.status,
		Polled: milli(t.polled), Installed: milli(t.installed), Token: t.token, Ask: t.ask, Made: milli(t.made),
		Links: map[string]link{"self": self(r, path), "actions": self(r, path+"/actions")}}
}

func milli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func (s *Store) showTarget(r *request, t *target) (int, any, error) {
	return http.StatusOK, targetView(r, t), nil
}

func (s *Store) updateTarget(r *request, t *target) (int, any, error) {
	var b targetBody
	if err := r.decode(&b); err != nil {
		return 0, nil, err
	}
	changed := *t
	if err := b.apply(&changed); err != nil {
		return 0, nil, err
	}
	*t = changed
	return http.StatusOK, targetView(r, t), nil
}

func (s *Store) deleteTarget(_ *request, t *target) (int, any, error) {
	delete(s.targets, t.key)
	for _, a := range t.actions {
		delete(s.actions, a.id)
	}
	return http.StatusNoContent, nil, nil
}

func showAttributes(_ *request, t *target) (int, any, error) {
	if len(t.attributes) == 0 {
		return http.StatusNoContent, nil, nil
	}
	return http.StatusOK, t.attributes, nil
}

func (s *Store) showTags(r *request, t *target) (int, any, error) {
	views := []any{}
	for _, one := range t.tags {
		views = append(views, tagView(r, one))
	}
	return http.StatusOK, views, nil
}

func (s *Store) showAssigned(r *request, t *target) (int, any, error) { return showSet(r, t.assigned) }
func (s *Store) showInstalled(r *request, t *target) (int, any, error) {
	return showSet(r, t.runs)
}

func showSet(r *request, one *set) (int, any, error) {
	if one == nil {
		return http.StatusNoContent, nil, nil
	}
	return http.StatusOK, setView(r, one), nil
}

// assignToTarget gives one target one set, or more.
func (s *Store) assignToTarget(r *request, t *target) (int, any, error) {
	bodies, err := list[struct {
		ID    int    `json:"id"`
		Force string `json:"type"`
	}](r)
	if err != nil {
		return 0, nil, err
	}
	done := newAssignment(r)
	for _, b := range bodies {
		wanted := find(s.sets, b.ID)
		if wanted == nil {
			return 0, nil, missing("DistributionSet", strconv.Itoa(b.ID))
		}
		if err := done.assign(s, t, wanted, b.Force, nil); err != nil {
			return 0, nil, err
		}
	}
	return http.StatusOK, done, nil
}
