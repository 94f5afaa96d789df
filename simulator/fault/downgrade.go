package fault

import (
	"slices"

	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

// downgrade gives a package's manifest the first release that there can be, and
// lets the platform's owner sign it. It strikes only where a later one has run.
func (in *Injection) downgrade(g Gear) Gear {
	reported := g.Reported
	g.Reported = func(r *ota.Report) {
		reported(r)
		if r.Status == ota.UpgradeSucceeded {
			in.hasRun(r.Component)
		}
	}
	return in.onPackage(g, func(e ota.Envelope) (ota.Envelope, bool) {
		manifest, err := wire.DecodeManifest(e.Payload)
		if err != nil || !in.ran(manifest.Component) {
			return e, false
		}
		manifest.Release, manifest.AllowDowngrade = 0, false
		older, err := in.set.Sign(manifest)
		return older, err == nil
	})
}

// hasRun notes that a package of the component has run.
func (in *Injection) hasRun(component string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !slices.Contains(in.upgraded, component) {
		in.upgraded = append(in.upgraded, component)
	}
}

// ran reports whether a release above the first has run as the component.
func (in *Injection) ran(component string) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	c := in.fleet.Component(component)
	return c != nil && c.Release > 0 || slices.Contains(in.upgraded, component)
}
