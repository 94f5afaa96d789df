package config

import (
	"otafleet/agent"
	"otafleet/internal/yamlform"
)

// readManifest reads, from the keys of a platform, whether packages are taken on its
// word: manifest, allow_weak_digest and versions mean the same on every platform that
// has them. sidecar is what the first key is without: the signed manifest lies beside
// the files.
func readManifest(m *yamlform.Map, c *Config) {
	const sidecar, platform, anyVersion, semver = "sidecar", "platform", "any", "semver"
	manifest, versions, weak := sidecar, anyVersion, false
	yamlform.Enum(m, "manifest", &manifest, sidecar, platform)
	m.Bool("allow_weak_digest", &weak)
	yamlform.Enum(m, "versions", &versions, anyVersion, semver)
	if manifest == platform {
		c.PlatformTrust = &agent.PlatformTrust{WeakDigests: weak, SemVer: versions == semver}
		m.Warnf("manifest", "packages are installed on the platform's word: whoever can speak for it owns the device")
		return
	}
	for _, key := range []string{"allow_weak_digest", "versions"} {
		if m.Has(key) {
			m.Problemf(key, "has no meaning without manifest: platform: the signed manifest says it")
		}
	}
}
