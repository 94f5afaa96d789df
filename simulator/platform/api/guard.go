package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"
)

// cookie holds the proof that a browser has given the token.
const cookie = "ota-sim-session"

// MinToken is how short a token may be, in characters: one that cannot be guessed.
const MinToken = 16

// Guard decides who may talk to the platform. It asks every request for the
// token, as "Authorization: Bearer TOKEN" or by the cookie that Admit gives for
// it; without a token it answers on the loopback alone, and there only to callers
// that call it by a name of the loopback, so that no page of the internet reaches
// it by a name of its own. A request that changes anything and comes from another
// site's page is refused in any case.
type Guard struct {
	token   string
	visits  *visits
	writing *http.CrossOriginProtection
}

// NewGuard makes the guard of a listener at an address, with a token or without.
func NewGuard(address, token string) (*Guard, error) {
	host, _, err := net.SplitHostPort(address)
	switch {
	case err != nil:
		return nil, errors.New("want an address such as 127.0.0.1:8080")
	case token == "" && !loopback(host):
		return nil, errors.New(
			"whoever reaches this address could upgrade every device: give a token, or listen on 127.0.0.1",
		)
	case token != "" && len(token) < MinToken:
		return nil, errors.New("the token is too short: want at least 16 characters")
	}
	return &Guard{token: token, visits: newVisits(), writing: http.NewCrossOriginProtection()}, nil
}

// loopback reports whether host is a name of this machine for itself.
func loopback(host string) bool {
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Check says why a request may not pass; nil if it may. The status is that of the
// answer.
func (g *Guard) Check(r *http.Request) error {
	if g.token == "" {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if !loopback(host) {
			return &failure{
				status: http.StatusForbidden, detail: "call this platform by 127.0.0.1 or localhost, or give it a token",
			}
		}
	}
	if err := g.writing.Check(r); err != nil {
		return &failure{status: http.StatusForbidden, detail: "the request comes from a page of another site"}
	}
	return g.admitted(r)
}

// admitted says why a request without the token, or a cookie for it, may not pass.
func (g *Guard) admitted(r *http.Request) error {
	if g.token == "" {
		return nil
	}
	if scheme, bearer, is := strings.Cut(r.Header.Get("Authorization"), " "); is && strings.EqualFold(scheme, "Bearer") {
		return g.try(r, strings.TrimLeft(bearer, " "))
	}
	if c, err := r.Cookie(cookie); err == nil && g.visits.goes(c.Value, time.Now()) {
		return nil
	}
	return &failure{status: http.StatusUnauthorized, detail: "want the header Authorization: Bearer TOKEN"}
}

// try compares a token, unless the caller has given a wrong one a moment ago: so
// no caller tries many.
func (g *Guard) try(r *http.Request, token string) error {
	now := time.Now()
	switch {
	case g.visits.pauses(r.RemoteAddr, now):
		return &failure{
			status: http.StatusTooManyRequests, detail: "a wrong token was given a moment ago: try again in a second",
		}
	case !same(token, g.token):
		g.visits.wrong(r.RemoteAddr, now)
		return &failure{status: http.StatusUnauthorized, detail: "that is not the token"}
	}
	return nil
}

// Admit gives a browser a cookie if the token is right; else it says why not. The
// cookie is another one each time, ends after twelve hours without a request, and
// with the process.
func (g *Guard) Admit(w http.ResponseWriter, r *http.Request, token string) error {
	if g.token == "" {
		return nil
	}
	if err := g.try(r, token); err != nil {
		return err
	}
	http.SetCookie(
		w,
		&http.Cookie{
			Name: cookie, Value: g.visits.begin(time.Now()), Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
			Secure: r.TLS != nil,
		},
	)
	return nil
}

// Dismiss ends the cookie of Admit, also for whoever has a copy of it.
func (g *Guard) Dismiss(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(cookie); err == nil {
		g.visits.end(c.Value)
	}
	http.SetCookie(
		w,
		&http.Cookie{
			Name: cookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil,
		},
	)
}

// same compares two secrets in a time that tells nothing about them.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// Wrap lets only requests through to next that may pass.
func (g *Guard) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := g.Check(r); err != nil {
			p := ProblemOf(err)
			switch p.Status {
			case http.StatusUnauthorized:
				w.Header().Set("WWW-Authenticate", "Bearer")
			case http.StatusTooManyRequests:
				w.Header().Set("Retry-After", "1")
			}
			writeProblem(w, p)
			return
		}
		next.ServeHTTP(w, r)
	})
}
