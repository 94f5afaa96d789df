package main

import (
	"fmt"

	"otafleet/agent"
	"otafleet/agent/host"
	"otafleet/cmd/ota-agent/config"
	"otafleet/internal/files"
	"otafleet/internal/wire"
)

// machineConfig is what the machine of the agent's own device knows of it. It
// reads the keys of packages.
func machineConfig(cfg *config.Config) (*agent.Config, error) {
	trust := &wire.Trust{} // which takes nothing
	if cfg.PlatformTrust == nil || len(cfg.Trust.Keys) > 0 || cfg.Trust.AllowUnsigned {
		var err error
		if trust, err = loadTrust(cfg.Trust, ""); err != nil {
			return nil, err
		}
	}
	components, err := componentConfigs(cfg.Components)
	if err != nil {
		return nil, err
	}
	return &agent.Config{
		Agent: agentName(), Hardware: cfg.Hardware, Open: trust.Open, Platform: cfg.PlatformTrust, Built: builtAt(),
		Components: components,
		AskFirst:   cfg.Confirm != config.ConfirmAuto, ContactTimeout: cfg.ContactTimeout, GiveWay: cfg.GiveWay,
		Soak: cfg.Soak, RestartSoak: cfg.RestartSoak,
		Conditions: cfg.Conditions.Least, Windows: cfg.Windows, Watch: watchEvery,
	}, nil
}

// subMachineConfig is what the machine of a sub-device knows of it: what the
// gateway's does, but for what it has of its own.
func subMachineConfig(cfg *config.Config, d *config.SubDevice) (*agent.Config, error) {
	own := *cfg
	own.Hardware, own.Conditions, own.Components = d.Hardware, d.Conditions, d.Components
	if d.Trust != nil {
		own.Trust, own.PlatformTrust = *d.Trust, nil
	}
	c, err := machineConfig(&own)
	if err != nil {
		return nil, fmt.Errorf("sub-device %s: %w", d.Device, err)
	}
	c.Via = cfg.Device
	return c, nil
}

func componentConfigs(components []config.Component) ([]agent.ComponentConfig, error) {
	all := make([]agent.ComponentConfig, len(components))
	for i := range components {
		c := &components[i]
		all[i] = agent.ComponentConfig{ID: c.ID, Type: c.Type, Irreversible: c.Irreversible, Release: c.Release}
		if c.Trust == nil {
			continue
		}
		of := "component " + c.ID
		trust, err := loadTrust(*c.Trust, of)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", of, err)
		}
		all[i].Open = trust.Open
	}
	return all, nil
}

// loadTrust reads the keys that packages must be signed with: those of the whole
// device, or of a part of it.
func loadTrust(t config.Trust, of string) (*wire.Trust, error) {
	trust := &wire.Trust{Threshold: t.Threshold, AllowUnsigned: t.AllowUnsigned, Of: of}
	for _, path := range t.Keys {
		text, err := files.Read(path, host.MaxKeyFile)
		if err != nil {
			return nil, fmt.Errorf("trust.keys: %w", err)
		}
		key, err := wire.ParsePublicKey(text)
		if err != nil {
			return nil, fmt.Errorf("trust.keys: %s: %w", path, err)
		}
		trust.Keys = append(trust.Keys, key)
	}
	if err := trust.Validate(); err != nil {
		return nil, fmt.Errorf("trust: %w", err)
	}
	return trust, nil
}
