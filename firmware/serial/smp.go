package serial

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"otafleet/firmware"
	"otafleet/firmware/port"
	"otafleet/internal/ota"
)

// SMP, as Zephyr's documentation describes it ("SMP Protocol Specification",
// "Application/software image management group", "OS management group").
const (
	opRead  = 0
	opWrite = 2

	groupOS    = 0
	groupImage = 1

	osReset    = 5
	osParams   = 6
	imageState = 0
	imageWrite = 1 // upload
)

// smpHead is the length of a packet's header in bytes.
const smpHead = 8

// Bounds of the data of one upload request, in bytes. An MCU that does not say
// how much it takes has Zephyr's default of 384 bytes a packet.
const (
	defaultBuffer = 384
	uploadRoom    = 96 // for all but the data
	minData       = 32
	maxData       = 1024
)

// errAnswer says that the MCU answered with an error.
var errAnswer = errors.New("the MCU answers with an error")

// manager is a session with an MCUmgr server.
type manager struct {
	port     *port.Port
	timeout  time.Duration
	attempts int
	sequence byte
	frames   unframer
}

// request sends a request until it is answered.
func (m *manager) request(op byte, group uint16, id byte, values ...pair) (map[string]any, error) {
	m.sequence++
	payload := encodeMap(values...)
	packet := make([]byte, smpHead, smpHead+len(payload))
	packet[0] = op
	binary.BigEndian.PutUint16(packet[2:], uint16(len(payload)))
	binary.BigEndian.PutUint16(packet[4:], group)
	packet[6], packet[7] = m.sequence, id
	lines := frames(append(packet, payload...))
	for attempt := 1; ; attempt++ {
		if err := m.port.Write(lines); err != nil {
			return nil, err
		}
		answer, err := m.answer(op+1, group, id)
		if err == nil || attempt >= m.attempts || !errors.Is(err, port.ErrSilent) {
			return answer, err
		}
	}
}

// answer waits for the answer to the last request.
func (m *manager) answer(op byte, group uint16, id byte) (map[string]any, error) {
	for end := time.Now().Add(m.timeout); ; {
		p, err := m.frames.packet(m.port, end)
		if err != nil {
			return nil, err
		}
		if len(p) < smpHead || p[0]&7 != op || binary.BigEndian.Uint16(p[4:]) != group || p[6] != m.sequence || p[7] != id {
			continue // of an earlier request, or of another program's
		}
		if int(binary.BigEndian.Uint16(p[2:])) != len(p)-smpHead {
			continue
		}
		values, err := decodeMap(p[smpHead:])
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errAnswer, err)
		}
		return values, refusal(values)
	}
}

// refusal reads the error of an answer, in the form of either version.
func refusal(values map[string]any) error {
	reason, _ := values["rsn"].(string)
	if rc, _ := values["rc"].(int64); rc != 0 {
		return fmt.Errorf("%w: code %d %s", errAnswer, rc, reason)
	}
	if detail, is := values["err"].(map[string]any); is {
		return fmt.Errorf("%w: code %v of group %v", errAnswer, detail["rc"], detail["group"])
	}
	return nil
}

// slot is one of the two places of an image.
type slot struct {
	version            string
	hash               string
	active, confirmed  bool
	pending, permanent bool
}

// slots reads the state of the first image.
func (m *manager) slots() ([]slot, error) {
	values, err := m.request(opRead, groupImage, imageState)
	if err != nil {
		return nil, fmt.Errorf("cannot read the state of the images: %w", err)
	}
	images, _ := values["images"].([]any)
	var all []slot
	for _, i := range images {
		v, _ := i.(map[string]any)
		if number, _ := v["image"].(int64); v == nil || number != 0 {
			continue
		}
		var s slot
		s.version, _ = v["version"].(string)
		hash, _ := v["hash"].([]byte)
		s.hash = string(hash)
		s.active, _ = v["active"].(bool)
		s.confirmed, _ = v["confirmed"].(bool)
		s.pending, _ = v["pending"].(bool)
		s.permanent, _ = v["permanent"].(bool)
		all = append(all, s)
	}
	return all, nil
}

// active finds the slot that runs.
func active(slots []slot) (slot, error) {
	for _, s := range slots {
		if s.active {
			return s, nil
		}
	}
	return slot{}, fmt.Errorf("%w: no image is active", errAnswer)
}

// holding finds the slot with an image.
func holding(slots []slot, hash string) (slot, bool) {
	for _, s := range slots {
		if s.hash == hash {
			return s, true
		}
	}
	return slot{}, false
}

// test has an image tried at the next start, once.
func (m *manager) test(hash string) error {
	_, err := m.request(opWrite, groupImage, imageState, pair{"hash", []byte(hash)}, pair{"confirm", false})
	if err != nil {
		return fmt.Errorf("cannot have the image tested: %w", err)
	}
	return nil
}

// confirm keeps the image that runs.
func (m *manager) confirm(hash string) error {
	_, err := m.request(opWrite, groupImage, imageState, pair{"hash", []byte(hash)}, pair{"confirm", true})
	if err != nil {
		return fmt.Errorf("cannot confirm the image: %w", err)
	}
	return nil
}

// reset starts the MCU anew. One that does so before it answers has done it too.
// It is asked once: a second start would end the test of an image.
func (m *manager) reset() error {
	once := *m
	once.attempts = 1
	_, err := once.request(opWrite, groupOS, osReset)
	m.sequence = once.sequence
	if err != nil && !errors.Is(err, port.ErrSilent) && !errors.Is(err, port.ErrGone) {
		return fmt.Errorf("cannot reset the MCU: %w", err)
	}
	return nil
}

// dataLength is how much of an image fits a request.
func (m *manager) dataLength() (int, error) {
	buffer := int64(defaultBuffer)
	values, err := m.request(opRead, groupOS, osParams)
	if err != nil && !errors.Is(err, errAnswer) { // older servers do not know the request
		return 0, err
	}
	if size, is := values["buf_size"].(int64); is && err == nil {
		buffer = size
	}
	return int(min(max(buffer-smpHead-uploadRoom, minData), maxData)), nil
}

// upload writes an image into the slot that does not run, from where an upload
// of the same image was cut.
func (m *manager) upload(image io.ReaderAt, size int64, sha ota.Digest) error {
	length, err := m.dataLength()
	if err != nil {
		return err
	}
	room := make([]byte, length)
	idle, falls := 0, 0
	for offset := int64(0); offset < size; {
		data := room[:min(int64(length), size-offset)]
		if _, err := image.ReadAt(data, offset); err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("cannot read the image: %w", err)
		}
		values := []pair{{"off", int(offset)}, {"data", data}}
		if offset == 0 {
			values = append(values, pair{"len", int(size)}, pair{"sha", sha[:]})
		}
		answer, err := m.request(opWrite, groupImage, imageWrite, values...)
		if err != nil {
			return fmt.Errorf("cannot upload at %d: %w", offset, err)
		}
		next, err := nextOffset(answer, size)
		if err != nil {
			return err
		}
		switch {
		case next > offset:
			idle = 0
		case next < offset: // it has lost what it had, and may do so each time
			if falls++; falls >= m.attempts {
				return firmware.Failf(ota.InstallerFailed, "the MCU has lost its upload %s, the last time at %d of %d bytes",
					ota.Counted(falls, "time"), offset, size)
			}
		default:
			if idle++; idle > m.attempts {
				return firmware.Failf(ota.InstallerFailed, "the MCU takes nothing at %d", offset)
			}
		}
		offset = next
	}
	return nil
}

// nextOffset is where the MCU wants the upload to go on.
func nextOffset(answer map[string]any, size int64) (int64, error) {
	next, is := answer["off"].(int64)
	if !is || next < 0 || next > size {
		return 0, fmt.Errorf("%w: %v is no offset", errAnswer, answer["off"])
	}
	if match, is := answer["match"].(bool); is && !match {
		return 0, firmware.Failf(ota.InstallerFailed, "the MCU has another digest of the image")
	}
	return next, nil
}
