package e2e_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/internal/wire"
	"otafleet/test/harness"
)

// A broker that breaks the rules of MQTT costs the agent its connection at
// most: it goes on with the next broker of its list, and takes no more memory
// than it allows for one packet.
func TestRogueBrokerDoesNoHarm(t *testing.T) {
	for _, test := range append(oversized(), []evil{
		{"a packet that says it is of 256 MiB", append([]byte{0x30, 0xff, 0xff, 0xff, 0x7f}, make([]byte, 8<<20)...)},
		{"a length without end", bytes.Repeat([]byte{0xff}, 1<<16)},
		{"a topic longer than its packet", []byte{0x30, 0x04, 0xff, 0xff, 'a', 'b'}},
		{"a topic that is not UTF-8", publish("ota/\xff\xfe", []byte("{}"))},
		{"properties longer than their packet", []byte{0x30, 0x06, 0x00, 0x01, 'a', 0xff, 0xff, 0x7f}},
		{"a packet of no type", []byte{0x00, 0x00}},
		{"a packet that only devices send", []byte{0x10, 0x02, 0x00, 0x00}},
		{"acknowledgements of nothing", []byte{0x40, 0x02, 0x12, 0x34, 0x90, 0x04, 0x12, 0x34, 0x00, 0x00}},
		{"another language", []byte("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")},
	}...) {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSetting(t)
			s.device.Settings["broker"] = harness.Settings{"urls": []string{rogue(t, test.bytes), s.platform.BrokerURL()}}
			agent := s.device.Start()
			s.upgrades("p", "1.1.0", 1)
			assert.Equal(t, 1, strings.Count(agent.Output(), "agent started"))
			assert.Less(t, peakMemory(t, agent.PID()), 64<<20, "bytes of memory")
			assert.Equal(t, 0, agent.Stop())
		})
	}
}

// evil is what a broker sends once the device has subscribed.
type evil struct {
	name  string
	bytes []byte
}

// oversized are messages longer than the protocol allows, and packets larger than
// the device allows, on each of its topics.
func oversized() (all []evil) {
	device := ota.Identity{Product: harness.Product, Device: harness.DeviceName}
	for _, kind := range kinds {
		topic := wire.Topics{}.Down(device, kind)
		all = append(all, evil{"a long message, " + kind, publish(topic, padded(1<<20+1))},
			evil{"a large packet, " + kind, publish(topic, padded(4<<20))})
	}
	return all
}

// rogue is a broker that takes one device, sends it some bytes, waits for what
// it makes of them and is gone. It returns the broker's URL.
func rogue(t *testing.T, evil []byte) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ended := make(chan struct{})
	t.Cleanup(func() {
		listener.Close()
		<-ended
	})
	go func() {
		defer close(ended)
		defer listener.Close()
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if err := serveRogue(conn, evil); err != nil {
			t.Errorf("the device did not come as far as its subscription: %v", err)
		}
	}()
	return "mqtt://" + listener.Addr().String()
}

func serveRogue(conn net.Conn, evil []byte) error {
	in := bufio.NewReader(conn)
	if _, err := readPacket(in); err != nil { // CONNECT
		return err
	}
	if _, err := conn.Write([]byte{0x20, 0x03, 0x00, 0x00, 0x00}); err != nil { // CONNACK: welcome
		return err
	}
	subscribe, err := readPacket(in)
	if err != nil {
		return err
	}
	if _, err := conn.Write([]byte{0x90, 0x04, subscribe[0], subscribe[1], 0x00, 0x01}); err != nil { // SUBACK
		return err
	}
	if _, err := conn.Write(evil); err != nil {
		return nil // the device has hung up already, as it should
	}
	// Time for the device to read it all, and to hang up if it likes to.
	_ = conn.SetReadDeadline(time.Now().Add(time.Second))
	_, _ = io.Copy(io.Discard, in)
	return nil
}

// readPacket reads one MQTT packet and returns it without its header.
func readPacket(in *bufio.Reader) ([]byte, error) {
	if _, err := in.ReadByte(); err != nil {
		return nil, err
	}
	length, err := binary.ReadUvarint(in) // MQTT writes lengths in the same form
	if err != nil {
		return nil, err
	}
	if length < 2 || length > 1<<16 {
		return nil, fmt.Errorf("a packet of %d bytes", length)
	}
	body := make([]byte, length)
	_, err = io.ReadFull(in, body)
	return body, err
}

// publish makes a PUBLISH packet of QoS 0.
func publish(topic string, payload []byte) []byte {
	packet := binary.AppendUvarint([]byte{0x30}, uint64(2+len(topic)+1+len(payload)))
	packet = binary.BigEndian.AppendUint16(packet, uint16(len(topic)))
	packet = append(packet, topic...)
	packet = append(packet, 0) // no properties
	return append(packet, payload...)
}

// peakMemory is the most memory that a process has had, in bytes.
func peakMemory(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	require.NotNil(t, found)
	kilobytes, err := strconv.Atoi(string(found[1]))
	require.NoError(t, err)
	return kilobytes << 10
}
