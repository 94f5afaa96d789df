package model

import (
	"time"

	"otafleet/agent"
	"otafleet/simulator/fault"
	"otafleet/simulator/scenario"
)

// Readings are what a device measures. Like every draw they depend on the seed and
// the device alone.
func Readings(f *scenario.Fleet, seed uint64, device string) agent.Readings {
	return agent.Readings{Battery: reading(f.Battery, seed, device, "battery"),
		RSSI: reading(f.RSSI, seed, device, "rssi")}
}

func reading(r *scenario.Range[int], seed uint64, device, purpose string) *int {
	if r == nil {
		return nil
	}
	v := r.At(fault.Uniform(seed, device, purpose, 0))
	return &v
}

// InstallTime is how long a device takes to activate its i-th component.
func InstallTime(f *scenario.Fleet, seed uint64, device string, i int) time.Duration {
	return f.Install.Time.At(fault.Uniform(seed, device, "install", i))
}

// FactorySlots are the i-th component of device n, from 1, as it left the factory.
func FactorySlots(f *scenario.Fleet, n, i int) Slots {
	return Slots{Running: f.Runs(n, i), Restart: f.Install.RestartFor(f.Components[i].Type)}
}

// MachineConfig is what the machine of a fleet's devices knows of them, but for how
// it verifies packages.
func MachineConfig(f *scenario.Fleet) agent.Config {
	config := agent.Config{Agent: "ota-sim", Hardware: f.Hardware}
	for _, c := range f.Components {
		config.Components = append(config.Components, agent.ComponentConfig{ID: c.ID, Type: c.Type})
	}
	return config
}
