package download_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/agent/download"
	"otafleet/internal/ota"
)

func TestRedirects(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		from, to string
		hops     int
		allowed  bool
	}{
		{"https://a/x", "https://b/y", 1, true},
		{"http://a/x", "https://b/y", 1, true},
		{"http://a/x", "http://b/y", 5, true},
		{"http://a/x", "http://b/y", 6, false},
		{"https://a/x", "http://a/x", 1, false},
		{"https://a/x", "ftp://a/x", 1, false},
	} {
		t.Run(fmt.Sprintf("%s to %s, %d", row.from, row.to, row.hops), func(t *testing.T) {
			via := make([]*http.Request, row.hops)
			for i := range via {
				via[i] = &http.Request{URL: parse(t, row.from)}
			}
			next := &http.Request{URL: parse(t, row.to), Header: http.Header{"Referer": {row.from}}}
			err := download.CheckRedirect(next, via)
			assert.Equal(t, row.allowed, err == nil, "%v", err)
			assert.Empty(t, next.Header, "the signature of an address is kept from the next server")
		})
	}
}

// TestRedirectFromTLS follows real redirects with a real handshake.
func TestRedirectFromTLS(t *testing.T) {
	t.Parallel()
	data := image(10_000, 1)
	file := describe("fw", data, 4096)
	plain := newServer(t, data)
	secure := httptest.NewTLSServer(http.RedirectHandler(plain.URL, http.StatusFound))
	defer secure.Close()
	config := quick()
	config.Transport = secure.Client().Transport
	job := jobOf(file, newPlace(t, file), secure.URL)
	job.Setbacks.Renewed = true
	failedWith(t, newFetcher(t, config).Fetch(t.Context(), job), ota.HTTPError)
	assert.Zero(t, plain.count())

	place := newPlace(t, file)
	hop := httptest.NewServer(http.RedirectHandler(plain.URL, http.StatusFound))
	defer hop.Close()
	succeeded(t, newFetcher(t, config).Fetch(t.Context(), jobOf(file, place, hop.URL)))
	place.holds(data)
}
