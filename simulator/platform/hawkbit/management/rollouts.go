package management

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
)

func (s *Store) rolloutRoutes() map[string]handler {
	return map[string]handler{
		"GET rollouts":                  s.listRollouts,
		"POST rollouts":                 s.createRollout,
		"GET rollouts/{rollout}":        s.ofRollout(s.showRollout),
		"POST rollouts/{rollout}/start": s.ofRollout(s.startRollout),
		"DELETE rollouts/{rollout}":     s.ofRollout(s.deleteRollout),
	}
}

func (s *Store) ofRollout(do func(*request, *rollout) (int, any, error)) handler {
	return func(r *request) (int, any, error) {
		one := find(s.rollout, r.number("rollout"))
		if one == nil {
			return 0, nil, missing("Rollout", r.PathValue("rollout"))
		}
		return do(r, one)
	}
}

func (s *Store) createRollout(r *request) (int, any, error) {
	var b struct {
		Name, Description, Type string
		Query                   string `json:"targetFilterQuery"`
		Set                     int    `json:"distributionSetId"`
		Groups                  int    `json:"amountGroups"`
	}
	if err := r.decode(&b); err != nil {
		return 0, nil, err
	}
	if _, err := parseQuery(b.Query); err != nil {
		return 0, nil, err
	}
	wanted := find(s.sets, b.Set)
	switch {
	case wanted == nil:
		return 0, nil, missing("DistributionSet", strconv.Itoa(b.Set))
	case b.Name == "" || len(b.Name) > 128:
		return 0, nil, badRequest("rollout %.80q: want a name of 1 to 128 bytes", b.Name)
	case b.Groups > 1:
		return 0, nil, badRequest("rollout %.80q: %d groups: this server has rollouts of one group", b.Name, b.Groups)
	case taken(s.rollout, b.Name, ""):
		return 0, nil, exists("Rollout", b.Name)
	}
	one := &rollout{named: named{id: s.number(), name: b.Name, description: b.Description, made: s.now()},
		query: b.Query, set: wanted, force: b.Type, state: "ready"}
	s.rollout = append(s.rollout, one)
	return http.StatusCreated, s.rolloutView(r, one), nil
}

func (s *Store) listRollouts(r *request) (int, any, error) {
	return paged(r, s.rollout, func(one *rollout) map[string]string { return one.fields() },
		func(one *rollout) any { return s.rolloutView(r, one) })
}

func (s *Store) showRollout(r *request, one *rollout) (int, any, error) {
	return http.StatusOK, s.rolloutView(r, one), nil
}

// rolloutView counts the actions of a rollout. One whose actions have all ended is
// finished.
func (s *Store) rolloutView(r *request, one *rollout) any {
	counts := map[string]int{"running": 0, "notstarted": 0, "scheduled": 0, "cancelled": 0, "finished": 0, "error": 0}
	total, state := 0, one.state
	for _, a := range s.actions {
		if a.rollout != one {
			continue
		}
		total++
		switch {
		case a.active:
			counts["running"]++
		case a.status == "canceled":
			counts["cancelled"]++
		default:
			counts[a.status]++
		}
	}
	if state == "running" && counts["running"] == 0 {
		state = "finished"
	}
	return map[string]any{"id": one.id, "name": one.name, "description": one.description, "status": state,
		"targetFilterQuery": one.query, "distributionSetId": one.set.id, "totalTargets": total, "totalGroups": 1,
		"totalTargetsPerStatus": counts, "createdAt": milli(one.made),
		"_links": map[string]link{"self": self(r, fmt.Sprint("rollouts/", one.id))}}
}

func (s *Store) startRollout(r *request, one *rollout) (int, any, error) {
	if one.state != "ready" {
		return 0, nil, problem(http.StatusBadRequest, "RolloutIllegalStateException", "rollout.illegalState",
			"rollout %d is %s", one.id, one.state)
	}
	q, err := parseQuery(one.query)
	if err != nil {
		return 0, nil, err
	}
	var meant []*target
	for _, t := range s.targets {
		is, err := q.means(targetFields(t))
		if err != nil {
			return 0, nil, err
		}
		if is {
			meant = append(meant, t)
		}
	}
	slices.SortFunc(meant, func(a, b *target) int { return a.id - b.id })
	done := newAssignment(r)
	for _, t := range meant {
		if err := done.assign(s, t, one.set, one.force, one); err != nil {
			return 0, nil, err
		}
	}
	one.state = "running"
	return http.StatusOK, nil, nil
}

func (s *Store) deleteRollout(_ *request, one *rollout) (int, any, error) {
	s.rollout = remove(s.rollout, one)
	return http.StatusNoContent, nil, nil
}
