package management

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Root is where every resource of the API is.
const Root = "/rest/v1/"

// API answers operators' scripts.
type API struct {
	store  *Store
	letsIn func(user, password string) bool
	log    *slog.Logger
	mux    *http.ServeMux
}

// NewAPI returns the API of a store for those operators whom letsIn knows. A nil log
// discards.
func NewAPI(s *Store, letsIn func(user, password string) bool, log *slog.Logger) *API {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	a := &API{store: s, letsIn: letsIn, log: log, mux: http.NewServeMux()}
	for _, routes := range []map[string]handler{s.targetRoutes(), s.tagRoutes(), s.moduleRoutes(), s.setRoutes(),
		s.actionRoutes(), s.rolloutRoutes(), s.systemRoutes()} {
		for pattern, do := range routes {
			method, path, _ := strings.Cut(pattern, " ")
			a.mux.Handle(method+" "+Root+path, a.locked(do))
		}
	}
	return a
}

// handler answers a request by a status and a document; nil for no document. The caller
// holds the store's mu.
type handler func(r *request) (status int, document any, err error)

// request is one to the API, with its body read.
type request struct {
	*http.Request
	body []byte
	file *upload // of an artifact
}

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, password, given := r.BasicAuth()
	if !given || !a.letsIn(user, password) {
		w.Header().Set("WWW-Authenticate", `Basic realm="hawkBit"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if _, pattern := a.mux.Handler(r); pattern == "" {
		a.refuse(w, r, missing("Resource", r.URL.Path))
		return
	}
	a.mux.ServeHTTP(w, r)
}

func (a *API) locked(do handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := &request{Request: r}
		if err := q.read(w); err != nil {
			a.refuse(w, r, err)
			return
		}
		a.store.mu.Lock()
		status, document, err := do(q)
		var text []byte
		if err == nil && document != nil {
			text, err = json.Marshal(document)
		}
		a.store.mu.Unlock()
		if err != nil {
			a.refuse(w, r, err)
			return
		}
		write(w, status, text)
	})
}

// read reads the body: a file of an artifact, or JSON.
func (r *request) read(w http.ResponseWriter) (err error) {
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		r.file, err = readUpload(w, r.Request)
		return err
	}
	r.body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return problem(http.StatusBadRequest, "MessageNotReadableException", "rest.body.notReadable",
			"the body broke off, or has more than %d bytes", maxBody)
	}
	return nil
}

// decode takes the JSON of the body.
func (r *request) decode(into any) error {
	if err := json.Unmarshal(r.body, into); err != nil {
		return problem(http.StatusBadRequest, "MessageNotReadableException", "rest.body.notReadable", "the body: %s", err)
	}
	return nil
}

// list takes one object, or several.
func list[T any](r *request) ([]T, error) {
	var all []T
	if strings.HasPrefix(strings.TrimSpace(string(r.body)), "{") {
		all = make([]T, 1)
		return all, r.decode(&all[0])
	}
	return all, r.decode(&all)
}

// value is that of a parameter behind the path. A semicolon stands for itself there: it
// joins the comparisons of a query.
func (r *request) value(name string) string {
	values, err := url.ParseQuery(strings.ReplaceAll(r.URL.RawQuery, ";", "%3B"))
	if err != nil {
		return ""
	}
	return values.Get(name)
}

func (r *request) number(name string) int {
	n, err := strconv.Atoi(r.PathValue(name))
	if err != nil {
		return 0 // nothing has it
	}
	return n
}

func (a *API) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := &Problem{}
	if !errors.As(err, &p) {
		p = problem(http.StatusInternalServerError, "GenericSpServerException", "repo.genericError", "%s", err)
	}
	a.log.Debug("refused", "method", r.Method, "path", r.URL.Path, "status", p.Status, "error", err)
	text, err := json.Marshal(p)
	if err != nil {
		panic("internal error: " + err.Error()) // it is this package's type
	}
	write(w, p.Status, text)
}

func write(w http.ResponseWriter, status int, text []byte) {
	if text != nil {
		w.Header().Set("Content-Type", "application/hal+json")
	}
	w.WriteHeader(status)
	_, _ = w.Write(text) // whoever has gone sees nothing
}

// page is a part of a list.
type page struct {
	Content any `json:"content"`
	Total   int `json:"total"`
	Size    int `json:"size"`
}

// Bounds of a page.
const (
	defaultLimit = 50
	maxLimit     = 500
)

// paged gives the part of a list that a request asks for: of those that its query
// means, as view shows them. fields gives what a query may compare.
func paged[T any](r *request, all []T, fields func(T) map[string]string, view func(T) any) (int, any, error) {
	q, err := parseQuery(r.value("q"))
	if err != nil {
		return 0, nil, err
	}
	offset, limit := bounded(r.value("offset"), 0, maxObjects), bounded(r.value("limit"), defaultLimit, maxLimit)
	shown, total := []any{}, 0
	for _, one := range all {
		means, err := q.means(fields(one))
		if err != nil {
			return 0, nil, err
		}
		if !means {
			continue
		}
		if total >= offset && len(shown) < limit {
			shown = append(shown, view(one))
		}
		total++
	}
	return http.StatusOK, page{shown, total, len(shown)}, nil
}

// bounded reads a number from 0 to most.
func bounded(text string, otherwise, most int) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return otherwise
	}
	return min(n, most)
}

type link struct {
	Href string `json:"href"`
	Name string `json:"name,omitempty"`
}

func self(r *request, path string) link {
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	return link{Href: scheme + r.Host + Root + path}
}
