package quecthing

import (
	"slices"

	"otafleet/internal/ota"
	"otafleet/internal/quecthing"
)

// What the device says of the SDK that the platform expects.
const (
	sdkVersion    = "2.9.0"
	positioning   = "NONE;LBS;"
	dataProtocol  = "1.3.0"
	communication = "3.0.0"
)

// status is the device's condition, as far as it is known.
func (x *Exchange) status() entry {
	var items quecthing.Items
	inv := x.inventory
	if inv.Battery != nil {
		items = append(items, quecthing.Int(quecthing.Battery, int64(*inv.Battery)))
	}
	if inv.RSSI != nil {
		items = append(items, quecthing.Int(quecthing.Signal, int64(*inv.RSSI)))
	}
	if inv.FreeBytes != nil {
		items = append(items, quecthing.Int(quecthing.FreeSpace, *inv.FreeBytes))
	}
	return entry{command: quecthing.DeviceStatus, channel: quecthing.Sys, qos: 1, items: items}
}

// info is what the device is and runs.
func (x *Exchange) info() entry {
	return entry{command: quecthing.DeviceInfo, channel: quecthing.Sys, qos: 1, items: []quecthing.Item{
		quecthing.Text(quecthing.Model, x.settings.Model),
		quecthing.Text(quecthing.InfoVersion, x.moduleVersion()),
		quecthing.Text(quecthing.InfoVersions, x.versionList()),
		quecthing.Text(quecthing.ICCID, x.settings.ICCID),
		quecthing.Text(quecthing.SDKVersion, sdkVersion),
		quecthing.Text(quecthing.Positioning, positioning),
		quecthing.Text(quecthing.DataProtocol, dataProtocol),
		quecthing.Text(quecthing.CommunicationFormat, communication),
	}}
}

// versions is what runs, as requests and last statuses carry it.
func (x *Exchange) versions() quecthing.Items {
	items := quecthing.Items{quecthing.Text(quecthing.ModuleVersion, x.moduleVersion())}
	if list := x.versionList(); list != "" {
		items = append(items, quecthing.Text(quecthing.ModuleVersions, list))
	}
	return items
}

// module is the index of the component whose version is the device's on the wire: its
// first one of type module. -1 if there is none.
func (x *Exchange) module() int {
	if x.inventory == nil {
		return -1
	}
	return slices.IndexFunc(x.inventory.Components, func(c ota.ComponentVersion) bool { return c.Type == ota.Module })
}

func (x *Exchange) moduleVersion() string {
	if i := x.module(); i >= 0 {
		return x.inventory.Components[i].Version
	}
	return ""
}

// versionList is what the other components run.
func (x *Exchange) versionList() string { return quecthing.FormatVersions(x.list) }

// listVersions notes what the other components run: what has changed comes to the end.
// A component that the wire cannot name is left out.
func (x *Exchange) listVersions() {
	module, list := x.module(), x.list
	runs := map[string]string{}
	for i, c := range x.inventory.Components {
		if i != module {
			runs[c.ID] = c.Version
		}
	}
	list = slices.DeleteFunc(slices.Clone(list), func(v quecthing.Version) bool { return runs[v.Component] != v.Version })
	for i, c := range x.inventory.Components {
		if i == module || slices.Contains(list, quecthing.Version{Component: c.ID, Version: c.Version}) {
			continue
		}
		var err error
		if list, err = quecthing.SetVersion(list, c.ID, c.Version); err != nil {
			x.trouble = err
		}
	}
	x.list = list
}

// kindOf is the type of a component, as the agent has it.
func (x *Exchange) kindOf(id string) ota.ComponentType {
	if x.inventory != nil {
		for _, c := range x.inventory.Components {
			if c.ID == id {
				return c.Type
			}
		}
	}
	return ota.Module
}

// runs notes what a component runs by a report: it comes before the inventory that
// says so.
func (x *Exchange) runs(id, version string) {
	if x.inventory == nil || version == "" {
		return
	}
	i := slices.IndexFunc(x.inventory.Components, func(c ota.ComponentVersion) bool { return c.ID == id })
	if i < 0 || x.inventory.Components[i].Version == version {
		return
	}
	known := *x.inventory
	known.Components = slices.Clone(known.Components)
	known.Components[i].Version = version
	x.inventory = &known
	x.listVersions()
}

func sameVersions(a, b *ota.Inventory) bool { return slices.Equal(a.Components, b.Components) }
