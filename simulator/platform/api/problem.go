package api

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"

	"otafleet/simulator/platform"
	"otafleet/simulator/platform/engine"
)

// Problem is why a request was refused, as RFC 9457 writes it.
type Problem struct {
	Type   string       `json:"type"`
	Title  string       `json:"title"`
	Status int          `json:"status"`
	Detail string       `json:"detail"`
	Errors []FieldError `json:"errors,omitempty"`
}

// FieldError is what is wrong with one field.
type FieldError struct {
	Field  string `json:"field"` // such as components[0].target; empty for no single one
	Reason string `json:"reason"`
}

// failure is a refusal of the API itself.
type failure struct {
	status int
	detail string
	fields []FieldError
}

func (f *failure) Error() string { return f.detail }

// Invalid is the refusal of one field.
func Invalid(field, reason string) error {
	return &failure{http.StatusUnprocessableEntity, reason, []FieldError{{field, reason}}}
}

// ProblemOf says what an error of the API or of the platform means to a caller.
func ProblemOf(err error) Problem {
	p := Problem{Type: "about:blank", Status: http.StatusConflict, Detail: err.Error()}
	var own *failure
	var tooLarge *http.MaxBytesError
	var file *fs.PathError
	switch {
	case errors.As(err, &own):
		p.Status, p.Errors = own.status, own.fields
	case errors.As(err, &tooLarge), errors.Is(err, platform.ErrTooLarge):
		p.Status = http.StatusRequestEntityTooLarge
	case errors.As(err, &file), errors.Is(err, platform.ErrStorage):
		p.Status, p.Detail = http.StatusInternalServerError, "the platform cannot write its files; its log says more"
	case errors.Is(err, platform.ErrDown):
		p.Status = http.StatusServiceUnavailable
	case errors.Is(err, platform.ErrNotPackage):
		p.Status = http.StatusUnprocessableEntity
		p.Errors = []FieldError{{"file", err.Error()}}
	case errors.Is(err, engine.ErrUnknown):
		p.Status = http.StatusNotFound
	default:
		p.addEngine(err)
	}
	p.Title = http.StatusText(p.Status)
	return p
}

// addEngine takes in a refusal of the engine: about fields, about devices, or
// because of the state that something is in.
func (p *Problem) addEngine(err error) {
	for _, one := range engine.Problems(err) {
		p.Status = http.StatusUnprocessableEntity
		p.Errors = append(p.Errors, FieldError{one.Field, one.Reason})
	}
	for _, one := range engine.DeviceRefusals(err) {
		p.Errors = append(p.Errors, FieldError{one.Device, one.Reason})
	}
}

// refuse answers with a problem.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := ProblemOf(err)
	if p.Status >= http.StatusInternalServerError {
		a.log.Error("cannot answer", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	writeProblem(w, p)
}

func writeProblem(w http.ResponseWriter, p Problem) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // whoever has gone hears nothing
}

// reply answers with a body.
func reply(w http.ResponseWriter, status int, body any) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // whoever has gone hears nothing
	return nil
}

// NotFound is the refusal of what does not exist.
func NotFound(detail string) error { return &failure{status: http.StatusNotFound, detail: detail} }

// BadForm is the refusal of a form that cannot be read; nil for none.
func BadForm(err error) error {
	var tooLarge *http.MaxBytesError
	if err == nil || errors.As(err, &tooLarge) {
		return err
	}
	return &failure{status: http.StatusBadRequest, detail: "cannot read the form: " + err.Error()}
}
