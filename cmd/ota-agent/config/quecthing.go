//go:build !noquecthing

package config

import (
	"net/url"

	"otafleet/internal/ota"
	"otafleet/internal/yamlform"
)

func readQuecThing(m *yamlform.Map, in base, c *Config) {
	q := QuecThing{OnFailure: ota.Stop, Model: c.Product}
	m.Require("url", "product_secret_file", "manifest")
	yamlform.Value(m, "url", &q.URL, parseBrokerURL)
	in.secret(m, "product_secret_file", &q.ProductSecretFile)
	m.Text("username", &q.Username, yamlform.Line)
	m.Bool("session_key", &q.SessionKey)
	m.Text("model", &q.Model, yamlform.Line)
	m.Text("iccid", &q.ICCID, yamlform.Line)
	readCertificates(m, in, &q.Certificates)
	yamlform.Enum(m, "on_failure", &q.OnFailure, ota.Stop, ota.Continue, ota.Revert)
	readManifest(m, c)
	if !m.Given() {
		return
	}
	if c.PlatformTrust == nil && m.Has("manifest") {
		m.Problemf("manifest", "must be platform: this platform keeps no signed manifest beside a file")
	}
	if q.URL != nil {
		warnPlain(m, "url", []*url.URL{q.URL})
	}
	c.QuecThing = &q
}
