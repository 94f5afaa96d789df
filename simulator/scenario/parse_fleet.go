package scenario

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"otafleet/firmware"
	"otafleet/internal/ota"
	"otafleet/internal/yamlform"
)

// maxFleetName leaves room for the dash and the seven digits that Device puts
// behind a fleet's name.
const maxFleetName = ota.MaxKey - len("-1000000")

func readFleets(root *yamlform.Map, s *Scenario) {
	fleets, types := names{}, componentTypes{}
	for _, m := range root.Maps("fleet", 1, MaxFleets) {
		f := readFleet(m, s.Duration)
		fleets.add(m, "name", f.Name)
		types.agree(m, &f)
		s.Fleets = append(s.Fleets, f)
	}
	if n := s.Devices(); n > MaxDevices {
		root.Problemf("fleet", "has %d devices in all; want at most %d", n, MaxDevices)
	}
}

func readFleet(m *yamlform.Map, duration time.Duration) Fleet {
	f := Fleet{Install: Install{Time: Range[time.Duration]{Lo: 5 * time.Second, Hi: 20 * time.Second}}}
	m.Require("name", "count", "product", "components")
	m.Text("name", &f.Name, fleetName)
	m.Int("count", &f.Count, 1, MaxDevices)
	m.Text("product", &f.Product, word)
	ids := names{}
	for _, c := range m.Maps("components", 1, ota.MaxComponents) {
		next := readComponent(c)
		ids.add(c, "id", next.ID)
		f.Components = append(f.Components, next)
	}
	optionalRange(m, "battery", &f.Battery, 0, 100)
	optionalRange(m, "rssi", &f.RSSI, minRSSI, 0)
	f.Link = readLink(m.Map("link"))
	readInstall(m.Map("install"), &f.Install)
	f.Arrive = readArrive(m.Map("arrive"))
	if last := f.Arrive.last(f.Count); duration > 0 && last > duration {
		m.Problemf("arrive", "the last device arrives after %s, the run ends after %s",
			yamlform.FormatDuration(last.Round(time.Second)), yamlform.FormatDuration(duration))
	}
	return f
}

// minRSSI is a signal weaker than any radio hears, in dBm.
const minRSSI = -150

func fleetName(text string) error {
	for _, class := range Classes() {
		if text == string(class) {
			return fmt.Errorf("%q is the name of a class of devices; want another one", text)
		}
	}
	short := func(s string) bool { return len(s) <= maxFleetName && ota.ValidKey(s) }
	return yamlform.Words(short, fmt.Sprintf("want 1 to %d characters of A-Z a-z 0-9 _ -", maxFleetName))(text)
}

func readComponent(m *yamlform.Map) ota.ComponentVersion {
	var c ota.ComponentVersion
	m.Require("id", "type", "version")
	m.Text("id", &c.ID, componentID)
	yamlform.Enum(m, "type", &c.Type, ota.Module, ota.MCU)
	m.Text("version", &c.Version, version)
	return c
}

// componentTypes holds that a component of a product has one type.
type componentTypes map[[2]string]ota.ComponentType

func (t componentTypes) agree(m *yamlform.Map, f *Fleet) {
	for _, c := range f.Components {
		key := [2]string{f.Product, c.ID}
		if first, known := t[key]; known && first != c.Type && c.Type != "" {
			m.Problemf("components", "%s is of type %s here and of type %s in an earlier fleet of product %s", c.ID, c.Type, first, f.Product)
		} else if c.Type != "" {
			t[key] = c.Type
		}
	}
}

// optionalRange reads a range of a thing that devices may not have.
func optionalRange(m *yamlform.Map, key string, dst **Range[int], lo, hi int) {
	var r Range[int]
	yamlform.Value(m, key, &r, ranged(lo, hi, yamlform.ParseInt))
	if m.Has(key) {
		*dst = &r
	}
}

func readLink(m *yamlform.Map) Link {
	var l Link
	m.Rate("bandwidth", &l.Bandwidth)
	m.Duration("latency", &l.Latency, 0, time.Minute)
	m.Duration("jitter", &l.Jitter, 0, time.Minute)
	m.Unsupported("loss")
	if l.Jitter > l.Latency {
		m.Problemf("jitter", "is more than the latency of %s, by which it would make messages arrive before they are sent",
			yamlform.FormatDuration(l.Latency))
	}
	return l
}

func readArrive(m *yamlform.Map) Arrive {
	var a Arrive
	var herd bool
	given := 0
	for _, key := range []string{"herd", "over", "rate"} {
		if m.Has(key) {
			given++
		}
		if m.Has(key) && given == 2 {
			m.Problemf(key, "want only one of herd, over and rate")
		}
	}
	m.Bool("herd", &herd)
	m.Duration("over", &a.Over, time.Millisecond, MaxDuration)
	yamlform.Value(m, "rate", &a.Rate, parseFrequency)
	m.Duration("after", &a.After, 0, MaxDuration)
	m.Unsupported("stages")
	if m.Has("herd") && !herd {
		m.Problemf("herd", "can only be true; for anything else give over or rate")
	}
	return a
}

// parseFrequency reads a number of devices a second, such as 100/s.
func parseFrequency(text string) (float64, error) {
	number, ok := strings.CutSuffix(text, "/s")
	n, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || !(n >= 0.001 && n <= MaxDevices) {
		return 0, fmt.Errorf("%q is not a rate of arrival; want 0.001/s to %d/s, such as 100/s", text, MaxDevices)
	}
	return n, nil
}

func readInstall(m *yamlform.Map, i *Install) {
	yamlform.Value(m, "time", &i.Time, ranged(0, time.Hour, yamlform.ParseDuration))
	yamlform.Enum(m, "restart", &i.Restart, firmware.RestartNone, firmware.RestartProcess, firmware.RestartSystem)
}
