package config

import (
	"otafleet/agent/host"
	"otafleet/firmware"
	"otafleet/internal/ota"
	"otafleet/internal/yamlform"
)

// MaxSubDevices bounds the devices behind a gateway: each has a state file of its
// own, which is open while the agent runs.
const MaxSubDevices = 256

// SubDevice is a device without a session of its own, for which this one speaks.
type SubDevice struct {
	Device     string // device key, unique in the file
	Product    string // product key
	Hardware   string // revision that manifests may name; empty if unknown
	Trust      *Trust // in the place of the gateway's; nil for that one
	Conditions Conditions
	Components []Component  // 1 to ota.MaxInventory
	Health     []host.Check // all must pass; none means that running is enough
}

// readSubDevices reads the list of sub-devices. One entry may be for several that
// differ by their names alone. paths are those that other components have.
func readSubDevices(root *yamlform.Map, in base, c *Config, paths map[string]bool) {
	root.Int("sub_device_parallel", &c.SubDeviceParallel, 1, 64)
	entries := root.Maps("sub_devices", 1, MaxSubDevices)
	names := map[string]bool{c.Device: true}
	for _, m := range entries {
		d, keys := readSubDevice(m, in, paths)
		for _, name := range keys {
			d.Device = name
			c.SubDevices = append(c.SubDevices, d)
			if names[name] {
				m.Problemf(nameKey(m), "%q is there already; device keys are unique in the file", name)
			}
			names[name] = true
		}
	}
	if len(c.SubDevices) > MaxSubDevices {
		root.Problemf("sub_devices", "are %d devices; at most %d are possible", len(c.SubDevices), MaxSubDevices)
	}
	if !root.Has("sub_devices") && root.Has("sub_device_parallel") {
		root.Warnf("sub_device_parallel", "has no effect without sub_devices")
	}
}

// readSubDevice reads one entry, and the keys of the devices that it is for.
func readSubDevice(m *yamlform.Map, in base, paths map[string]bool) (d SubDevice, names []string) {
	m.Require("product", "components")
	m.Text("product", &d.Product, key)
	m.Text("hardware", &d.Hardware, revision)
	d.Trust = readOwnTrust(m, in)
	var name string
	m.Text("device", &name, key)
	m.Texts("devices", &names, 1, MaxSubDevices, key)
	switch {
	case m.Has("device") && m.Has("devices"):
		m.Problemf("devices", "want only one of device and devices in an entry")
	case m.Given() && !m.Has("device") && !m.Has("devices"):
		m.Problemf("device", "is missing; want one of device and devices")
	case m.Has("device") && name != "":
		names = []string{name}
	}
	readConditions(m.Map("conditions"), in, &d.Conditions)
	var components []*yamlform.Map
	d.Components, components = readComponents(m, in, paths)
	for i, c := range d.Components {
		checkSubComponent(components[i], &c, len(names))
	}
	d.Health = readHealth(m, in)
	return d, names
}

// checkSubComponent refuses what a component of a sub-device cannot have, of an
// entry for n devices.
func checkSubComponent(m *yamlform.Map, c *Component, n int) {
	if c.Type == ota.MCU {
		m.Warnf("type", "platforms upgrade only the modules of sub-devices; want module")
	}
	if c.Slot != nil {
		m.Problemf("slot", "would boot the gateway; a sub-device has no slots here")
	}
	if n > 1 {
		switch c.Installer {
		case InstallerFile, InstallerSerial, InstallerModem:
			m.Problemf(string(c.Installer), "would be one for %d devices; give each an entry with one of its own", n)
		}
	}
	if c.File != nil && c.File.Restart != firmware.RestartNone {
		m.Problemf("file", "has restart: %s, which would restart the gateway; a sub-device is restarted by file.after",
			c.File.Restart)
	}
}

// nameKey is the key under which an entry names its devices.
func nameKey(m *yamlform.Map) string {
	if m.Has("devices") {
		return "devices"
	}
	return "device"
}

// Identity is what the platform calls the sub-device.
func (d *SubDevice) Identity() ota.Identity {
	return ota.Identity{Product: d.Product, Device: d.Device}
}

// Twins says which products several sub-devices have: only they can need one
// package at the same time.
func (c *Config) Twins() map[string]bool {
	twins := map[string]bool{}
	for i := range c.SubDevices {
		product := c.SubDevices[i].Product
		_, seen := twins[product]
		twins[product] = seen
	}
	return twins
}
