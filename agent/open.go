package agent

import "otafleet/internal/ota"

// Opened is what the verification of a package has shown.
type Opened struct {
	manifest *ota.Manifest // nil if the signatures are not those that are asked for
	failure  *ota.Failure  // nil if they are
}

// opened verifies an envelope by the keys of a component: its own, or those of
// the device.
func (c *Config) opened(component string, e ota.Envelope) Opened {
	open := c.Open
	for i := range c.Components {
		if own := c.Components[i].Open; own != nil && c.Components[i].ID == component {
			open = own
		}
	}
	manifest, err := open(e)
	if err != nil {
		return Opened{failure: asFailure(err, ota.ManifestMismatch)}
	}
	return Opened{manifest: manifest}
}

// Open verifies the package of a local plan, which may take long. Other than
// everything else of a Machine it may be called at any time, from any goroutine.
func (m *Machine) Open(in Install) Opened {
	return m.config.opened(in.Package.Component, in.Package.Envelope)
}
