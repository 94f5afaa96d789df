package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"time"

	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

// Rehearsal says what would become of a package file if it were installed now.
type Rehearsal struct {
	Component  string    `json:"component"`
	Type       string    `json:"type"`
	Runs       string    `json:"runs"` // the version that the component runs now
	Target     string    `json:"target"`
	UpToDate   bool      `json:"up_to_date"`           // the component runs the target: nothing would be done
	Package    string    `json:"package"`              // full or delta
	Release    int64     `json:"release"`              // release counter
	Signed     bool      `json:"signed"`               // the signatures are those that the device asks for
	Trust      string    `json:"trust,omitempty"`      // "component", if the keys are the component's own
	Refused    *Failure  `json:"refused,omitempty"`    // why the device would never take it
	Blocked    []Blocker `json:"blocked"`              // what holds it back at the moment
	FetchBytes int64     `json:"fetch_bytes"`          // to be read from the file
	WriteBytes int64     `json:"write_bytes"`          // to be written, unpacked
	FreeBytes  *int64    `json:"free_bytes,omitempty"` // where they are written; of a slot, all of it
	// none, process, system, or unknown where the installer says it only then
	Restart string `json:"restart"`
}

// Blocker is one thing that holds the device back at the moment.
type Blocker struct {
	Reason string `json:"reason"` // as in refusals of plans
	Detail string `json:"detail"`
}

// Installation is the answer to POST /v1/install.
type Installation struct {
	Done string `json:"done"`
	Plan string `json:"plan"` // the id of the local plan, as in the status
}

// Rejected says that a package would never be taken.
type Rejected struct{ Failure *ota.Failure }

// Error gives the reason.
func (r *Rejected) Error() string { return "the package is refused: " + r.Failure.Error() }

// Blocked says that a package cannot be taken now.
type Blocked struct{ Why string }

// Error gives the reason.
func (b *Blocked) Error() string { return "the package cannot be installed now: " + b.Why }

// Packages installs package files that an operator brings.
type Packages interface {
	// Rehearse says what would become of a package, and changes nothing.
	Rehearse(ctx context.Context, envelope ota.Envelope) (Rehearsal, error)
	// Install begins to install the package file at an absolute path and returns
	// the id of its plan. It fails with a *Rejected, a *Blocked, or an error that
	// says why the file cannot be read.
	Install(ctx context.Context, path string) (plan string, err error)
}

// Bounds of a rehearsal's request, before anything is verified.
const (
	maxEnvelope  = ota.MaxPayload  // bytes
	arriveWithin = 2 * time.Second // for these bytes; they come from a file
	waitWithin   = patience / 2    // for the rehearsals before
)

// alone serves one request of a kind at a time, whatever the device. Whoever may
// look may ask for a rehearsal, and each costs the memory of its envelope and
// checks of its signatures.
func alone(next http.HandlerFunc) http.HandlerFunc {
	place := make(chan struct{}, 1)
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case place <- struct{}{}:
			defer func() { <-place }()
			next(w, r)
		case <-time.After(waitWithin):
			refuse(w, http.StatusServiceUnavailable, "other rehearsals are under way: try again")
		}
	}
}

func rehearse(d Subject, w http.ResponseWriter, r *http.Request) {
	// Who sends slowly keeps the others waiting.
	deadline := http.NewResponseController(w)
	_ = deadline.SetReadDeadline(time.Now().Add(arriveWithin))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEnvelope))
	if err != nil {
		refuse(w, http.StatusBadRequest, fmt.Sprintf("the request is longer than %d bytes or was cut off", maxEnvelope))
		return
	}
	_ = deadline.SetReadDeadline(time.Now().Add(patience))
	envelope, err := wire.DecodeEnvelope(body)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	result, err := d.Packages.Rehearse(r.Context(), envelope)
	if err != nil {
		refuse(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	answer(w, http.StatusOK, result)
}

// installOrder is the body of install.
type installOrder struct {
	Path string `json:"path"`
}

func install(d Subject, w http.ResponseWriter, r *http.Request) {
	var o installOrder
	if err := readBody(w, r, &o); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	if !filepath.IsAbs(o.Path) || len(o.Path) > 4096 {
		refuse(w, http.StatusBadRequest, "the request names no absolute path: {\"path\":\"/…\"}")
		return
	}
	plan, err := d.Packages.Install(r.Context(), filepath.Clean(o.Path))
	var blocked *Blocked
	switch {
	case errors.As(err, &blocked):
		refuse(w, http.StatusConflict, err.Error())
	case err != nil:
		refuse(w, http.StatusUnprocessableEntity, err.Error())
	default:
		answer(w, http.StatusAccepted, Installation{Done: "installing " + o.Path, Plan: plan})
	}
}

// readBody reads a small JSON object; an empty body is an empty one.
func readBody(w http.ResponseWriter, r *http.Request, into any) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return fmt.Errorf("the request is longer than %d bytes or was cut off", maxBody)
	}
	if len(body) == 0 {
		return nil
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("the request is not the JSON object that is expected: %w", err)
	}
	return nil
}
