package serialtest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"otafleet/firmware/port/porttest"
)

// Board is an emulated MCU with an MCUmgr server on its console and MCUboot's
// two slots. An image waits in the second slot; a start after "test" swaps the
// two, and the next one swaps them back unless the image was confirmed.
type Board struct {
	*porttest.Cable

	// Chatty makes the console print a line of log before each answer.
	Chatty bool
	// Abrupt makes it start anew without answering first.
	Abrupt bool
	// Loses makes it lose its upload each time that it has so many bytes of it.
	Loses int
	// Away makes it take its port away for so long when it starts anew.
	Away time.Duration
	// Refuses makes the bootloader refuse every new image.
	Refuses bool

	mu        sync.Mutex
	dead      bool
	slots     [2][]byte
	pending   bool // the second slot is to be tested
	confirmed bool // the first slot stays
	upload    []byte
	total     int
	sha       string
	losses    int
}

// Image makes an image for MCUboot with a payload: a header of 32 bytes, the
// payload, and a trailer with the SHA-256 of both. The version has three numbers
// of one digit each.
func Image(version string, payload []byte) []byte {
	le := binary.LittleEndian
	head := make([]byte, 32)
	le.PutUint32(head, 0x96f3b83d)
	le.PutUint16(head[8:], 32)
	le.PutUint32(head[12:], uint32(len(payload)))
	head[20], head[21] = version[0]-'0', version[2]-'0'
	le.PutUint16(head[22:], uint16(version[4]-'0'))
	image := slices.Concat(head, payload)
	digest := sha256.Sum256(image)
	image = le.AppendUint16(image, 0x6907)
	image = le.AppendUint16(image, 4+4+32)
	image = le.AppendUint16(image, 0x10)
	image = le.AppendUint16(image, 32)
	return append(image, digest[:]...)
}

func versionOf(image []byte) string {
	return string([]byte{image[20] + '0', '.', image[21] + '0', '.', image[22] + '0'})
}

func hashOf(image []byte) string { return string(image[len(image)-32:]) }

// NewBoard makes a board that runs an image, with its port at a path; none is in
// memory.
func NewBoard(port string, image []byte) *Board {
	return &Board{Cable: &porttest.Cable{Port: port}, slots: [2][]byte{image}, confirmed: true}
}

// Plug connects the board, which goes on with what it was doing.
func (b *Board) Plug() error { return b.Serve(b.serve) }

// Live gives what the board runs.
func (b *Board) Live() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.slots[0]
}

// Losses is how often it has lost its upload.
func (b *Board) Losses() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.losses
}

// Kill makes the board answer nothing.
func (b *Board) Kill() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dead = true
}

func (b *Board) isDead() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dead
}

// Reset starts the board anew.
func (b *Board) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.upload, b.sha = nil, ""
	switch {
	case b.pending && b.Refuses:
		b.pending = false
	case b.pending:
		b.slots[0], b.slots[1] = b.slots[1], b.slots[0]
		b.pending, b.confirmed = false, false
	case !b.confirmed:
		b.slots[0], b.slots[1] = b.slots[1], b.slots[0]
		b.confirmed = true
	}
}

func (b *Board) serve(end *porttest.End) {
	var packet []byte
	for {
		text, err := consoleLine(end)
		if err != nil {
			return
		}
		mark, body, _ := cutMark(text)
		if mark == "" {
			continue
		}
		if mark == "\x06\x09" {
			packet = nil
		}
		part, err := base64.StdEncoding.DecodeString(body)
		if err != nil {
			continue
		}
		packet = append(packet, part...)
		if len(packet) < 2 || len(packet) < 2+int(binary.BigEndian.Uint16(packet)) {
			continue
		}
		if end, err = b.take(end, packet); err != nil {
			return
		}
		packet = nil
	}
}

// take answers a whole packet, and gives the line's end as it is afterwards. It
// fails when the line is gone.
func (b *Board) take(end *porttest.End, packet []byte) (*porttest.End, error) {
	if remainder(packet[2:]) != 0 || len(packet) <= 12 || b.isDead() {
		return end, nil
	}
	if !end.Hears() {
		return end, porttest.ErrUnplugged
	}
	b.answer(end, packet[2:len(packet)-2])
	if b.Away > 0 && packet[6] == 0 && packet[9] == 5 { // the group and command of a reset
		return b.Cable.Away(end, b.Away)
	}
	return end, nil
}

func cutMark(text string) (mark, body string, found bool) {
	for _, mark := range []string{"\x06\x09", "\x04\x14"} {
		if _, body, found := strings.Cut(text, mark); found {
			return mark, body, true
		}
	}
	return "", "", false
}

func consoleLine(end *porttest.End) (string, error) {
	var text []byte
	for {
		c, err := end.Next(time.Hour)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
		case err != nil:
			return "", err
		case c == '\n':
			return string(text), nil
		default:
			text = append(text, c)
		}
	}
}

// answer answers a request.
func (b *Board) answer(end *porttest.End, request []byte) {
	values := parse(request[8:])
	op, group, id := request[0], binary.BigEndian.Uint16(request[4:]), request[7]
	var body []byte
	reset := false
	switch [3]int{int(group), int(id), int(op)} {
	case [3]int{0, 5, 2}:
		body, reset = append(open(nil, 0xbf), 0xff), true
	case [3]int{0, 6, 0}:
		body = append(number(text(number(text(open(nil, 0xbf), "buf_size"), 512), "buf_count"), 4), 0xff)
	case [3]int{1, 0, 0}:
		body = b.state()
	case [3]int{1, 0, 2}:
		body = b.write(values)
	case [3]int{1, 1, 2}:
		body = b.receive(values)
	default:
		body = failed(8)
	}
	packet := append([]byte{op + 1, 0}, 0, 0, request[4], request[5], request[6], id)
	binary.BigEndian.PutUint16(packet[2:], uint16(len(body)))
	if !reset || !b.Abrupt {
		b.say(end, append(packet, body...))
	}
	if reset {
		b.Reset()
	}
}

// say sends a packet, with the log of the console between its lines.
func (b *Board) say(end *porttest.End, packet []byte) {
	whole := binary.BigEndian.AppendUint16(nil, uint16(len(packet)+2))
	whole = append(whole, packet...)
	check := remainder(append(append([]byte(nil), packet...), 0, 0))
	whole = binary.BigEndian.AppendUint16(whole, uint16(check))
	for mark := "\x06\x09"; len(whole) > 0; mark = "\x04\x14" {
		n := min(len(whole), 93)
		if b.Chatty {
			end.Say([]byte("[00:00:01.000] <inf> main: tick\r\nuart:~$ ")...)
		}
		end.Say([]byte(mark + base64.StdEncoding.EncodeToString(whole[:n]) + "\n")...)
		whole = whole[n:]
	}
}

// state lists the slots.
func (b *Board) state() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	body := open(text(open(nil, 0xbf), "images"), 0x9f)
	for i, image := range b.slots {
		if image == nil {
			continue
		}
		body = number(text(open(body, 0xbf), "slot"), i)
		body = text(text(body, "version"), versionOf(image))
		body = append(text(body, "hash"), 0x58, 32)
		body = append(body, hashOf(image)...)
		body = flag(body, "bootable", true)
		body = flag(body, "pending", i == 1 && b.pending)
		body = flag(body, "confirmed", i == 0 && b.confirmed || i == 1 && !b.confirmed)
		body = flag(body, "active", i == 0)
		body = append(flag(body, "permanent", false), 0xff)
	}
	return append(number(text(append(body, 0xff), "splitStatus"), 0), 0xff)
}

// write has an image tested or confirmed.
func (b *Board) write(values map[string]any) []byte {
	hash, _ := values["hash"].(string)
	confirm, _ := values["confirm"].(bool)
	b.mu.Lock()
	switch {
	case hash == hashOf(b.slots[0]) && confirm && !b.pending:
		b.confirmed = true
	case b.slots[1] != nil && hash == hashOf(b.slots[1]) && !confirm && b.confirmed:
		b.pending = true
	default:
		b.mu.Unlock()
		return failed(3)
	}
	b.mu.Unlock()
	return b.state()
}

// receive takes a part of an image.
func (b *Board) receive(values map[string]any) []byte {
	off, _ := values["off"].(int)
	data, _ := values["data"].(string)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pending || !b.confirmed {
		return failed(10)
	}
	if total, is := values["len"].(int); is && off == 0 {
		sha, _ := values["sha"].(string)
		if sha == b.sha && len(b.upload) > 0 {
			return append(number(text(open(nil, 0xbf), "off"), len(b.upload)), 0xff) // go on there
		}
		b.upload, b.sha, b.total, b.slots[1] = nil, sha, total, nil
	}
	if off != len(b.upload) {
		return append(number(text(open(nil, 0xbf), "off"), len(b.upload)), 0xff)
	}
	b.upload = append(b.upload, data...)
	if b.Loses > 0 && len(b.upload) >= b.Loses {
		b.losses++
		b.upload, b.sha = nil, ""
	}
	body := number(text(number(text(open(nil, 0xbf), "rc"), 0), "off"), len(b.upload))
	if len(b.upload) == b.total {
		sum := sha256.Sum256(b.upload)
		body = flag(body, "match", string(sum[:]) == b.sha)
		b.slots[1], b.upload, b.sha = b.upload, nil, ""
	}
	return append(body, 0xff)
}
