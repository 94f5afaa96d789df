package serial

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"

	"otafleet/firmware/port"
)

// SMP over a console (mcumgr, transport/smp-console.md): a packet with its
// length before it and its CRC behind it, in base64, in lines of at most 127
// bytes among whatever else the console prints.
const (
	maxFrame  = 127                         // bytes of a line with its marks and its end
	frameText = maxFrame - 3                // of them base64
	frameData = frameText / 4 * 3           // what that holds
	maxPacket = 4 << 10                     // bytes of a packet that is taken
	maxText   = (maxPacket + 4) / 3 * 4 * 2 // bytes of one console line that are kept
	firstMark = "\x06\x09"                  // before the first line of a packet
	nextMark  = "\x04\x14"                  // before the others
)

// frames puts a packet into lines.
func frames(packet []byte) []byte {
	body := binary.BigEndian.AppendUint16(nil, uint16(len(packet)+2))
	body = append(body, packet...)
	body = binary.BigEndian.AppendUint16(body, crc16(packet))
	var out []byte
	for mark := firstMark; len(body) > 0; mark = nextMark {
		n := min(len(body), frameData)
		out = append(out, mark...)
		out = base64.StdEncoding.AppendEncode(out, body[:n])
		out = append(out, '\n')
		body = body[n:]
	}
	return out
}

// unframer gathers packets from lines.
type unframer struct {
	body []byte // what has come of a packet, from its length on
	open bool   // a packet has begun
}

// take takes a line and gives the packet that it completes; nil for none. Lines
// of other kinds, and damaged packets, are dropped.
func (u *unframer) take(text []byte) []byte {
	if at := bytes.Index(text, []byte(firstMark)); at >= 0 {
		u.body, u.open, text = nil, true, text[at+2:]
	} else if at := bytes.Index(text, []byte(nextMark)); at >= 0 && u.open {
		text = text[at+2:]
	} else {
		return nil
	}
	decoded, err := base64.StdEncoding.AppendDecode(u.body, bytes.TrimSpace(text))
	if err != nil || len(decoded) > maxPacket+4 {
		u.open = false
		return nil
	}
	u.body = decoded
	if len(u.body) < 4 || len(u.body) < 2+int(binary.BigEndian.Uint16(u.body)) {
		return nil
	}
	u.open = false
	if length := int(binary.BigEndian.Uint16(u.body)); length < 2 || len(u.body) != 2+length || crc16(u.body[2:]) != 0 {
		return nil
	}
	return u.body[2 : len(u.body)-2]
}

// packet reads lines until they make a packet.
func (u *unframer) packet(l *port.Port, end time.Time) ([]byte, error) {
	var text []byte
	for {
		b, err := l.Next(max(time.Until(end), 0))
		if err != nil {
			return nil, fmt.Errorf("no packet came: %w", err)
		}
		if b != '\n' {
			text = append(text, b)
			text = text[max(0, len(text)-maxText):]
			continue
		}
		if p := u.take(text); p != nil {
			return p, nil
		}
		text = text[:0]
	}
}
