package quecthing

import "strings"

// KeepAlive is the seconds of keep-alive that a device asks for.
const KeepAlive = 120

// Channel is the last level of a topic.
type Channel string

// The channels. What comes down is known by its command alone.
const (
	Sys Channel = "sys" // DeviceStatus and DeviceInfo, at QoS 1
	OTA Channel = "ota" // UpgradeAsk and UpgradeStatus, at QoS 2
	Bus Channel = "bus" // data
)

const up, down = "q/2/d/", "q/1/d/"

// ClientID is the MQTT client identifier of a device.
func ClientID(product, device string) string { return "qd" + product + device }

// Uplink is the topic on which a device publishes.
func Uplink(client string, c Channel) string { return up + client + "/" + string(c) }

// ParseUplink takes a topic apart on which a device has published.
func ParseUplink(topic string) (client string, c Channel, ok bool) {
	rest, ours := strings.CutPrefix(topic, up)
	client, channel, whole := strings.Cut(rest, "/")
	return client, Channel(channel), ours && whole && client != "" && channel != "" && !strings.Contains(channel, "/")
}

// Filter is what a device subscribes to, at QoS 1.
func Filter(client string) string { return down + client + "/+" }

// Downlink is the topic on which a platform publishes to a device.
func Downlink(client string, c Channel) string { return down + client + "/" + string(c) }

// IsDownlink reports whether a device takes what comes on the topic: two levels
// behind the prefix, or three.
func IsDownlink(client, topic string) bool {
	rest, ours := strings.CutPrefix(topic, down+client+"/")
	return ours && strings.Count(rest, "/") <= 1
}
