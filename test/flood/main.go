// Command flood is a broker that sends a device as many plans as it takes. It says
// where it listens, serves the first device that comes, and ends when the device has
// acknowledged the last plan, or has left. It measures nothing: scripts/memory.sh
// looks at the device meanwhile.
//
// It keeps to the number of messages that the device takes ahead of their
// acknowledgement, so that nothing but the device decides how fast they come.
package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

func main() {
	var f flood
	flag.StringVar(&f.topic, "topic", "ota/v1/gw-200/gw-0001/down/plan", "where the plans go")
	flag.StringVar(&f.component, "component", "app", "the component of the plans")
	flag.IntVar(&f.size, "size", 8<<10, "bytes of a plan")
	flag.IntVar(&f.total, "total", 300<<20, "bytes of all plans")
	flag.Parse()
	if err := f.serve(); err != nil {
		fmt.Fprintln(os.Stderr, "flood:", err)
		os.Exit(1)
	}
}

// flood is what is sent.
type flood struct {
	topic, component string
	size, total      int
}

// serve takes the first device that comes.
func (f *flood) serve() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("broker mqtt://%s\n", listener.Addr())
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	s := &session{conn: conn, in: bufio.NewReader(conn)}
	subscribe, err := s.welcome()
	if err != nil {
		return fmt.Errorf("the device did not come as far as its subscription: %w", err)
	}
	began := time.Now()
	sent, err := f.pour(s, subscribe)
	fmt.Printf("%d plans of %d bytes in %.1f s\n", sent, f.size, time.Since(began).Seconds())
	return errors.Join(err, conn.Close(), listener.Close())
}

// pour sends the plans, each as soon as the device takes it. The first ones come
// before the answer to the subscription, as those of a kept session may.
func (f *flood) pour(s *session, subscribe []byte) (sent int, err error) {
	for ; sent < s.window; sent++ {
		if _, err := s.conn.Write(f.publish(sent)); err != nil {
			return sent, err
		}
	}
	if err := s.subscribed(subscribe); err != nil {
		return sent, err
	}
	for acknowledged := 0; acknowledged < f.total/f.size; acknowledged++ {
		if err := s.acknowledgement(); err != nil {
			return sent, fmt.Errorf("the device has left: %w", err)
		}
		if sent < f.total/f.size {
			if _, err := s.conn.Write(f.publish(sent)); err != nil {
				return sent, err
			}
			sent++
		}
	}
	return sent, nil
}

// publish makes the PUBLISH packet of a plan that no other one is like. A field that
// the protocol does not know brings it to its size.
func (f *flood) publish(nth int) []byte {
	plan := fmt.Sprintf(`{"time":"2026-11-23T10:00:00.000Z","plan":"p-%d","name":"flood","attempt":1,"mode":"silent",`+
		`"ends":"2099-12-01T00:00:00.000Z","conditions":{"min_rssi":-10},"on_failure":"stop",`+
		`"components":[{"id":%q,"type":"module","package":"full","target":"2","size":1}],"padding":"`, nth, f.component)
	plan += strings.Repeat("x", max(0, f.size-len(plan)-2)) + `"}`
	packet := binary.AppendUvarint([]byte{0x32}, uint64(2+len(f.topic)+2+1+len(plan)))
	packet = binary.BigEndian.AppendUint16(packet, uint16(len(f.topic)))
	packet = append(packet, f.topic...)
	packet = binary.BigEndian.AppendUint16(packet, uint16(nth%0xffff+1))
	packet = append(packet, 0) // no properties
	return append(packet, plan...)
}

// session is the connection to a device.
type session struct {
	conn   net.Conn
	in     *bufio.Reader
	window int // messages that the device takes ahead of their acknowledgement
}

// welcome accepts the device's connection, and returns its SUBSCRIBE packet.
func (s *session) welcome() (subscribe []byte, err error) {
	_, connect, err := s.read()
	if err != nil {
		return nil, err
	}
	if s.window, err = receiveMaximum(connect); err != nil {
		return nil, err
	}
	if _, err := s.conn.Write([]byte{0x20, 3, 0, 0, 0}); err != nil { // CONNACK
		return nil, err
	}
	_, subscribe, err = s.read()
	return subscribe, err
}

// receiveMaximum finds in a CONNECT packet how many messages the device takes ahead
// of their acknowledgement.
func receiveMaximum(connect []byte) (int, error) {
	const header = 10 // protocol name, version, flags, keep-alive
	length, n := binary.Uvarint(connect[header:])
	for p := connect[header+n:][:length]; len(p) > 0; {
		switch p[0] {
		case 0x21:
			return int(binary.BigEndian.Uint16(p[1:])), nil
		case 0x11, 0x27: // session expiry, maximum packet size
			p = p[5:]
		default:
			return 0, fmt.Errorf("CONNECT has the property 0x%02x, which is not expected", p[0])
		}
	}
	return 0, errors.New("the device takes 65535 messages ahead of their acknowledgement")
}

// subscribed says yes to each topic of a SUBSCRIBE packet.
func (s *session) subscribed(subscribe []byte) error {
	yes := []byte{subscribe[0], subscribe[1], 0}
	for topics := subscribe[3:]; len(topics) > 2; topics = topics[2+int(binary.BigEndian.Uint16(topics))+1:] {
		yes = append(yes, 1)
	}
	_, err := s.conn.Write(append([]byte{0x90, byte(len(yes))}, yes...))
	return err
}

// acknowledgement waits for the device's next one, and answers what else it sends.
func (s *session) acknowledgement() error {
	for {
		kind, body, err := s.read()
		switch {
		case err != nil:
			return err
		case kind>>4 == 4: // PUBACK
			return nil
		case kind>>4 == 3 && kind>>1&3 > 0: // PUBLISH
			at := 2 + binary.BigEndian.Uint16(body)
			_, err = s.conn.Write([]byte{0x40, 2, body[at], body[at+1]})
		case kind>>4 == 12: // PINGREQ
			_, err = s.conn.Write([]byte{0xd0, 0})
		}
		if err != nil {
			return err
		}
	}
}

// read gives the first byte of a packet and what follows its length.
func (s *session) read() (kind byte, body []byte, err error) {
	if kind, err = s.in.ReadByte(); err != nil {
		return 0, nil, err
	}
	length, err := binary.ReadUvarint(s.in) // MQTT writes lengths in the same form
	if err != nil {
		return 0, nil, err
	}
	body = make([]byte, length)
	_, err = io.ReadFull(s.in, body)
	return kind, body, err
}
