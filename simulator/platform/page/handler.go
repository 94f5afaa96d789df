package page

import (
	"embed"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"otafleet/simulator/platform"
	"otafleet/simulator/platform/api"
)

//go:embed html
var files embed.FS

// How many bytes a form of a page may have.
const (
	maxForm  = 16 << 20 // lists of 200,000 devices fit
	maxLogin = 32 << 10 // sent by anybody
)

// policy lets a page load nothing but what it is served with.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// handler serves everything but the API.
type handler struct {
	// Immutable.
	platform *platform.Service
	api      *api.API
	guard    *api.Guard
	log      *slog.Logger
	pages    map[string]*template.Template
	open     bool // there is no token
}

func newHandler(shown *platform.Service, config *Config, guard *api.Guard) (http.Handler, error) {
	h := &handler{platform: shown, guard: guard, log: config.Logger, open: config.Token == "",
		api:   api.New(api.Config{Platform: shown, FileTypes: config.FileTypes, Logger: config.Logger}),
		pages: map[string]*template.Template{}}
	for _, name := range []string{"plans", "form", "plan", "monitoring", "device", "fleet", "packages", "package", "login",
		"problem"} {
		t, err := template.New("layout.html").
			Funcs(functions()).
			ParseFS(files, "html/layout.html", "html/parts.html", "html/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("cannot read the pages: %w", err)
		}
		h.pages[name] = t
	}
	mux := http.NewServeMux()
	mux.Handle(api.Root+"/", guard.Wrap(h.api))
	mux.HandleFunc("GET /assets/{file}", h.asset)
	mux.HandleFunc("GET /login", h.showLogin)
	mux.HandleFunc("POST /login", h.login)
	mux.Handle("/", h.guarded(h.routes()))
	return secure(mux), nil
}

func (h *handler) routes() http.Handler {
	mux := http.NewServeMux()
	const device = "/plans/{plan}/devices/{device}"
	for pattern, do := range map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /{$}":                       h.home,
		"GET /plans":                     h.showPlans,
		"GET /new-plan":                  h.showNew,
		"POST /new-plan":                 h.create,
		"GET /plans/{plan}":              h.showPlan,
		"GET /plans/{plan}/edit":         h.showEdit,
		"POST /plans/{plan}/edit":        h.edit,
		"POST /plans/{plan}/order":       h.order,
		"GET /plans/{plan}/monitoring":   h.showMonitoring,
		"POST /plans/{plan}/retry":       h.retry,
		"GET " + device:                  h.showDevice,
		"POST " + device + "/answer":     h.answer,
		"POST " + device + "/end":        h.end,
		"GET /devices":                   h.showFleet,
		"POST " + device + "/confirming": h.confirming,
		"GET /packages":                  h.showPackages,
		"POST /packages":                 h.upload,
		"GET /packages/{package}":        h.showPackage,
		"POST /packages/{package}":       h.changePackage,
		"POST /logout":                   h.logout,
		"GET /":                          h.nothing,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := do(w, r); err != nil {
				h.refuse(w, r, err)
			}
		})
	}
	return mux
}

// secure sets the headers that keep a page to itself.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "same-origin")
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// guarded leads a browser without the token to the page that asks for it.
func (h *handler) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := h.guard.Check(r)
		switch {
		case err == nil:
			next.ServeHTTP(w, r)
		case api.ProblemOf(err).Status == http.StatusUnauthorized && r.Method == http.MethodGet:
			http.Redirect(w, r, "/login?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		default:
			h.refuse(w, r, err)
		}
	})
}

// view is what every page shows.
type view struct {
	Title  string
	Here   string // which entry of the navigation is current; empty for a page without one
	Events string // the API's events that concern the page; empty for none
	Open   bool   // there is no token to forget
	Data   any
}

func (h *handler) show(w http.ResponseWriter, status int, name string, v view) error {
	var page strings.Builder // a page that fails in the middle is not half sent
	v.Open = h.open
	if err := h.pages[name].Execute(&page, v); err != nil {
		return fmt.Errorf("cannot draw the page: %w", err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(page.String())) // whoever has gone sees nothing
	return nil
}

// refuse shows why not.
func (h *handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := api.ProblemOf(err)
	if p.Status >= http.StatusInternalServerError {
		h.log.Error("cannot answer", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	here := "nowhere"
	if p.Status == http.StatusUnauthorized {
		here = ""
	}
	if err := h.show(w, p.Status, "problem", view{Title: p.Title, Here: here, Data: p}); err != nil {
		h.log.Error("cannot answer", "path", r.URL.Path, "error", err)
		http.Error(w, p.Title, p.Status)
	}
}

func (h *handler) home(w http.ResponseWriter, r *http.Request) error {
	http.Redirect(w, r, "/plans", http.StatusSeeOther)
	return nil
}

func (h *handler) nothing(http.ResponseWriter, *http.Request) error {
	return api.NotFound("page not found")
}

func (h *handler) asset(w http.ResponseWriter, r *http.Request) {
	switch name := r.PathValue("file"); name {
	case "page.css", "page.js", "icon.svg":
		http.ServeFileFS(w, r, files, "html/"+name)
	default:
		http.NotFound(w, r)
	}
}

// login is what the page that asks for the token shows.
type login struct {
	Next  string
	Wrong string // why the token was not taken; empty before one was given
}

func (h *handler) showLogin(w http.ResponseWriter, r *http.Request) {
	if err := h.show(w, http.StatusOK, "login",
		view{Title: "Sign in", Data: login{Next: inside(r.FormValue("next"))}}); err != nil {
		h.refuse(w, r, err)
	}
}

func (h *handler) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxLogin)
	next := inside(r.FormValue("next"))
	if refusal := h.guard.Admit(w, r, r.FormValue("token")); refusal != nil {
		p := api.ProblemOf(refusal)
		if err := h.show(w, p.Status, "login", view{Title: "Sign in", Data: login{next, p.Detail}}); err != nil {
			h.refuse(w, r, err)
		}
		return
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
}

// logout lets a browser forget the token.
func (h *handler) logout(w http.ResponseWriter, r *http.Request) error {
	h.guard.Dismiss(w, r)
	return back(w, r, "/login")
}

// inside keeps a link back within these pages.
func inside(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") ||
		strings.Contains(next, `\`) {
		return "/plans"
	}
	return next
}

// back leads to a page after a change.
func back(w http.ResponseWriter, r *http.Request, to string) error {
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// readForm takes a form of a page.
func readForm(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	return api.BadForm(r.ParseForm())
}
