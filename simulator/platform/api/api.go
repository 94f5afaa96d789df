package api

import (
	"log/slog"
	"net/http"
	"sync/atomic"

	"otafleet/simulator/platform"
	"otafleet/simulator/platform/engine"
)

// Bounds of what one process does at a time for its callers.
const (
	maxUploads  = 4   // packages on their way in
	maxWatchers = 100 // that follow events
)

// Config says what the API drives.
type Config struct {
	Platform *platform.Service
	// FileTypes are endings that files of an uploaded package may have, beside
	// those of engine.FileTypes.
	FileTypes []string
	Logger    *slog.Logger // nil discards
}

// API is an http.Handler for everything below /api/v1/.
type API struct {
	// Immutable.
	platform *platform.Service
	types    []string // of files, all of them
	log      *slog.Logger
	mux      *http.ServeMux

	uploads  atomic.Int32
	watchers atomic.Int32
}

// New returns the API of a platform.
func New(config Config) *API {
	a := &API{
		platform: config.Platform, types: append(engine.FileTypes(), config.FileTypes...), log: config.Logger,
		mux: http.NewServeMux(),
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	for path, methods := range a.byPath() {
		a.mux.Handle(path, a.dispatch(methods))
	}
	a.mux.Handle("/", a.dispatch(nil))
	return a
}

// FileTypes are the endings that files of an uploaded package may have.
func (a *API) FileTypes() []string { return a.types }

// ServeHTTP answers a request that Guard has let in.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }
