//go:build !nohawkbit

package config

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"otafleet/internal/ota"
	"otafleet/internal/yamlform"
)

func readHawkBit(m *yamlform.Map, in base, c *Config) {
	h := HawkBit{Tenant: "DEFAULT", OnFailure: ota.Stop}
	gateway := ""
	m.Require("url")
	yamlform.Value(m, "url", &h.URL, parseHawkBitURL)
	m.Text("tenant", &h.Tenant, yamlform.Words(validTenant, "want a name without / ? # and spaces"))
	in.secret(m, "token_file", &h.TokenFile)
	in.secret(m, "gateway_token_file", &gateway)
	if gateway != "" {
		h.TokenFile, h.Gateway = gateway, true
	}
	readCertificates(m, in, &h.Certificates)
	yamlform.Enum(m, "on_failure", &h.OnFailure, ota.Stop, ota.Continue, ota.Revert)
	readManifest(m, c)
	readModules(m, c, &h)
	switch own := m.Has("token_file"); {
	case own && m.Has("gateway_token_file"):
		m.Problemf("token_file", "stands beside gateway_token_file; want the one that the device has")
	case !own && !m.Has("gateway_token_file") && !m.Has("cert_file") && m.Given():
		m.Problemf("token_file", "is missing; want it, gateway_token_file, or cert_file: hawkBit accepts no device without")
	}
	if h.URL != nil && h.URL.Scheme == "http" && !loopback(h.URL.Hostname()) {
		danger := "the token can be read on the way"
		if c.PlatformTrust != nil {
			danger += ", and packages exchanged"
		}
		m.Warnf("url", "the connection to %s is not encrypted: %s; want https", h.URL.Host, danger)
	}
	if m.Given() {
		c.HawkBit = &h
	}
}

// readModules reads which component a software module is for, where its name says
// something else.
func readModules(m *yamlform.Map, c *Config, h *HawkBit) {
	type pair struct{ module, component string }
	var pairs []pair
	yamlform.Values(m, "modules", &pairs, 1, ota.MaxInventory, func(text string) (pair, error) {
		i := strings.LastIndexByte(text, '=')
		if i < 1 || !ota.ValidComponentID(text[i+1:]) {
			return pair{}, fmt.Errorf("%q is not a module and its component; want MODULE=COMPONENT", text)
		}
		return pair{text[:i], text[i+1:]}, nil
	})
	for _, p := range pairs {
		if h.Modules == nil {
			h.Modules = map[string]string{}
		}
		if _, twice := h.Modules[p.module]; twice {
			m.Problemf("modules", "name the module %q twice", p.module)
		}
		h.Modules[p.module] = p.component
	}
	if m.Has("modules") && c.PlatformTrust == nil {
		m.Problemf("modules", "have no meaning without manifest: platform: the signed manifest names the component")
	}
}

func validTenant(text string) bool {
	return text != "" && len(text) <= 128 && !strings.ContainsAny(text, "/?# ") && yamlform.Line(text) == nil
}

// parseHawkBitURL reads the address of a server. Its errors do not repeat the address,
// which may hold a password.
func parseHawkBitURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "":
		return nil, errors.New("is not an address; want https://host[:port]")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("%q is not a scheme of hawkBit; want https://host[:port]", u.Scheme)
	case u.User != nil:
		return nil, errors.New("holds a user name or a password; want the token in token_file")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("goes on after its path; want https://host[:port][/path]")
	case strings.HasSuffix(u.Path, "/controller/v1") || strings.Contains(u.Path, "/controller/v1/"):
		return nil, errors.New("holds tenant and API; want the server alone, https://host[:port], and the tenant in tenant")
	}
	return u, nil
}
