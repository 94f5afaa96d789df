package api

import (
	"log/slog"
	"net/http"
	"sync/atomic"

	"otafleet/simulator/platform"
)

// Bounds of what one process does at a time for its callers.
const (
	maxUploads  = 4   // packages on their way in
	maxWatchers = 100 // that follow events
)

// Config says what the API drives.
type Config struct {
	Platform *platform.StandIn
	Logger   *slog.Logger // nil discards
}

// API is an http.Handler for everything below /api/v1/.
type API struct {
	// Immutable.
	platform *platform.StandIn
	log      *slog.Logger
	mux      *http.ServeMux

	uploads  atomic.Int32
	watchers atomic.Int32
}

// New returns the API of a platform.
func New(config Config) *API {
	a := &API{platform: config.Platform, log: config.Logger, mux: http.NewServeMux()}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	for path, methods := range a.byPath() {
		a.mux.Handle(path, a.dispatch(methods))
	}
	a.mux.Handle("/", a.dispatch(nil))
	return a
}

// ServeHTTP answers a request that Guard has let in.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }
