package download_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent/download"
	"otafleet/internal/ota"
)

func TestPublic(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"8.8.8.8", "1.1.1.1", "100.63.255.255", "172.32.0.1", "2600::1", "2002:808:808::1",
		"64:ff9b::808:808"} {
		assert.True(t, download.Public(netip.MustParseAddr(address)), address)
	}
	for _, address := range []string{
		"127.0.0.1", "127.8.9.10", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
		"169.254.169.254", "100.64.0.1",
		"192.0.0.8", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
		"::", "::1", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "::7f00:1", "2002:7f00:1::1",
		"64:ff9b::7f00:1", "64:ff9b::a00:1",
	} {
		assert.False(t, download.Public(netip.MustParseAddr(address)), address)
	}
}

// refusing is a fetcher with the guard that a device has without configuration.
func refusing(t *testing.T, change func(*download.Config)) *download.Fetcher {
	config := quick()
	config.Allow = nil
	change(&config)
	return newFetcher(t, config)
}

// TestAddressesThatLeadInside are refused however they are written, and no one
// learns what is there.
func TestAddressesThatLeadInside(t *testing.T) {
	t.Parallel()
	data := image(10_000, 1)
	file := describe("fw", data, 4096)
	open, closed := newServer(t, data), newServer(t, data)
	closed.Close()
	port := open.URL[strings.LastIndex(open.URL, ":"):]
	f := refusing(t, func(*download.Config) {})
	var said []string
	for _, url := range []string{open.URL, closed.URL, "http://localhost" + port, "http://0.0.0.0" + port,
		"http://[::1]" + port, "http://[::ffff:127.0.0.1]" + port,
		"http://user@127.0.0.1" + port, "http://10.255.255.1:1/x", "http://169.254.169.254/latest/meta-data"} {
		job := jobOf(file, newPlace(t, file), url)
		job.Setbacks.Wrong = 4
		result := f.Fetch(t.Context(), job)
		failedWith(t, result, ota.HTTPError)
		_, why, _ := strings.Cut(result.Failure.Detail, "the address leads to")
		said = append(said, why)
	}
	assert.Zero(t, open.count())
	for _, why := range said {
		assert.Equal(t, said[0], why)
		assert.NotEmpty(t, why)
	}

	place := newPlace(t, file)
	succeeded(t, refusing(t, func(c *download.Config) { c.Allow = download.Hosts{"localhost"} }).Fetch(t.Context(),
		jobOf(file, place, open.URL, "http://LOCALHOST"+port)))
	place.holds(data)
	assert.Equal(t, 1, open.count(), "the one that is named")
}

// TestRedirectsThatLeadInside are judged as the address was.
func TestRedirectsThatLeadInside(t *testing.T) {
	t.Parallel()
	data := image(10_000, 1)
	file := describe("fw", data, 4096)
	inside := newServer(t, data)
	hop := httptest.NewServer(http.RedirectHandler(inside.URL, http.StatusFound))
	defer hop.Close()
	f := refusing(t, func(c *download.Config) { c.Allow = download.Hosts{"localhost"} })
	job := jobOf(file, newPlace(t, file), strings.Replace(hop.URL, "127.0.0.1", "localhost", 1))
	assert.Equal(t, ota.AddressExpired, f.Fetch(t.Context(), job).Need)
	assert.Zero(t, inside.count())
}

func TestAllowDenyAndHTTPSOnly(t *testing.T) {
	t.Parallel()
	data := image(10_000, 1)
	file := describe("fw", data, 4096)
	for name, row := range map[string]struct {
		change  func(*download.Config)
		allowed bool
	}{
		"network":         {func(c *download.Config) { c.Allow = download.Hosts{"127.0.0.0/8"} }, true},
		"address":         {func(c *download.Config) { c.Allow = download.Hosts{"127.0.0.1"} }, true},
		"another address": {func(c *download.Config) { c.Allow = download.Hosts{"127.0.0.2"} }, false},
		"everything":      {func(c *download.Config) { c.Allow = download.Hosts{"0.0.0.0/0", "::/0"} }, true},
		"denied all the same": {func(c *download.Config) {
			c.Allow, c.Deny = download.Hosts{"127.0.0.1"}, download.Hosts{"127.0.0.0/8"}
		}, false},
		"https only": {func(c *download.Config) { c.Allow, c.HTTPSOnly = download.Hosts{"127.0.0.1"}, true }, false},
		"the storage's": {func(c *download.Config) {
			c.Storage = &download.Storage{Endpoint: "http://127.0.0.1:9", AccessKey: "a", SecretKey: "b"}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, data)
			place := newPlace(t, file)
			result := refusing(t, row.change).Fetch(t.Context(), jobOf(file, place, s.URL))
			if row.allowed {
				succeeded(t, result)
				place.holds(data)
				return
			}
			assert.Equal(t, ota.AddressExpired, result.Need)
			assert.Zero(t, s.count())
		})
	}
}

// TestBehindAProxy the proxy may be asked, wherever it is, and not for what the
// device may not ask itself.
func TestBehindAProxy(t *testing.T) {
	t.Parallel()
	data := image(10_000, 1)
	file := describe("fw", data, 4096)
	proxy := newServer(t, data) // answers for every host
	at := parse(t, proxy.URL)
	f := refusing(t, func(*download.Config) {})
	f.Heed(func(r *http.Request) (*url.URL, error) {
		if r.URL.Hostname() == "direct.invalid" || r.URL.Host == at.Host {
			return nil, nil // as with NO_PROXY
		}
		return at, nil
	})
	for _, address := range []string{"http://127.0.0.1:1/x", "http://localhost/x", "http://a.localhost/x",
		"http://10.0.0.1/x", "http://[fe80::1]/x", proxy.URL} {
		assert.Equal(t, ota.AddressExpired, f.Fetch(t.Context(), jobOf(file, newPlace(t, file), address)).Need, address)
	}
	assert.Zero(t, proxy.count())
	place := newPlace(t, file)
	succeeded(t, f.Fetch(t.Context(), jobOf(file, place, "http://oss.invalid/fw")))
	place.holds(data)
	place = newPlace(t, file)
	succeeded(t, f.Fetch(t.Context(), jobOf(file, place, "http://8.8.8.8/fw")))
	place.holds(data)
}

func TestValidHost(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"oss.example.com", "*.example.com", "localhost", "oss_1", "10.1.2.3", "10.1.0.0/16",
		"::1", "fd00::/8"} {
		assert.NoError(t, download.ValidHost(good), good)
	}
	for _, bad := range []string{"", "*", "*.", "https://x", "x:80", "10.1.2.300", "10.1.0.0/33", "x y", "a/b", "127.1",
		"2130706433"} {
		assert.Error(t, download.ValidHost(bad), bad)
	}
}

// TestNoWordsOfTheOtherEnd come into what a device reports or logs.
func TestNoWordsOfTheOtherEnd(t *testing.T) {
	t.Parallel()
	file := describe("fw", image(10_000, 1), 4096)
	for name, tell := range map[string]func(http.ResponseWriter, *http.Request, []byte){
		"not HTTP":           raw(func(w func(string)) { w("SSH-2.0-SECRET_9.2 Debian\r\n\r\n") }),
		"malformed status":   raw(func(w func(string)) { w("HTTP/1.1 SECRET oh\r\n\r\n") }),
		"malformed header":   raw(func(w func(string)) { w("HTTP/1.1 200 OK\r\nSECRET\r\n\r\n") }),
		"malformed length":   raw(func(w func(string)) { w("HTTP/1.1 200 OK\r\nContent-Length: SECRET\r\n\r\n") }),
		"malformed transfer": raw(func(w func(string)) { w("HTTP/1.1 200 OK\r\nTransfer-Encoding: SECRET\r\n\r\n") }),
		"reason of a status": raw(func(w func(string)) { w("HTTP/1.1 503 SECRET\r\nContent-Length: 0\r\n\r\n") }),
		"malformed redirect": func(w http.ResponseWriter, _ *http.Request, _ []byte) {
			location(w, "http://[::1/x?X-Amz-Signature=SECRET")
		},
		"redirect to another": func(w http.ResponseWriter, _ *http.Request, _ []byte) { location(w, "secret://x/SECRET") },
		"redirect to a name": func(w http.ResponseWriter, _ *http.Request, _ []byte) {
			location(w, "http://secret.invalid/SECRET")
		},
		"redirect to a bad port": func(w http.ResponseWriter, _ *http.Request, _ []byte) {
			location(w, "http://127.0.0.1:99999/SECRET")
		},
		"range": func(w http.ResponseWriter, _ *http.Request, _ []byte) {
			w.Header().Set("Content-Range", "SECRET")
			w.WriteHeader(http.StatusPartialContent)
		},
		"size": func(w http.ResponseWriter, _ *http.Request, _ []byte) { _, _ = w.Write(make([]byte, 7771)) },
	} {
		liar := newLiar(t, nil, always, tell)
		job := jobOf(file, newPlace(t, file), liar.URL)
		job.Setbacks.Renewed = true
		result := newFetcher(t, quick()).Fetch(t.Context(), job)
		require.NotNil(t, result.Failure, name)
		for _, word := range []string{"secret", "7771", "99999", "Debian"} {
			assert.NotContains(t, strings.ToLower(result.Failure.Detail), strings.ToLower(word), name)
		}
	}
}

func location(w http.ResponseWriter, to string) {
	w.Header()["Location"] = []string{to}
	w.WriteHeader(http.StatusFound)
}
