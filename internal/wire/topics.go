package wire

import (
	"errors"
	"strings"
	"unicode/utf8"

	"otafleet/internal/ota"
)

// DefaultPrefix is how topics begin unless a configuration says otherwise.
const DefaultPrefix = "ota/v1"

// The directions: the topic's last level but one.
const (
	Up   = "up"   // from a device to the platform
	Down = "down" // from the platform to a device
)

// maxPrefix is the bytes of a prefix, which leaves room in MQTT's 64 KiB for
// everything that stands behind it.
const maxPrefix = 256

// Topics names the topics of the protocol.
type Topics struct {
	Prefix string // without a slash at either end; empty means DefaultPrefix
}

// Validate says what keeps the prefix from being the beginning of a topic.
func (t Topics) Validate() error {
	p := t.prefix()
	switch {
	case len(p) > maxPrefix:
		return errors.New("the topic prefix must not be longer than 256 bytes")
	case !utf8.ValidString(p) || strings.ContainsAny(p, "+#\x00"):
		return errors.New("the topic prefix must be UTF-8 without the characters + and #")
	case strings.HasPrefix(p, "$"):
		return errors.New("the topic prefix must not begin with $, which belongs to the broker")
	case strings.HasPrefix(p, "/") || strings.HasSuffix(p, "/"):
		return errors.New("the topic prefix must not begin or end with a slash")
	}
	return nil
}

// Up is the topic on which a device's message of a kind travels.
func (t Topics) Up(id ota.Identity, kind string) string {
	return t.device(id) + "/" + Up + "/" + kind
}

// Down is the topic on which the platform's message of a kind travels to a
// device.
func (t Topics) Down(id ota.Identity, kind string) string {
	return t.device(id) + "/" + Down + "/" + kind
}

// DeviceFilter is what a device subscribes to, with QoS 1.
func (t Topics) DeviceFilter(id ota.Identity) string {
	return t.device(id) + "/" + Down + "/+"
}

// PlatformFilter is what a platform subscribes to, with QoS 1.
func (t Topics) PlatformFilter() string { return t.prefix() + "/+/+/" + Up + "/+" }

// SharedFilter is the platform's filter for several subscribers that share the
// messages as one group.
func (t Topics) SharedFilter(group string) string {
	return "$share/" + group + "/" + t.PlatformFilter()
}

// Parse takes a topic apart. It is ok only for a topic that Up or Down could
// have made: with this prefix, a valid identity, and a kind that the protocol
// has in that direction. It takes no memory.
func (t Topics) Parse(topic string) (id ota.Identity, direction, kind string, ok bool) {
	rest, ok := strings.CutPrefix(topic, t.prefix())
	if !ok || !strings.HasPrefix(rest, "/") {
		return ota.Identity{}, "", "", false
	}
	product, rest, _ := strings.Cut(rest[1:], "/")
	device, rest, _ := strings.Cut(rest, "/")
	direction, kind, _ = strings.Cut(rest, "/")
	if !ota.ValidKey(product) || !ota.ValidKey(device) || !hasKind(direction, kind) {
		return ota.Identity{}, "", "", false
	}
	return ota.Identity{Product: product, Device: device}, direction, kind, true
}

func (t Topics) prefix() string {
	if t.Prefix == "" {
		return DefaultPrefix
	}
	return t.Prefix
}

func (t Topics) device(id ota.Identity) string {
	return t.prefix() + "/" + id.Product + "/" + id.Device
}

func hasKind(direction, kind string) bool {
	switch kind {
	case KindInventory, KindDecision, KindStatus, KindProgress, KindFetch, KindOffline:
		return direction == Up
	case KindPlan, KindPackage, KindAck, KindNone, KindTerminate:
		return direction == Down
	}
	return false
}
