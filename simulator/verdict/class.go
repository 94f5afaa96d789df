package verdict

import (
	"cmp"
	"strings"
	"unicode"

	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
)

// classify judges one device from what is known of it: the platform's view of
// it first, since that is what an operator would see, then how far it came.
func (d *DeviceJudge) classify() scenario.Class {
	switch d.status {
	case ota.DeviceUpgraded:
		return scenario.Upgraded
	case ota.DeviceUpgradeFailed:
		return scenario.UpgradeFailed
	case ota.DeviceNoUpdateRequired:
		return scenario.NoUpdateRequired
	case ota.DeviceUpgrading:
		return scenario.Unfinished
	}
	switch {
	case !d.connected:
		return scenario.Unreachable
	case d.refused != "":
		return scenario.Refused
	}
	return scenario.NotUpgraded
}

// reason says why a device of a class never began; empty for other classes.
func (d *DeviceJudge) reason(class scenario.Class) string {
	switch class {
	case scenario.Unreachable:
		return cmp.Or(d.unreached, "nothing answered")
	case scenario.NotUpgraded:
		if d.none != "" {
			return PlatformSays + d.none
		}
		return "the platform said nothing"
	}
	return ""
}

// PlatformSays is before a platform's own reason, among the reasons of devices.
const PlatformSays = "the platform says "

// Printable is a text from outside as one line without control characters, clipped
// to 200 bytes.
func Printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	return ota.Clip(text, keptDetail)
}

// overall is the status of the plan which says most. One that is still upgrading or
// has failed must not be hidden by another that went well, and one that had
// nothing to do must not hide another that had. Of a plan that comes again, the last
// round counts.
func (d *DeviceJudge) overall() ota.DeviceStatus {
	most := ota.DeviceNotUpgraded
	for i := range d.plans {
		t := &d.plans[i]
		if t.status != ota.DeviceUpgrading && d.superseded(t) {
			continue
		}
		if weight(t.status) > weight(most) {
			most = t.status
		}
	}
	return most
}

func weight(s ota.DeviceStatus) int {
	switch s {
	case ota.DeviceUpgrading:
		return 4
	case ota.DeviceUpgradeFailed:
		return 3
	case ota.DeviceUpgraded:
		return 2
	case ota.DeviceNoUpdateRequired:
		return 1
	}
	return 0
}
