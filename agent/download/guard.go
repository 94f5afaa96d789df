package download

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"otafleet/internal/ota"
)

// Hosts is a list of hosts and networks: names (oss.example.com), names with all
// that lies below them (*.example.com), addresses and networks (10.1.0.0/16).
type Hosts []string

// Validate reports every entry that is neither a host nor a network.
func (h Hosts) Validate() error {
	var problems []error
	for _, entry := range h {
		if err := ValidHost(entry); err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

// ValidHost says what is wrong with an entry of Hosts.
func ValidHost(entry string) error {
	if _, err := netip.ParsePrefix(entry); err == nil {
		return nil
	}
	if _, err := netip.ParseAddr(entry); err == nil {
		return nil
	}
	name := strings.TrimPrefix(entry, "*.")
	bad := name == "" || len(name) > 253 || strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '.' && r != '_'
	})
	if bad || strings.Trim(name, "0123456789.") == "" {
		return fmt.Errorf("%q is neither a host nor a network; want oss.example.com, *.example.com, 10.1.2.3 or 10.1.0.0/16",
			entry)
	}
	return nil
}

// names reports whether a host is named, as it is written.
func (h Hosts) names(host string) bool {
	host = canonical(host)
	return slices.ContainsFunc(h, func(entry string) bool {
		entry = canonical(entry)
		if below, all := strings.CutPrefix(entry, "*"); all {
			return strings.HasSuffix(host, below)
		}
		return entry == host
	})
}

// holds reports whether an address is one of the list, or in one of its networks.
func (h Hosts) holds(address netip.Addr) bool {
	return slices.ContainsFunc(h, func(entry string) bool {
		if network, err := netip.ParsePrefix(entry); err == nil {
			return network.Contains(address)
		}
		one, err := netip.ParseAddr(entry)
		return err == nil && one.Unmap() == address
	})
}

// canonical is a host's name as it is compared.
func canonical(host string) string {
	if address, err := netip.ParseAddr(host); err == nil {
		return address.Unmap().String()
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// guard decides where requests may lead. Addresses of packages come from whoever
// can speak for the platform: they must not become requests to the device itself
// or to its neighbours.
type guard struct {
	allow, deny Hosts
	httpsOnly   bool
	environment func(*http.Request) (*url.URL, error) // the proxy for a request
	proxies     []string                              // hosts with ports, of the environment
	dialer      net.Dialer
}

// newGuard makes the guard of a transport. What the configuration itself names
// may be asked.
func newGuard(c *Config) *guard {
	g := &guard{allow: slices.Clone(c.Allow), deny: c.Deny, httpsOnly: c.HTTPSOnly,
		dialer: net.Dialer{Timeout: c.StallTimeout, KeepAlive: 30 * time.Second}}
	g.heed(http.ProxyFromEnvironment)
	if c.Storage != nil {
		if u, err := url.Parse(c.Storage.Endpoint); err == nil {
			g.allow = append(g.allow, u.Hostname())
			if _, err := netip.ParseAddr(u.Hostname()); err != nil {
				g.allow = append(g.allow, "*."+u.Hostname()) // where buckets are
			}
		}
	}
	return g
}

// heed takes up the proxies of an environment.
func (g *guard) heed(environment func(*http.Request) (*url.URL, error)) {
	g.environment, g.proxies = environment, nil
	for _, scheme := range []string{"http", "https"} {
		proxy, err := environment(&http.Request{URL: &url.URL{Scheme: scheme, Host: "any.invalid"}})
		if err == nil && proxy != nil {
			g.proxies = append(g.proxies, hostPort(proxy))
		}
	}
}

// hostPort is where a proxy is dialled.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
	}
	if port == "" {
		port = "80"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// proxy is the environment's proxy for a request. What lies behind it is resolved
// there, so that the name is judged here; the proxy itself may be asked for nothing.
func (g *guard) proxy(r *http.Request) (*url.URL, error) {
	proxy, err := g.environment(r)
	if err != nil {
		return nil, refusef(ota.NetworkTimeout, "the proxy of the environment cannot be used")
	}
	if proxy == nil && !slices.Contains(g.proxies, hostPort(r.URL)) {
		return nil, nil // judged when it is dialled
	}
	return proxy, g.judgeName(r.Context(), r.URL.Hostname())
}

// judgeName judges a host that is not dialled from here. One that cannot be
// resolved here is left to the proxy.
func (g *guard) judgeName(ctx context.Context, host string) error {
	if g.deny.names(host) {
		return refused()
	}
	if canonical(host) == "localhost" || strings.HasSuffix(canonical(host), ".localhost") {
		host = "127.0.0.1"
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil
	}
	for _, address := range found {
		if !g.may(host, address) {
			return refused()
		}
	}
	return nil
}

// dial connects where the guard lets it: the addresses are judged after the name
// has been resolved, each right before it is asked.
func (g *guard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := g.dialer
	if slices.Contains(g.proxies, address) {
		return dialer.DialContext(ctx, network, address)
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil || g.deny.names(host) {
		return nil, refused()
	}
	dialer.Control = func(_, resolved string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(resolved)
		if err != nil || !g.may(host, at.Addr()) {
			return refused()
		}
		return nil
	}
	return dialer.DialContext(ctx, network, address)
}

// may reports whether an address that a host's name has led to may be asked.
func (g *guard) may(host string, address netip.Addr) bool {
	address = address.WithZone("").Unmap()
	switch {
	case g.deny.names(host), g.deny.holds(address):
		return false
	case g.allow.names(host), g.allow.holds(address):
		return true
	}
	return public(address)
}

// public reports whether an address is one of the internet: not this machine, its
// link, a private network, or a way of writing one of these.
func public(address netip.Addr) bool {
	if !address.IsGlobalUnicast() || address.IsPrivate() {
		return false
	}
	for _, network := range []string{
		// this network, carriers, protocols, benchmarks, reserved
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "198.18.0.0/15", "240.0.0.0/4",
		"::/96", "fec0::/10", // IPv4 written in full, site-local
	} {
		if netip.MustParsePrefix(network).Contains(address) {
			return false
		}
	}
	return !embeds(address) || public(embedded(address))
}

// embeds reports whether an IPv6 address carries one of IPv4 to which a gateway
// may lead: NAT64 and 6to4.
func embeds(address netip.Addr) bool {
	return netip.MustParsePrefix("64:ff9b::/96").Contains(address) ||
		netip.MustParsePrefix("64:ff9b:1::/48").Contains(address) ||
		netip.MustParsePrefix("2002::/16").Contains(address)
}

func embedded(address netip.Addr) netip.Addr {
	b := address.As16()
	if b[0] == 0x20 {
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return netip.AddrFrom4([4]byte(b[12:16]))
}

// refused is the same whatever is there: no report says what is.
func refused() *refusal {
	return gonef(ota.HTTPError,
		"the address leads to this device, to a private network or to a host that download.deny names, and download.allow "+
			"does not name it")
}

// scheme refuses what is not encrypted where that is not wanted.
func (g *guard) scheme(u *url.URL) error {
	if g.httpsOnly && u.Scheme != "https" {
		return gonef(ota.HTTPError, "the address is not one of https, and download.https_only is set")
	}
	return nil
}

// checkRedirect allows five redirects that do not leave http and https, and
// never from https to http. The address left is kept from the next server:
// its query may be a signature.
func (g *guard) checkRedirect(next *http.Request, via []*http.Request) error {
	next.Header.Del("Referer")
	last := via[len(via)-1].URL.Scheme
	switch scheme := next.URL.Scheme; {
	case len(via) > maxRedirects:
		return refusef(ota.HTTPError, "more than %d redirects", maxRedirects)
	case scheme != "https" && scheme != "http":
		return refusef(ota.HTTPError, "redirect to another scheme than https and http refused")
	case last == "https" && scheme == "http":
		return refusef(ota.HTTPError, "redirect from https to http refused")
	}
	return g.scheme(next.URL)
}
