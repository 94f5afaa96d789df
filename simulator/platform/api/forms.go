package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
)

// maxForm bounds a JSON body, in bytes: a plan whose lists name 200,000 devices
// fits.
const maxForm = 16 << 20

// PlanForm is what an operator fills in. A field that is left out has its default.
type PlanForm struct {
	ID               string          `json:"id"` // empty means one made of the name
	Name             string          `json:"name"`
	Product          string          `json:"product"`
	Black            []string        `json:"black"`
	White            []string        `json:"white"`
	TimeZone         string          `json:"time_zone"` // name of the IANA database
	Start            string          `json:"start"`     // RFC 3339
	End              string          `json:"end"`
	Mode             string          `json:"mode"`
	Push             *bool           `json:"push"` // silent plans; true unless it says false
	PushHours        *HoursForm      `json:"push_hours"`
	RejectionMinutes *int            `json:"rejection_minutes"`
	Retries          *int            `json:"retries"` // 5 if it is left out
	MinBattery       *int            `json:"min_battery"`
	MinRSSI          *int            `json:"min_rssi"`
	OnFailure        string          `json:"on_failure"` // stop if it is left out
	Texts            []TextForm      `json:"texts"`
	Components       []ComponentForm `json:"components"`

	// What a plan shows beside its fields is taken and not looked at, so that a plan
	// that was read can be sent back.
	Status  any `json:"status"`
	Devices any `json:"devices"`
}

// HoursForm is a daily window of whole hours.
type HoursForm struct {
	From int `json:"from"`
	To   int `json:"to"`
}

// TextForm is the upgrade text in one language.
type TextForm struct {
	Language string `json:"language"`
	Text     string `json:"text"`
}

// ComponentForm is one component of a plan.
type ComponentForm struct {
	ID      string   `json:"id"`
	Type    string   `json:"type"`
	Package string   `json:"package"`
	Sources []string `json:"sources"`
	Target  string   `json:"target"`
	Upgrade *bool    `json:"upgrade"` // true unless it says false

	PackageID any `json:"package_id"` // shown, and not looked at here
}

// Spec is what the engine takes. What the engine could not even be told is
// refused here; everything else is for it to judge.
func (f *PlanForm) Spec() (engine.PlanSpec, error) {
	spec := engine.PlanSpec{
		ID: f.ID, Name: f.Name, Product: f.Product, Black: f.Black, White: f.White, Mode: ota.Mode(f.Mode),
		Retries: ota.MaxRetries, MinBattery: f.MinBattery, MinRSSI: f.MinRSSI, OnFailure: ota.OnFailure(f.OnFailure),
	}
	if spec.ID == "" {
		spec.ID = idOf(f.Name)
	}
	if spec.OnFailure == "" {
		spec.OnFailure = ota.Stop
	}
	if f.Retries != nil {
		spec.Retries = *f.Retries
	}
	spec.OnRequest = f.Push != nil && !*f.Push && spec.Mode != ota.Manual // which is never pushed to everybody
	if f.PushHours != nil && *f.PushHours != (HoursForm{0, 24}) {         // which is the whole day, as none is
		spec.PushHours = engine.Hours(*f.PushHours)
	}
	for _, t := range f.Texts {
		spec.Texts = append(spec.Texts, engine.UpgradeText(t))
	}
	for _, c := range f.Components {
		spec.Components = append(spec.Components, engine.ComponentSpec{
			ID: c.ID, Type: ota.ComponentType(c.Type), Package: ota.PackageKind(c.Package), Sources: c.Sources, Target: c.Target,
			Skip: c.Upgrade != nil && !*c.Upgrade,
		})
	}
	return spec, f.times(&spec)
}

// times reads everything that is a time.
func (f *PlanForm) times(spec *engine.PlanSpec) error {
	var wrong []FieldError
	var err error
	if spec.Zone, err = zone(f.TimeZone); err != nil {
		wrong = append(wrong, FieldError{"time_zone", err.Error()})
	}
	for _, t := range []struct {
		field, text string
		to          *time.Time
	}{{"start", f.Start, &spec.Start}, {"end", f.End, &spec.End}} {
		if *t.to, err = time.Parse(time.RFC3339, t.text); err != nil {
			wrong = append(wrong,
				FieldError{t.field, fmt.Sprintf("%s: %.40q is not a time such as 2026-03-01T08:00:00Z", t.field, t.text)})
		}
	}
	if f.RejectionMinutes != nil {
		spec.Quiet = time.Duration(*f.RejectionMinutes) * time.Minute
		if m := *f.RejectionMinutes; m < int(ota.ShortestQuiet/time.Minute) || m > int(ota.LongestQuiet/time.Minute) {
			wrong = append(wrong, FieldError{"rejection_minutes", fmt.Sprintf("rejection minutes: %d, must be 10 to 1440", m)})
		}
	}
	if len(wrong) > 0 {
		return &failure{http.StatusUnprocessableEntity, wrong[0].Reason, wrong}
	}
	return nil
}

// zone finds a time zone by its name. The machine's own is not a name.
func zone(name string) (*time.Location, error) {
	z, err := time.LoadLocation(name)
	if err != nil || name == "" || name == "Local" {
		return nil, fmt.Errorf("time zone: %.64q is not one such as UTC or Europe/Berlin", name)
	}
	return z, nil
}

// idOf makes an id of a plan's name: what an id cannot have becomes a dash. A name
// that has nothing else gets a number made of it.
func idOf(name string) string {
	var id []byte
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '.' && len(id) > 0, c == '_':
			id = append(id, c)
		case 'A' <= c && c <= 'Z':
			id = append(id, c-'A'+'a')
		case len(id) > 0 && id[len(id)-1] != '-':
			id = append(id, '-')
		}
		if len(id) == ota.MaxKey {
			break
		}
	}
	for len(id) > 0 && id[len(id)-1] == '-' {
		id = id[:len(id)-1]
	}
	if len(id) == 0 {
		return "plan-" + engine.PackageID(name) // a plan without a name is refused for that
	}
	return string(id)
}

// read takes a JSON body, which must be one value of the form and nothing else.
func read(w http.ResponseWriter, r *http.Request, form any) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return &failure{status: http.StatusUnsupportedMediaType, detail: "want a body of Content-Type application/json"}
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxForm))
	decoder.DisallowUnknownFields()
	err = decoder.Decode(form)
	if err == nil {
		if _, more := decoder.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is more behind the value")
		}
	}
	var tooLarge *http.MaxBytesError
	var wrongType *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &tooLarge):
		return err
	case errors.As(err, &wrongType):
		reason := fmt.Sprintf("want %s, not a JSON %s", wrongType.Type, wrongType.Value)
		return &failure{http.StatusBadRequest, "cannot read the body: " + reason, []FieldError{{wrongType.Field, reason}}}
	}
	return &failure{status: http.StatusBadRequest, detail: "cannot read the body: " + err.Error()}
}
