package hawkbit

import (
	"context"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/hawkbit/management"
)

// Platform is what the requests of devices are about: a platform.Service, or the
// virtual world's.
type Platform interface {
	// Converse lets a device talk, or says why it cannot.
	Converse(talk func(*platform.Talk)) error
	// Hear takes a message of a device that has gone.
	Hear(id ota.Identity, message ota.Up)
	// Files gives a package's signed manifest and its files.
	Files(reference string) (ota.Envelope, []platform.File, error)
	// ServeFile answers a request for a file of a package.
	ServeFile(w http.ResponseWriter, r *http.Request, reference, name string)
}

// Handler answers devices.
type Handler struct {
	// Immutable.
	config   Config
	platform Platform
	routes   []route
	// operators is the management API; nil without one.
	operators *management.API

	mu      sync.Mutex // guards the following
	devices map[string]*device
}

// New returns a handler for the devices of a platform.
func New(shown Platform, config Config) (*Handler, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	h := &Handler{config: config.withDefaults(), platform: shown, devices: map[string]*device{}}
	h.routes = h.table()
	if config.Targets != nil {
		h.operators = management.NewAPI(config.Targets, config.Operators, h.config.Logger)
	}
	return h, nil
}

// request is one of a device.
type request struct {
	*http.Request
	w      http.ResponseWriter
	base   string // address of the device's root
	tenant string
	sleep  time.Duration
	device *device  // nil of a target that operators have made
	rest   []string // the levels of the path below the root
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.operators != nil && strings.HasPrefix(r.URL.Path, management.Root) {
		h.operators.ServeHTTP(w, r)
		return
	}
	if err := h.serve(w, r); err != nil {
		p := problemOf(err)
		h.config.Logger.Debug("refused", "method", r.Method, "path", r.URL.Path, "status", p.status, "error", err)
		if p.status == http.StatusUnauthorized {
			w.WriteHeader(p.status) // hawkBit says no more
			return
		}
		answer(w, p.status, p)
	}
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) error {
	levels := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(levels) < 4 || len(levels) > 8 || levels[1] != "controller" || levels[2] != "v1" {
		return notFound("the resource")
	}
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	key := levels[3]
	q := &request{Request: r, w: w, base: scheme + r.Host + "/" + strings.Join(levels[:4], "/"), tenant: levels[0],
		sleep: h.config.Sleep, rest: levels[4:]}
	if h.config.Targets != nil {
		if target, known := h.config.Targets.Target(key); known {
			if !h.letsTargetIn(r, target) {
				return unknown()
			}
			return managed{q, target}.serve()
		}
	}
	if !h.letsIn(r, key) {
		return unknown()
	}
	if !ota.ValidKey(key) {
		return notFound("the device")
	}
	var err error
	if q.device, err = h.device(key); err != nil {
		return err
	}
	return h.route(q)
}

// unknown refuses whoever has no token.
func unknown() error { return refusal(http.StatusUnauthorized, "", "", "not authenticated") }

// device finds what is remembered of a device.
func (h *Handler) device(key string) (*device, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := h.devices[key]
	if d == nil && len(h.devices) >= maxDevices {
		return nil, overQuota("there are too many devices")
	}
	if d == nil {
		d = &device{key: key, ask: true}
		h.devices[key] = d
	}
	return d, nil
}

// route is a resource below a device's root: * is one level of its path.
type route struct {
	method, path string
	do           func(*request) error
	together     bool // also while another request of the device is answered
}

func (h *Handler) table() []route {
	return []route{
		{http.MethodGet, "", h.root, false},
		{http.MethodPut, "configData", h.configData, false},
		{http.MethodGet, "deploymentBase/*", h.document, false},
		{http.MethodPost, "deploymentBase/*/feedback", h.feedback, false},
		{http.MethodGet, "cancelAction/*", h.document, false},
		{http.MethodPost, "cancelAction/*/feedback", h.feedback, false},
		{http.MethodGet, "confirmationBase", h.confirmationState, false},
		{http.MethodPost, "confirmationBase/activateAutoConfirm", h.autoConfirm, false},
		{http.MethodPost, "confirmationBase/deactivateAutoConfirm", h.autoConfirm, false},
		{http.MethodGet, "confirmationBase/*", h.document, false},
		{http.MethodPost, "confirmationBase/*/feedback", h.confirmation, false},
		{http.MethodGet, "softwaremodules/*/artifacts", h.list, true},
		{http.MethodGet, "softwaremodules/*/artifacts/*", h.artifact, true},
	}
}

// route answers a request by the resource that it names.
func (h *Handler) route(r *request) error {
	method, found := r.Method, false
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for _, one := range h.routes {
		if matches, _ := path.Match(one.path, strings.Join(r.rest, "/")); !matches {
			continue
		}
		if found = true; one.method != method {
			continue
		}
		if !one.together {
			r.device.mu.Lock()
			defer r.device.mu.Unlock()
		}
		return one.do(r)
	}
	if found {
		return refusal(
			http.StatusMethodNotAllowed,
			"MethodNotAllowedException",
			"rest.methodNotAllowed",
			"the resource does not know "+r.Method,
		)
	}
	return notFound("the resource")
}

// Watch tells the platform of devices that have stopped polling, until ctx ends.
func (h *Handler) Watch(ctx context.Context) {
	ticker := time.NewTicker(min(h.config.Sleep, time.Minute))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			h.Dismiss(time.Now())
		}
	}
}

// Dismiss has the devices offline whose polls are overdue.
func (h *Handler) Dismiss(now time.Time) {
	h.mu.Lock()
	var all []*device
	for _, d := range h.devices {
		all = append(all, d)
	}
	h.mu.Unlock()
	overdue := Overdue(h.config.Sleep)
	for _, d := range all {
		d.mu.Lock()
		if d.online && now.Sub(d.seen) > overdue {
			d.online = false
			h.platform.Hear(d.id, &ota.Offline{})
		}
		d.mu.Unlock()
	}
}

// Overdue is how long after its last request a device counts as offline, which is to
// poll at a pause.
func Overdue(sleep time.Duration) time.Duration { return 3*sleep + 10*time.Second }
