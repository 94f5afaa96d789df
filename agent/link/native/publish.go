package native

import (
	"encoding/binary"

	"github.com/eclipse/paho.golang/packets"

	"otafleet/internal/wire"
)

// Nearly all that a session reads and writes is messages and their acknowledgements.
// Paho makes a dozen objects for each, which a fleet of thousands pays for in memory
// and in the collector's time. These functions make none, and the bytes and the
// answers are paho's: what they do not know they leave to it.

// contentType is the property of every message that leaves.
const contentType = "\x03\x00\x10" + wire.ContentType

// appendPublish appends a message as this session sends it.
func appendPublish(b []byte, topic string, qos byte, id uint16, payload []byte) []byte {
	length := 2 + len(topic) + 2*int(qos) + 1 + len(contentType) + len(payload)
	b = append(b, packets.PUBLISH<<4|qos<<1)
	b = binary.AppendUvarint(b, uint64(length)) // MQTT's form of a number is this one
	b = binary.BigEndian.AppendUint16(b, uint16(len(topic)))
	b = append(b, topic...)
	if qos > 0 {
		b = binary.BigEndian.AppendUint16(b, id)
	}
	b = append(b, byte(len(contentType)))
	b = append(b, contentType...)
	return append(b, payload...)
}

// appendPuback appends the acknowledgement of a message.
func appendPuback(b []byte, id uint16, reason byte) []byte {
	return append(b, packets.PUBACK<<4, 4, byte(id>>8), byte(id), reason, 0)
}

// parsePublish reads a message of which the session uses no property. Nil is any other
// packet, good or bad. The payload is a part of body.
func parsePublish(first byte, body []byte) *packets.Publish {
	qos := first >> 1 & 3
	if first>>4 != packets.PUBLISH || qos > 1 || len(body) < 2 {
		return nil
	}
	topicEnd := 2 + int(binary.BigEndian.Uint16(body))
	at := topicEnd + 2*int(qos)
	if at >= len(body) {
		return nil
	}
	p := &packets.Publish{QoS: qos, Duplicate: first&8 != 0, Retain: first&1 != 0}
	properties, rest := int(body[at]), body[at+1:]
	if properties >= 0x80 || properties > len(rest) || !areUnused(rest[:properties]) {
		return nil
	}
	if qos > 0 {
		p.PacketID = binary.BigEndian.Uint16(body[topicEnd:])
	}
	p.Topic, p.Payload = string(body[2:topicEnd]), rest[properties:]
	return p
}

// areUnused reports whether properties are those of a platform's messages, a content type
// and when they expire, each once at most, and nothing else.
func areUnused(properties []byte) bool {
	seen := [packets.PropContentType + 1]bool{}
	for len(properties) > 0 {
		kind, size := properties[0], 1+4
		if kind == packets.PropContentType && len(properties) >= 3 {
			size = 3 + int(binary.BigEndian.Uint16(properties[1:]))
		} else if kind != packets.PropMessageExpiry {
			return false
		}
		if seen[kind] || size > len(properties) {
			return false
		}
		seen[kind], properties = true, properties[size:]
	}
	return true
}

// parsePuback reads an acknowledgement without properties. Nil is any other packet, good
// or bad.
func parsePuback(first byte, body []byte) *packets.Puback {
	n := len(body)
	if first>>4 != packets.PUBACK || n < 2 || n > 4 || n == 4 && body[3] != 0 {
		return nil
	}
	p := &packets.Puback{PacketID: binary.BigEndian.Uint16(body)}
	if n > 2 {
		p.ReasonCode = body[2]
	}
	return p
}
