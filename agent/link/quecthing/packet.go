package quecthing

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"otafleet/internal/quecthing"
)

// maxPacket is how many bytes a packet of the broker may have behind its head: a topic
// and a frame, encrypted.
const maxPacket = quecthing.MaxFrame + 4<<10

// readPacket reads a packet of a broker. Its length is checked before memory is taken.
func readPacket(r io.Reader) (packets.ControlPacket, error) {
	var one [1]byte
	if _, err := io.ReadFull(r, one[:]); err != nil {
		return nil, err
	}
	kind := one[0]
	length := 0
	for shift := 0; ; shift += 7 {
		if shift > 21 {
			return nil, errors.New("the broker sent a packet with a malformed length")
		}
		if _, err := io.ReadFull(r, one[:]); err != nil {
			return nil, err
		}
		if length |= int(one[0]&0x7f) << shift; one[0]&0x80 == 0 {
			break
		}
	}
	if length > maxPacket {
		return nil, fmt.Errorf("the broker sent a packet of %d bytes, more than the %d of the largest message", length,
			maxPacket)
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, err
	}
	return parsePacket(kind, body)
}

// parsePacket reads the packets that a broker may send.
func parsePacket(first byte, body []byte) (packets.ControlPacket, error) {
	head := packets.FixedHeader{MessageType: first >> 4, Dup: first&8 != 0, Qos: first >> 1 & 3, Retain: first&1 != 0,
		RemainingLength: len(body)}
	switch head.MessageType {
	case packets.Connack, packets.Publish, packets.Puback, packets.Pubrec, packets.Pubrel, packets.Pubcomp, packets.Suback,
		packets.Pingresp:
	default:
		return nil, fmt.Errorf("the broker sent a packet of type %d, which it must not", head.MessageType)
	}
	p, err := packets.NewControlPacketWithHeader(head)
	if err == nil {
		err = p.Unpack(bytes.NewBuffer(body))
	}
	publish, is := p.(*packets.PublishPacket)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the broker sent a malformed packet of type %d: %w", head.MessageType, err)
	case is && (publish.Qos > 2 || publish.Qos > 0 && publish.MessageID == 0):
		return nil, errors.New("the broker sent a message with a malformed head")
	}
	return p, nil
}

// connectPacket logs in: without a user name, unless one is configured, and with a
// password, as the SDK does.
func connectPacket(client, username, password string) *packets.ConnectPacket {
	p := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	p.ProtocolName, p.ProtocolVersion, p.CleanSession = "MQTT", 4, true
	p.ClientIdentifier, p.Keepalive = client, quecthing.KeepAlive
	p.UsernameFlag, p.Username = username != "", username
	p.PasswordFlag, p.Password = true, []byte(password)
	return p
}

// subscription is the identifier of SUBSCRIBE, the first packet that has one.
const subscription = 1

func subscribePacket(client string) *packets.SubscribePacket {
	p := packets.NewControlPacket(packets.Subscribe).(*packets.SubscribePacket)
	p.MessageID, p.Topics, p.Qoss = subscription, []string{quecthing.Filter(client)}, []byte{1}
	return p
}

func publishPacket(client string, m Publish, id uint16) *packets.PublishPacket {
	p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	p.TopicName, p.Qos, p.MessageID, p.Payload = quecthing.Uplink(client, m.Channel), m.QoS, id, m.Payload
	return p
}

// acknowledgement is a packet that has nothing but an identifier.
func acknowledgement(kind byte, id uint16) packets.ControlPacket {
	switch p := packets.NewControlPacket(kind).(type) {
	case *packets.PubackPacket:
		p.MessageID = id
		return p
	case *packets.PubrecPacket:
		p.MessageID = id
		return p
	case *packets.PubrelPacket:
		p.MessageID = id
		return p
	case *packets.PubcompPacket:
		p.MessageID = id
		return p
	default:
		return p
	}
}
