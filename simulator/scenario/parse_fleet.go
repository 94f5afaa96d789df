package scenario

import (
	"fmt"
	"strings"
	"time"

	"otafleet/firmware"
	"otafleet/internal/ota"
	"otafleet/internal/yamlform"
)

// maxFleetName leaves room for the dash and the seven digits that Device puts
// behind a fleet's name.
const maxFleetName = ota.MaxKey - len("-1000000")

func readFleets(root *yamlform.Map, s *Scenario, c *composition) {
	if root.HasMap("fleet") {
		readListed(root.Map("fleet"), s, c)
	} else {
		readNumbered(root, s, c)
	}
	if n := s.Devices(); n > MaxDevices {
		root.Problemf("fleet", "has %d devices in all; want at most %d", n, MaxDevices)
	}
	s.usePrefix(root, c.from.KeyPrefix)
	if s.DeviceFile() != nil {
		s.index = newIndex(s.Fleets)
	}
}

// readNumbered reads a list of fleets, each with a number of devices. A file that is
// given beside it takes their places.
func readNumbered(root *yamlform.Map, s *Scenario, c *composition) {
	fleets, types := names{}, componentTypes{}
	maps := root.Maps("fleet", 1, MaxFleets)
	lines := newLines(c.from.File, len(maps))
	for _, m := range maps {
		f := readFleet(m, s.Duration, lines, c)
		fleets.add(m, "name", f.Name)
		types.agree(m, &f)
		s.Fleets = append(s.Fleets, f)
	}
	for i, m := range maps {
		checkBehind(m, &s.Fleets[i], s)
	}
	if err := lines.err(s.fleetNames()); err != nil {
		root.Problemf("fleet", "the device file does not fit the scenario:\n%s", err)
	}
}

func newFleet() Fleet {
	return Fleet{Install: Install{Time: Range[time.Duration]{Lo: 5 * time.Second, Hi: 20 * time.Second}}}
}

func readFleet(m *yamlform.Map, duration time.Duration, lines *lines, c *composition) Fleet {
	f := newFleet()
	m.Require("name", "count", "product", "components")
	m.Text("name", &f.Name, fleetName)
	m.Int("count", &f.Count, 1, MaxDevices)
	m.Text("behind", &f.Behind, word)
	readBody(m, &f, lines.file != nil, c)
	lines.give(m, &f)
	f.Arrive = readArrive(m.Map("arrive"), f.Count)
	checkArrival(m, &f, duration)
	return f
}

// readBody reads what the devices of a fleet have in common. Where a file lists them,
// it may say what runs.
func readBody(m *yamlform.Map, f *Fleet, listed bool, c *composition) {
	m.Text("product", &f.Product, word)
	m.Text("hardware", &f.Hardware, version)
	ids := names{}
	for _, c := range m.Maps("components", 1, ota.MaxComponents) {
		next := readComponent(c, listed)
		ids.add(c, "id", next.ID)
		f.Components = append(f.Components, next)
	}
	optionalRange(m, "battery", &f.Battery, 0, 100)
	optionalRange(m, "rssi", &f.RSSI, DeadSignal, 0)
	f.Link = readLink(m, c)
	readInstall(m.Map("install"), &f.Install)
}

// checkArrival reports devices that arrive after the run, and whether there are some.
func checkArrival(m *yamlform.Map, f *Fleet, duration time.Duration) (late bool) {
	last := f.Arrive.At(f.Count, f.Count)
	if late = f.Count > 0 && duration > 0 && last >= duration; late {
		m.Problemf("arrive", "the last device arrives after %s, the run ends after %s",
			yamlform.FormatDuration(last.Round(time.Second)), yamlform.FormatDuration(duration))
	}
	return late
}

// DeadSignal is weaker than any radio hears, in dBm.
const DeadSignal = -150

func fleetName(text string) error {
	for _, class := range Classes() {
		if text == string(class) {
			return fmt.Errorf("%q is the name of a class of devices; want another one", text)
		}
	}
	short := func(s string) bool { return len(s) <= maxFleetName && ota.ValidKey(s) }
	return yamlform.Words(short, fmt.Sprintf("want 1 to %d characters of A-Z a-z 0-9 _ -", maxFleetName))(text)
}

func readComponent(m *yamlform.Map, listed bool) Installed {
	var c Installed
	m.Require("id", "type")
	m.Text("id", &c.ID, componentID)
	if !listed {
		m.Require("version")
	}
	yamlform.Enum(m, "type", &c.Type, ota.Module, ota.MCU)
	m.Text("version", &c.Version, version)
	yamlform.Value(m, "release", &c.Release, parseRelease)
	return c
}

// componentTypes holds that a component of a product has one type.
type componentTypes map[[2]string]ota.ComponentType

func (t componentTypes) agree(m *yamlform.Map, f *Fleet) {
	for _, c := range f.Components {
		key := [2]string{f.Product, c.ID}
		if first, known := t[key]; known && first != c.Type && c.Type != "" {
			m.Problemf("components", "%s is of type %s here and of type %s in an earlier fleet of product %s", c.ID, c.Type,
				first, f.Product)
		} else if c.Type != "" {
			t[key] = c.Type
		}
	}
}

// checkBehind finds the gateways of a fleet, and reports what they leave no room
// for.
func checkBehind(m *yamlform.Map, f *Fleet, s *Scenario) {
	if f.Behind == "" {
		return
	}
	switch gateways := s.Fleet(f.Behind); {
	case gateways == nil:
		m.Problemf("behind", "there is no fleet %q%s", f.Behind, yamlform.Suggest(f.Behind, s.fleetNames()))
	case f.Behind == f.Name:
		m.Problemf("behind", "a fleet cannot be behind itself")
	case gateways.Behind != "":
		m.Problemf("behind", "%q is behind %q itself; want a fleet whose devices have a line of their own", f.Behind,
			gateways.Behind)
	}
	for _, c := range f.Components {
		if c.Type == ota.MCU {
			m.Warnf("components", "%s is never upgraded behind a gateway: platforms upgrade only the modules of sub-devices; "+
				"want module", c.ID)
		}
	}
	if m.Has("link") {
		m.Problemf("link", "is the gateway's; give it to the fleet %q", f.Behind)
	}
	if m.Has("arrive") {
		m.Problemf("arrive", "is the gateway's, with which the devices behind it arrive; give it to the fleet %q", f.Behind)
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

// readArrive reads when count devices arrive.
func readArrive(m *yamlform.Map, count int) Arrive {
	var a Arrive
	var herd bool
	forms, given := []string{"herd", "over", "rate", "stages"}, 0
	for _, key := range forms {
		if m.Has(key) {
			given++
		}
		if m.Has(key) && given == 2 {
			m.Problemf(key, "want only one of %s", strings.Join(forms, ", "))
		}
	}
	m.Bool("herd", &herd)
	m.Duration("over", &a.Over, time.Millisecond, MaxDuration)
	yamlform.Value(m, "rate", &a.Rate, parseFrequency)
	a.Stages = readStages(m, count)
	m.Duration("after", &a.After, 0, MaxDuration)
	if m.Has("herd") && !herd {
		m.Problemf("herd", "can only be true; for anything else give over, rate or stages")
	}
	return a
}

// readStages reads the stages in which count devices arrive. Shares are rounded
// as they add up, so that three thirds are the whole.
func readStages(m *yamlform.Map, count int) []Stage {
	var stages []Stage
	var shares Percent
	sum, good := 0, true
	maps := m.Maps("stages", 1, MaxStages)
	for i, sm := range maps {
		var devices amount
		stage := Stage{}
		sm.Require("over")
		sm.Duration("over", &stage.Over, 0, MaxDuration)
		yamlform.Value(sm, "devices", &devices, parseAmount)
		switch stage.Count = devices.number; {
		case devices.given && devices.share > 0:
			stage.Count = (shares + devices.share).Of(count) - shares.Of(count)
			shares += devices.share
		case !devices.given && !sm.Has("devices") && i == len(maps)-1:
			stage.Count = max(count-sum, 0)
		case !devices.given:
			good = false
			if !sm.Has("devices") {
				sm.Problemf("devices", "is missing; only the last stage may do without, which takes the rest")
			}
		}
		sum += stage.Count
		stages = append(stages, stage)
	}
	if len(maps) > 0 && good && count > 0 && sum != count {
		m.Problemf("stages", "have %d devices in all, the fleet has %d; leave devices out of the last stage to give it "+
			"the rest", sum, count)
	}
	return stages
}

// amount is a number of devices or a share of a fleet.
type amount struct {
	number int
	share  Percent
	given  bool
}

func parseAmount(text string) (a amount, err error) {
	if strings.HasSuffix(text, "%") {
		a.share, err = parsePercent(text)
	} else {
		a.number, err = yamlform.Between(0, MaxDevices, yamlform.ParseInt, show[int])(text)
	}
	a.given = err == nil
	return a, err
}

func readInstall(m *yamlform.Map, i *Install) {
	yamlform.Value(m, "time", &i.Time, ranged(0, time.Hour, yamlform.ParseDuration))
	yamlform.Enum(m, "restart", &i.Restart, firmware.RestartNone, firmware.RestartProcess, firmware.RestartSystem)
}

// fleetNames lists the fleets.
func (s *Scenario) fleetNames() []string {
	var all []string
	for i := range s.Fleets {
		if name := s.Fleets[i].Name; name != "" {
			all = append(all, name)
		}
	}
	return all
}
