package scenario_test

import (
	"otafleet/firmware"
	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
)

func numbered() node {
	name := word(56, "")
	name["not"] = node{"enum": scenario.Classes()}
	k := bodyKeys()
	delete(k, "product")
	k["name!"] = key{"Unique; devices are called <name>-000001 and on", name}
	k["count!"] = key{"How many devices", whole(1, scenario.MaxDevices)}
	k["product!"] = key{"Product key", word(ota.MaxKey, "")}
	k["behind"] = key{"The fleet whose devices speak for these", word(ota.MaxKey, "")}
	k["components!"] = key{"What every device runs at first", components("version!")}
	form := mapping(k)
	form["dependentSchemas"] = node{"behind": node{"properties": node{"link": false, "arrive": false}}}
	return form
}

// listed is the mapping in the place of the fleets, of which a file lists the devices.
func listed() node {
	k := bodyKeys()
	k["devices!"] = key{"Device file, in the scenario's directory or below", text(4096)}
	k["components"] = key{"What the devices have, if not modules that the file gives versions of", components("version")}
	return mapping(k)
}

func components(version string) node {
	return list(mapping(keys{
		"id!":     {"Component id", word(ota.MaxComponentID, ".")},
		"type!":   {"", choice(ota.Module, ota.MCU)},
		version:   {"What runs at first", text(ota.MaxVersion)},
		"release": {"Highest release counter that the device has run; 0 if it is not given", whole(0, scenario.MaxRelease)},
	}), 1, ota.MaxComponents)
}

// bodyKeys are those that both forms of fleets have.
func bodyKeys() keys {
	return keys{
		"product":  {"Product key of all devices", word(ota.MaxKey, "")},
		"hardware": {"Revision that packages may ask for", text(ota.MaxVersion)},
		"battery":  {"Percent, or a range; without it the device has none", orNumber(ranged(wholePattern), 0, 100)},
		"rssi":     {"dBm, or a range; without it the device has no radio", orNumber(ranged(signed+wholePattern), -150, 0)},
		"link": {"The line between the device and everything else: keys, or the name of a preset",
			node{"if": node{"type": "object"}, "then": ref("link"), "else": orVariable(presets())}},
		"arrive":  {"When the devices connect for the first time; all at once if it is not given", ref("arrive")},
		"install": {"What an installation costs", ref("install")},
	}
}

func presets() node {
	return each(scenario.Presets(), func(p scenario.Preset) (string, string) { return p.Name, p.Source })
}

func link() node {
	form := mapping(keys{
		"preset": {"The figures of a kind of line; keys beside it go before them", presets()},
		"upload": {"Of what sessions send; no limit if it is not given", rate()},
		"trace": {"A file beside the scenario with what the line is like as time passes: CSV, or of mahimahi",
			node{"type": "string", "minLength": 1}},
		"trace_start": {"Where each device begins in the trace: at a place drawn from the seed, or at its beginning; " +
			"drawn if it is not given", choice("drawn", "begin")},
		"bandwidth": {"Of downloads; no limit if it is not given", rate()},
		"latency":   {"One way, up to 1m", duration()},
		"jitter":    {"The latency varies by up to this both ways", duration()},
		"loss":      {"Share of the packets that are lost and sent again: 0% to 99%", percent()},
	})
	form["dependentRequired"] = node{"trace_start": []string{"trace"}}
	return form
}

func installation() node {
	return mapping(keys{
		"time":    {"From upgrading to the restart; 5s..20s if it is not given", durations()},
		"restart": {"For every component", choice(firmware.RestartNone, firmware.RestartProcess, firmware.RestartSystem)},
	})
}

func arrive() node {
	form := mapping(keys{
		"herd": {"All at once", node{"const": true}},
		"over": {"Evenly within this time", duration()},
		"rate": {"Devices a second: 100/s", pattern(numberPattern + "/s")},
		"stages": {"One after the other", list(mapping(keys{
			"over!": {"How long the stage takes; 0s for all at once", duration()},
			"devices": {"A number or a share; the last stage takes the rest", orNumber(pattern(percentPattern+"|"+wholePattern),
				0, scenario.MaxDevices)},
		}), 1, scenario.MaxStages)},
		"after": {"The first device, from the start of the run", duration()},
	})
	forms := []string{"herd", "over", "rate", "stages"}
	alone := node{}
	for _, name := range forms {
		alone[name] = node{"properties": only(forms, []string{name})}
	}
	form["dependentSchemas"] = alone
	return form
}
