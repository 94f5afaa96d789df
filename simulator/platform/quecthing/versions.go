package quecthing

import (
	"slices"
	"strings"

	"otafleet/internal/ota"
	codec "otafleet/internal/quecthing"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/engine"
)

// unnamedModule is the component that the module is of whose product has no packages
// for one: its wire gives it no name.
const unnamedModule = "module"

// maxText bounds what is kept of a text of a device, in bytes.
const maxText = 2 * codec.MaxVersions

// describes takes a device's description. It may have the name of an application
// behind the version of the module.
func (d *Device) describes(items codec.Items) {
	d.info = clip(items.Text(codec.InfoVersion))
	d.module = strings.TrimSuffix(d.info, d.suffix)
	d.versions = codec.ParseVersions(items.Text(codec.InfoVersions))
	d.sdk = clip(items.Text(codec.SDKVersion))
}

// reports takes a version report. Devices leave an empty list out.
func (d *Device) reports(items codec.Items) {
	module := clip(items.Text(codec.ModuleVersion))
	if rest, is := strings.CutPrefix(d.info, module); is && module != "" {
		d.suffix = rest
	}
	d.module = module
	d.versions = codec.ParseVersions(items.Text(codec.ModuleVersions))
}

func clip(text string) string { return ota.Clip(text, maxText) }

// runs reports whether the device says that a component runs a version.
func (d *Device) runs(p *engine.AssignedPart, version string) bool {
	return d.version(p) == version
}

// version is what a component runs, as the device says; empty if it says nothing.
func (d *Device) version(p *engine.AssignedPart) string {
	if p.Type == ota.Module {
		return d.module
	}
	for _, v := range d.versions {
		if v.Component == p.ID {
			return v.Version
		}
	}
	return ""
}

// inventory is what the device says of itself.
func (d *Device) inventory(t *platform.Talk) *ota.Inventory {
	all := &ota.Inventory{Time: t.Now, Battery: d.battery, RSSI: d.signal, FreeBytes: d.space}
	if d.sdk != "" {
		all.Agent = ota.Clip("SDK "+d.sdk, ota.MaxVersion)
	}
	d.named = modules(t.Engine(), d.id)
	if ota.ValidVersion(d.module) {
		for _, id := range d.named {
			all.Components = append(all.Components, ota.ComponentVersion{ID: id, Type: ota.Module, Version: d.module})
		}
	}
	for _, v := range d.versions {
		if ota.ValidComponentID(v.Component) && ota.ValidVersion(v.Version) {
			all.Components = append(
				all.Components,
				ota.ComponentVersion{ID: v.Component, Type: ota.MCU, Version: v.Version},
			)
		}
	}
	all.Components = all.Components[:min(len(all.Components), ota.MaxInventory)]
	return all
}

// rename says what the module runs under the names of packages that have come since.
func (d *Device) rename(t *platform.Talk) {
	if !d.online || slices.Equal(d.named, modules(t.Engine(), d.id)) {
		return
	}
	is, _ := d.assigned(t)
	t.Hear(d.id, d.running(d.inventory(t), &is))
}

// running adds to an inventory what the device is at work on.
func (d *Device) running(inventory *ota.Inventory, is *engine.Assignment) *ota.Inventory {
	if is.Accepted {
		inventory.Running = &ota.Running{Plan: is.Plan, Attempt: is.Attempt, Seq: is.Seq}
	}
	return inventory
}

// modules names the components that the module is: those that its product has packages
// of, or that it was.
func modules(e *engine.Engine, id ota.Identity) []string {
	var ids []string
	add := func(id string, kind ota.ComponentType) {
		if kind == ota.Module && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	for _, p := range e.Packages() {
		if p.Product == id.Product {
			add(p.Component, p.Type)
		}
	}
	known, _ := e.Versions(id)
	for _, c := range known {
		add(c.ID, c.Type)
	}
	if len(ids) > 1 {
		ids = slices.DeleteFunc(ids, func(id string) bool { return id == unnamedModule })
	}
	if ids == nil {
		ids = []string{unnamedModule}
	}
	return ids
}
