package management

import (
	"fmt"
	"net/http"
	"slices"
)

func (s *Store) tagRoutes() map[string]handler {
	return map[string]handler{
		"GET targettags":                            s.listTags,
		"POST targettags":                           s.createTags,
		"GET targettags/{tag}":                      s.ofTag(showTag),
		"DELETE targettags/{tag}":                   s.ofTag(s.deleteTag),
		"GET targettags/{tag}/assigned":             s.ofTag(s.listTagged),
		"POST targettags/{tag}/assigned":            s.ofTag(s.tagTargets),
		"DELETE targettags/{tag}/assigned":          s.ofTag(s.untagTargets),
		"POST targettags/{tag}/assigned/{target}":   s.ofTag(s.tagTarget),
		"DELETE targettags/{tag}/assigned/{target}": s.ofTag(s.untagTarget),
	}
}

func (s *Store) ofTag(do func(*request, *tag) (int, any, error)) handler {
	return func(r *request) (int, any, error) {
		one := find(s.tags, r.number("tag"))
		if one == nil {
			return 0, nil, missing("TargetTag", r.PathValue("tag"))
		}
		return do(r, one)
	}
}

func (s *Store) createTags(r *request) (int, any, error) {
	bodies, err := list[struct{ Name, Description, Colour string }](r)
	if err != nil {
		return 0, nil, err
	}
	views, made := []any{}, []*tag{}
	for _, b := range bodies {
		switch {
		case b.Name == "" || len(b.Name) > 128 || len(b.Description) > maxText || len(b.Colour) > 16:
			return 0, nil, badRequest("tag %.80q: want a name of 1 to 128 bytes", b.Name)
		case taken(append(made, s.tags...), b.Name, ""):
			return 0, nil, exists("TargetTag", b.Name)
		}
		one := &tag{named{id: s.number(), name: b.Name, description: b.Description, made: s.now()}, b.Colour}
		made, views = append(made, one), append(views, tagView(r, one))
	}
	s.tags = append(s.tags, made...)
	return http.StatusCreated, views, nil
}

func (s *Store) listTags(r *request) (int, any, error) {
	return paged(r, s.tags, func(t *tag) map[string]string { return t.fields() },
		func(t *tag) any { return tagView(r, t) })
}

func (n *named) fields() map[string]string {
	return map[string]string{"id": fmt.Sprint(n.id), "name": n.name, "description": n.description, "version": n.version,
		"type": n.kind, "type.key": n.kind}
}

func tagView(r *request, t *tag) any {
	return map[string]any{"id": t.id, "name": t.name, "description": t.description, "colour": t.colour,
		"createdAt": milli(t.made), "_links": map[string]link{"self": self(r, fmt.Sprint("targettags/", t.id))}}
}

func showTag(r *request, t *tag) (int, any, error) { return http.StatusOK, tagView(r, t), nil }

func (s *Store) deleteTag(_ *request, one *tag) (int, any, error) {
	for _, t := range s.targets {
		t.tags = remove(t.tags, one)
	}
	s.tags = remove(s.tags, one)
	return http.StatusNoContent, nil, nil
}

func (s *Store) listTagged(r *request, one *tag) (int, any, error) {
	var all []*target
	for _, t := range s.targets {
		if slices.Contains(t.tags, one) {
			all = append(all, t)
		}
	}
	return s.pageOf(r, all)
}

func (s *Store) tagTargets(r *request, one *tag) (int, any, error) {
	return s.eachOf(r, func(t *target) { t.tags = append(remove(t.tags, one), one) })
}

func (s *Store) untagTargets(r *request, one *tag) (int, any, error) {
	return s.eachOf(r, func(t *target) { t.tags = remove(t.tags, one) })
}

// eachOf does something with each target that the body names, or with none if one of
// them is not there.
func (s *Store) eachOf(r *request, do func(*target)) (int, any, error) {
	keys, err := list[string](r)
	if err != nil {
		return 0, nil, err
	}
	for _, key := range keys {
		if s.targets[key] == nil {
			return 0, nil, missing("Target", key)
		}
	}
	for _, key := range keys {
		do(s.targets[key])
	}
	return http.StatusNoContent, nil, nil
}

func (s *Store) tagTarget(r *request, one *tag) (int, any, error) {
	return s.ofTarget(func(_ *request, t *target) (int, any, error) {
		t.tags = append(remove(t.tags, one), one)
		return http.StatusNoContent, nil, nil
	})(r)
}

func (s *Store) untagTarget(r *request, one *tag) (int, any, error) {
	return s.ofTarget(func(_ *request, t *target) (int, any, error) {
		t.tags = remove(t.tags, one)
		return http.StatusNoContent, nil, nil
	})(r)
}
