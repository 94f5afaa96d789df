package hawkbit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What of a fresh hawkBit a run is made of: modules of which a set may have several.
const (
	moduleType = "application"
	setType    = "app"
	// orderKey is the metadata of a module that says when it has its turn.
	orderKey = "ota.order"
)

// How much is said in one request.
const (
	createBatch = 500
	assignBatch = 5_000
	pageSize    = 500
)

// Run is what one run has on the server. All of it bears the run's name.
type Run struct {
	client *Client
	name   string
	tag    int // its number there
}

// Check says whether the server lets the operator in, and its targets use tokens of
// their own, and gives the pause between two polls of its devices.
func (c *Client) Check(ctx context.Context) (polls time.Duration, err error) {
	var config struct{ Value any }
	err = c.get(ctx, "system/configs/authentication.targettoken.enabled", &config)
	switch {
	case hasStatus(err, http.StatusUnauthorized):
		return 0, errors.New("hawkBit does not let this operator in (401): are user name and password right?")
	case err != nil:
		return 0, err
	case config.Value != true:
		return 0, errors.New("hawkBit does not let devices in by target tokens: switch that on in its system " +
			`configuration, or PUT {"value":true} to /rest/v1/system/configs/authentication.targettoken.enabled`)
	}
	if err := c.get(ctx, "system/configs/pollingTime", &config); err != nil {
		return 0, err
	}
	text, _ := config.Value.(string)
	clock, err := time.Parse(time.TimeOnly, text)
	if err != nil {
		return 0, fmt.Errorf("hawkBit's pollingTime %.20q: want HH:MM:SS", text)
	}
	return clock.Sub(clock.Truncate(24 * time.Hour)), nil
}

// Begin makes a run's tag, by which people find its targets.
func (c *Client) Begin(ctx context.Context, name string) (*Run, error) {
	var made []struct{ ID int }
	err := c.post(ctx, "targettags", []map[string]string{{"name": name, "description": "a run of ota-sim"}}, &made)
	if err == nil && len(made) != 1 {
		err = fmt.Errorf("hawkBit has made %d tags instead of one", len(made))
	}
	if err != nil {
		return nil, fmt.Errorf("cannot begin the run %s at hawkBit: %w", name, err)
	}
	return &Run{c, name, made[0].ID}, nil
}

// Name is the run's.
func (r *Run) Name() string { return r.name }

// Target is a device to be.
type Target struct {
	Key   string
	Token string
}

// AddTargets makes targets, with their tokens.
func (r *Run) AddTargets(ctx context.Context, all []Target) error {
	for some := range slices.Chunk(all, createBatch) {
		bodies, keys := []map[string]string{}, []string{}
		for _, t := range some {
			bodies = append(bodies, map[string]string{"controllerId": t.Key, "name": t.Key, "description": r.name,
				"securityToken": t.Token})
			keys = append(keys, t.Key)
		}
		err := r.client.post(ctx, "targets", bodies, nil)
		if err == nil {
			err = r.client.post(ctx, fmt.Sprintf("targettags/%d/assigned", r.tag), keys, nil)
		}
		if err != nil {
			return fmt.Errorf("cannot make targets at hawkBit: %w", err)
		}
	}
	return nil
}

// File is an artifact.
type File struct {
	Name    string
	Content []byte
}

// Module is a software module.
type Module struct {
	Name, Version string
	Files         []File
}

// AddModules uploads modules, in their order of upgrade, and gives their numbers.
func (r *Run) AddModules(ctx context.Context, modules []Module) ([]int, error) {
	var all []int
	for i, m := range modules {
		id, err := r.addModule(ctx, &m, i)
		if err != nil {
			return nil, fmt.Errorf("cannot make the software module %s %s at hawkBit: %w", m.Name, m.Version, err)
		}
		all = append(all, id)
	}
	return all, nil
}

func (r *Run) addModule(ctx context.Context, m *Module, turn int) (int, error) {
	var made []struct{ ID int }
	err := r.client.post(ctx, "softwaremodules", []map[string]string{{"name": r.name + " " + m.Name, "version": m.Version,
		"type": moduleType, "description": r.name}}, &made)
	if err != nil || len(made) != 1 {
		return 0, errors.Join(err, r.only(len(made), err))
	}
	here := fmt.Sprintf("softwaremodules/%d", made[0].ID)
	for _, f := range m.Files {
		if err := r.client.upload(ctx, here+"/artifacts", f); err != nil {
			return 0, err
		}
	}
	return made[0].ID, r.client.post(ctx, here+"/metadata", []map[string]any{{"key": orderKey,
		"value": strconv.Itoa(turn), "targetVisible": true}}, nil)
}

// only says that the server did not make the one thing that it should.
func (r *Run) only(n int, err error) error {
	if err != nil {
		return nil
	}
	return fmt.Errorf("hawkBit has made %d of it instead of one", n)
}

// upload sends a file.
func (c *Client) upload(ctx context.Context, where string, f File) error {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", f.Name)
	if err == nil {
		_, err = io.Copy(part, bytes.NewReader(f.Content))
	}
	if err = errors.Join(err, form.Close()); err != nil {
		return fmt.Errorf("cannot upload %s: %w", f.Name, err)
	}
	return c.ask(ctx, http.MethodPost, where, form.FormDataContentType(), body.Bytes(), nil)
}

// AddSet makes a distribution set of modules, and gives its number.
func (r *Run) AddSet(ctx context.Context, name, version string, modules []int) (int, error) {
	parts := []map[string]int{}
	for _, id := range modules {
		parts = append(parts, map[string]int{"id": id})
	}
	var made []struct{ ID int }
	err := r.client.post(ctx, "distributionsets", []map[string]any{{"name": r.name + " " + name, "version": version,
		"type": setType, "description": r.name, "modules": parts}}, &made)
	if err != nil || len(made) != 1 {
		return 0, fmt.Errorf("cannot make the distribution set %s at hawkBit: %w", name,
			errors.Join(err, r.only(len(made), err)))
	}
	return made[0].ID, nil
}

// Assign gives targets a set.
func (r *Run) Assign(ctx context.Context, set int, keys []string) error {
	for some := range slices.Chunk(keys, assignBatch) {
		bodies := []map[string]string{}
		for _, key := range some {
			bodies = append(bodies, map[string]string{"id": key, "type": "forced"})
		}
		var done struct{ Total int }
		err := r.client.post(ctx, fmt.Sprintf("distributionsets/%d/assignedTargets", set), bodies, &done)
		if err == nil && done.Total != len(some) {
			err = fmt.Errorf("it took %d of %d targets", done.Total, len(some))
		}
		if err != nil {
			return fmt.Errorf("cannot assign the distribution set %d at hawkBit: %w", set, err)
		}
	}
	return nil
}

// Action is what hawkBit believes of one assignment.
type Action struct {
	ID     int
	Target string
	Active bool
	Status string // in hawkBit's words: finished, error, canceled, running, retrieved, …
}

// Actions lists the actions of a set, oldest first: those of a status, or all if it is
// empty.
func (r *Run) Actions(ctx context.Context, set int, status string) ([]Action, error) {
	type document struct {
		ID     int
		Active bool
		Status string
		Links  struct {
			Target struct{ Href string }
		} `json:"_links"`
	}
	means := fmt.Sprintf("distributionSet.id==%d", set)
	if status != "" {
		means += ";status==" + status
	}
	query := url.Values{"q": {means}, "representation": {"full"}, "sort": {"id:ASC"}}
	found, err := listed[document](ctx, r.client, "actions", query)
	if err != nil {
		return nil, fmt.Errorf("cannot read what hawkBit believes: %w", err)
	}
	all := make([]Action, len(found))
	for i, a := range found {
		u, err := url.Parse(a.Links.Target.Href)
		if err != nil {
			return nil, fmt.Errorf("cannot read what hawkBit believes: the target of action %d is no address", a.ID)
		}
		all[i] = Action{a.ID, path.Base(u.Path), a.Active, strings.ToLower(a.Status)}
	}
	return all, nil
}

// listed reads a whole list, page by page.
func listed[T any](ctx context.Context, c *Client, where string, query url.Values) ([]T, error) {
	var all []T
	for {
		var page struct {
			Content []T
			Total   int
		}
		query.Set("offset", strconv.Itoa(len(all)))
		query.Set("limit", strconv.Itoa(pageSize))
		if err := c.get(ctx, where+"?"+query.Encode(), &page); err != nil {
			return nil, err
		}
		all = append(all, page.Content...)
		if len(page.Content) == 0 || len(all) >= page.Total {
			return all, nil
		}
	}
}

// Remove deletes whatever bears the run's name.
func (r *Run) Remove(ctx context.Context) error { return r.client.Remove(ctx, r.name) }

// Remove deletes whatever bears a run's name, also of a process that has ended before it
// could.
func (c *Client) Remove(ctx context.Context, name string) error {
	var problems []error
	for _, kind := range []struct{ where, field string }{{"targets", "description"},
		{"distributionsets", "description"}, {"softwaremodules", "description"}, {"targettags", "name"}} {
		if err := c.removeAll(ctx, kind.where, kind.field+"=="+name); err != nil {
			problems = append(problems, err)
		}
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("cannot remove what the run %s has made at hawkBit: %w", name, err)
	}
	return nil
}

func (c *Client) removeAll(ctx context.Context, where, query string) error {
	found, err := listed[struct {
		ID  int
		Key string `json:"controllerId"`
	}](ctx, c, where, url.Values{"q": {query}})
	if err != nil {
		return err
	}
	for _, one := range found {
		name := one.Key
		if name == "" {
			name = strconv.Itoa(one.ID)
		}
		if err := c.remove(ctx, where+"/"+url.PathEscape(name)); err != nil {
			return err
		}
	}
	return nil
}
