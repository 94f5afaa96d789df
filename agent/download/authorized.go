package download

import "net/http"

// authorized lets Config.Authorize look at each request that leaves, those to which
// another was redirected too: what is for one server must not reach the next.
type authorized struct {
	http.RoundTripper
	authorize func(*http.Request) error
}

// RoundTrip sends a request with what its server wants to know of who asks.
func (a authorized) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context()) // a RoundTripper must not change what it is given
	if err := a.authorize(r); err != nil {
		return nil, err
	}
	return a.RoundTripper.RoundTrip(r)
}

// CloseIdleConnections closes the connections on which nothing is asked.
func (a authorized) CloseIdleConnections() {
	if c, is := a.RoundTripper.(interface{ CloseIdleConnections() }); is {
		c.CloseIdleConnections()
	}
}
