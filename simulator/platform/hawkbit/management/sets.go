package management

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
)

func (s *Store) setRoutes() map[string]handler {
	return map[string]handler{
		"GET distributionsets":                        s.listSets,
		"POST distributionsets":                       s.createSets,
		"GET distributionsets/{set}":                  s.ofSet(showSet),
		"DELETE distributionsets/{set}":               s.ofSet(s.deleteSet),
		"GET distributionsets/{set}/assignedTargets":  s.ofSet(s.listAssigned),
		"POST distributionsets/{set}/assignedTargets": s.ofSet(s.assignTargets),
	}
}

func (s *Store) ofSet(do func(*request, *set) (int, any, error)) handler {
	return func(r *request) (int, any, error) {
		one := find(s.sets, r.number("set"))
		if one == nil {
			return 0, nil, missing("DistributionSet", r.PathValue("set"))
		}
		return do(r, one)
	}
}

func (s *Store) createSets(r *request) (int, any, error) {
	bodies, err := list[struct {
		Name, Version, Type, Description string
		Migration                        bool `json:"requiredMigrationStep"`
		Modules                          []struct {
			ID int `json:"id"`
		}
	}](r)
	if err != nil {
		return 0, nil, err
	}
	views, made := []any{}, []*set{}
	for _, b := range bodies {
		kind := cmp.Or(b.Type, "os_app")
		one := &set{named: named{id: s.number(), name: b.Name, description: b.Description, kind: kind,
			version: b.Version, made: s.now()}, migration: b.Migration}
		err := versioned("DistributionSet", &one.named)
		switch {
		case err != nil:
			return 0, nil, err
		case !known(setKinds(), kind):
			return 0, nil, missing("DistributionSetType", kind)
		case taken(append(made, s.sets...), b.Name, b.Version):
			return 0, nil, exists("DistributionSet", b.Name+" "+b.Version)
		case len(b.Modules) > MaxModules:
			return 0, nil, quota("distribution set %.80q: at most %d modules are kept", b.Name, MaxModules)
		}
		for _, part := range b.Modules {
			m := find(s.modules, part.ID)
			if m == nil {
				return 0, nil, missing("SoftwareModule", strconv.Itoa(part.ID))
			}
			one.modules = append(one.modules, m)
		}
		made, views = append(made, one), append(views, setView(r, one))
	}
	s.sets = append(s.sets, made...)
	return http.StatusCreated, views, nil
}

func (s *Store) listSets(r *request) (int, any, error) {
	return paged(r, s.sets, func(one *set) map[string]string { return one.fields() },
		func(one *set) any { return setView(r, one) })
}

func setView(r *request, one *set) any {
	modules := []any{}
	for _, m := range one.modules {
		modules = append(modules, moduleView(r, m))
	}
	return map[string]any{"id": one.id, "name": one.name, "version": one.version, "type": one.kind,
		"description": one.description, "requiredMigrationStep": one.migration, "complete": len(one.modules) > 0,
		"valid": true, "modules": modules, "createdAt": milli(one.made),
		"_links": map[string]link{"self": self(r, fmt.Sprint("distributionsets/", one.id))}}
}

func (s *Store) deleteSet(_ *request, one *set) (int, any, error) {
	s.sets = remove(s.sets, one)
	return http.StatusNoContent, nil, nil
}

func (s *Store) listAssigned(r *request, one *set) (int, any, error) {
	var all []*target
	for _, t := range s.targets {
		if t.assigned == one {
			all = append(all, t)
		}
	}
	return s.pageOf(r, all)
}

// assignment is what came of an assignment, as scripts see it.
type assignment struct {
	Already int         `json:"alreadyAssigned"`
	Actions []actionRef `json:"assignedActions"`
	New     int         `json:"assigned"`
	Total   int         `json:"total"`

	request *request
}

type actionRef struct {
	ID    int             `json:"id"`
	Links map[string]link `json:"_links"`
}

func newAssignment(r *request) *assignment { return &assignment{request: r, Actions: []actionRef{}} }

// assign gives a target a set.
func (d *assignment) assign(s *Store, t *target, wanted *set, force string, by *rollout) error {
	if len(wanted.modules) == 0 {
		return problem(http.StatusBadRequest, "IncompleteDistributionSetException", "distributionset.incomplete",
			"distribution set %d has no modules", wanted.id)
	}
	switch force {
	case "":
		force = "forced"
	case "forced", "soft", "downloadonly", "timeforced":
	default:
		return badRequest("type %.40q: want forced, soft, timeforced or downloadonly", force)
	}
	a, err := s.assign(t, wanted, force, by)
	if err != nil {
		return err
	}
	d.Total++
	if a == nil {
		d.Already++
		return nil
	}
	d.New++
	d.Actions = append(d.Actions, actionRef{a.id,
		map[string]link{"self": self(d.request, fmt.Sprintf("targets/%s/actions/%d", t.key, a.id))}})
	return nil
}

func (s *Store) assignTargets(r *request, wanted *set) (int, any, error) {
	bodies, err := list[struct {
		Key   string `json:"id"`
		Force string `json:"type"`
	}](r)
	if err != nil {
		return 0, nil, err
	}
	if len(bodies) > MaxAssignment {
		return 0, nil, quota("an assignment of %d targets: at most %d are taken", len(bodies), MaxAssignment)
	}
	done := newAssignment(r)
	for _, b := range bodies {
		t := s.targets[b.Key]
		if t == nil {
			continue // hawkBit leaves out those that it does not know
		}
		if err := done.assign(s, t, wanted, b.Force, nil); err != nil {
			return 0, nil, err
		}
	}
	return http.StatusOK, done, nil
}
