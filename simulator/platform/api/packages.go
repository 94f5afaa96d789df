package api

import (
	"encoding/hex"
	"errors"
	"io"
	"mime"
	"net/http"
	"time"

	"otafleet/simulator/platform"
	"otafleet/simulator/platform/engine"
)

// What a package on its way in may take: so that a few that hardly move do not keep
// everybody else out.
const (
	uploadTime  = 30 * time.Minute
	uploadStall = 30 * time.Second // without a byte, and before the rate counts
	uploadRate  = 16 << 10         // bytes a second, on average
)

// Packages are the version packages.
type Packages struct {
	Packages []Package `json:"packages"`
}

func packageOf(e *engine.Engine, v *engine.PackageView) Package {
	p := Package{
		ID: v.ID, Name: v.Name, Remarks: v.Remarks, Product: v.Product, Component: v.Component, Type: string(v.Type),
		Package: string(v.Package),
		Source:  v.Source, Target: v.Target, Verified: v.Verified, Created: v.Created.UTC(), Updated: v.Updated.UTC(),
		Files: []File{},
	}
	for _, f := range v.Files {
		p.Files = append(p.Files, File{f.Name, f.Size, hex.EncodeToString(f.SHA256[:])})
	}
	if c := v.Check; c != nil {
		p.Verification = &Verification{
			Device: c.Device, Outcome: StatusName(engine.PlanStatus(c.Outcome)), Created: c.Created.UTC(),
			Started: moment(c.Started), Ended: moment(c.Ended), Progress: c.Progress, Retries: c.Retries,
		}
		if view, found := e.Device(c.Plan, c.Device); found {
			details := deviceDetails(e, time.Now(), c.Plan, &view)
			p.Verification.Details = &details
		}
	}
	return p
}

func (a *API) listPackages(w http.ResponseWriter, _ *http.Request) error {
	all := Packages{Packages: []Package{}}
	a.platform.View(func(e *engine.Engine) {
		for _, p := range e.Packages() {
			shown := packageOf(e, &p)
			if shown.Verification != nil {
				shown.Verification.Details = nil // the package's own page has them
			}
			all.Packages = append(all.Packages, shown)
		}
	})
	return reply(w, http.StatusOK, all)
}

func (a *API) showPackage(w http.ResponseWriter, r *http.Request) error {
	return a.replyPackage(w, http.StatusOK, r.PathValue("package"))
}

func (a *API) replyPackage(w http.ResponseWriter, status int, id string) error {
	var shown Package
	found := false
	a.platform.View(func(e *engine.Engine) {
		var v engine.PackageView
		if v, found = e.Package(id); found {
			shown = packageOf(e, &v)
		}
	})
	if !found {
		return &failure{status: http.StatusNotFound, detail: "package not found"}
	}
	return reply(w, status, shown)
}

func (a *API) uploadPackage(w http.ResponseWriter, r *http.Request) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil ||
		kind != "application/octet-stream" {
		return &failure{
			status: http.StatusUnsupportedMediaType, detail: "want a package file of Content-Type application/octet-stream",
		}
	}
	label := platform.Label{Name: r.URL.Query().Get("name"), Remarks: r.URL.Query().Get("remarks")}
	id, err := a.Upload(w, r, r.Body, label)
	if err != nil {
		return err
	}
	w.Header().Set("Location", Root+"/packages/"+id)
	return a.replyPackage(w, http.StatusCreated, id)
}

// Upload takes a package from a stream that is, or is within, the body of a
// request; no more of them at a time than there is room for.
func (a *API) Upload(w http.ResponseWriter, r *http.Request, from io.Reader,
	label platform.Label) (id string, err error) {
	defer a.uploads.Add(-1)
	if a.uploads.Add(1) > maxUploads {
		w.Header().Set("Retry-After", "5")
		return "", &failure{
			status: http.StatusTooManyRequests, detail: "other packages are on their way in: try again in a few seconds",
		}
	}
	in := &body{
		from: http.MaxBytesReader(w, io.NopCloser(from), platform.MaxUpload), conn: http.NewResponseController(w),
		began: time.Now(),
	}
	return a.platform.Upload(r.Context(), in, label, a.types)
}

// body is a request's body whose end before its time, or slowness, is the caller's
// mistake.
type body struct {
	from  io.Reader
	conn  *http.ResponseController
	began time.Time
	taken int64
}

func (b *body) Read(p []byte) (int, error) {
	now := time.Now()
	if tooSlow(b.taken, now.Sub(b.began)) {
		return 0, &failure{status: http.StatusRequestTimeout, detail: "the package comes too slowly: want 16 KiB a second"}
	}
	_ = b.conn.SetReadDeadline(now.Add(uploadStall)) // where there is a connection
	n, err := b.from.Read(p)
	b.taken += int64(n)
	var tooLarge *http.MaxBytesError
	if err != nil && !errors.Is(err, io.EOF) && !errors.As(err, &tooLarge) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = &failure{status: http.StatusBadRequest, detail: "the package did not arrive as a whole"}
	}
	return n, err
}

// tooSlow reports whether so many bytes in a time are too few.
func tooSlow(taken int64, in time.Duration) bool {
	return in > uploadTime || in > uploadStall && float64(taken) < uploadRate*(in-uploadStall).Seconds()
}

func (a *API) deletePackage(w http.ResponseWriter, r *http.Request) error {
	if err := a.platform.DeletePackage(r.Context(), r.PathValue("package")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// VerifyForm names the device to try a package on.
type VerifyForm struct {
	Device string `json:"device"`
}

func (a *API) verifyPackage(w http.ResponseWriter, r *http.Request) error {
	var form VerifyForm
	if err := read(w, r, &form); err != nil {
		return err
	}
	id := r.PathValue("package")
	if err := a.platform.Command(engine.VerifyPackage{Package: id, Device: form.Device}); err != nil {
		return err
	}
	return a.replyPackage(w, http.StatusAccepted, id)
}

// Platform is where devices connect, and what the ledger has made of reports.
type Platform struct {
	Broker  string         `json:"broker"`
	Store   string         `json:"store"`
	Reports map[string]int `json:"reports"`
}

func (a *API) showPlatform(w http.ResponseWriter, _ *http.Request) error {
	p := Platform{Broker: a.platform.BrokerURL(), Store: a.platform.StoreURL(), Reports: map[string]int{}}
	a.platform.View(func(e *engine.Engine) {
		for arrival, n := range e.Arrivals() {
			p.Reports[arrival.String()] = n
		}
	})
	return reply(w, http.StatusOK, p)
}
