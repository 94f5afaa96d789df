package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"strings"
)

// cookie holds the proof that a browser has given the token.
const cookie = "ota-sim-session"

// MinToken is how short a token may be, in characters: one that nobody guesses.
const MinToken = 16

// Guard decides who may talk to the platform. It asks every request for the
// token, as "Authorization: Bearer TOKEN" or by the cookie that Admit gives for
// it; without a token it answers on the loopback alone, and there only to callers
// that call it by a name of the loopback, so that no page of the internet reaches
// it by a name of its own. A request that changes anything and comes from another
// site's page is refused in any case.
type Guard struct {
	token   string
	writing *http.CrossOriginProtection
}

// NewGuard makes the guard of a listener at an address, with a token or without.
func NewGuard(address, token string) (*Guard, error) {
	host, _, err := net.SplitHostPort(address)
	switch {
	case err != nil:
		return nil, errors.New("want an address such as 127.0.0.1:8080")
	case token == "" && !loopback(host):
		return nil, errors.New("whoever reaches this address could upgrade every device: give a token, or listen on 127.0.0.1")
	case token != "" && len(token) < MinToken:
		return nil, errors.New("the token is too short: want at least 16 characters")
	}
	return &Guard{token: token, writing: http.NewCrossOriginProtection()}, nil
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
			return &failure{status: http.StatusForbidden, detail: "call this platform by 127.0.0.1 or localhost, or give it a token"}
		}
	}
	if err := g.writing.Check(r); err != nil {
		return &failure{status: http.StatusForbidden, detail: "the request comes from a page of another site"}
	}
	if !g.admitted(r) {
		return &failure{status: http.StatusUnauthorized, detail: "want the header Authorization: Bearer TOKEN"}
	}
	return nil
}

// admitted reports whether a request bears the token, or its proof.
func (g *Guard) admitted(r *http.Request) bool {
	if g.token == "" {
		return true
	}
	if scheme, bearer, is := strings.Cut(r.Header.Get("Authorization"), " "); is && strings.EqualFold(scheme, "Bearer") {
		return same(strings.TrimLeft(bearer, " "), g.token)
	}
	c, err := r.Cookie(cookie)
	return err == nil && same(c.Value, g.proof())
}

// proof is what the cookie holds: not the token, and worth nothing once the token
// is another one. It is the same after a restart.
func (g *Guard) proof() string {
	mac := hmac.New(sha256.New, []byte(g.token))
	mac.Write([]byte(cookie))
	return hex.EncodeToString(mac.Sum(nil))
}

// Admit gives a browser the cookie if the token is right, and says whether it is.
func (g *Guard) Admit(w http.ResponseWriter, r *http.Request, token string) bool {
	if !same(token, g.token) {
		return false
	}
	http.SetCookie(w, &http.Cookie{Name: cookie, Value: g.proof(), Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil})
	return true
}

// Dismiss takes the cookie of Admit back from a browser.
func (g *Guard) Dismiss(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: cookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil})
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
			if p.Status == http.StatusUnauthorized {
				w.Header().Set("WWW-Authenticate", "Bearer")
			}
			writeProblem(w, p)
			return
		}
		next.ServeHTTP(w, r)
	})
}
