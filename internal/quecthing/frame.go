package quecthing

import (
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	// MaxPayload is how many bytes of payload a frame may carry.
	MaxPayload = 0xffff - afterLength
	// MaxFrame is how many bytes a frame may have on the wire: each but the first
	// may be escaped.
	MaxFrame = 2*(headSize+MaxPayload) - 1
	// LastID is the highest number of a frame. 1 follows it; 0 and 65535 are none.
	LastID = 65534

	headSize    = 9 // head, length, sum, number, command
	afterLength = 5 // what a length counts beside the payload: sum, number, command
	mark        = 0xaa
	escape      = 0x55
)

// ErrFrame is the reason of every frame that is refused.
var ErrFrame = errors.New("not a frame")

// Frame is one message, in either direction.
type Frame struct {
	ID      uint16 // 1 to LastID; a reply has that of what it replies to
	Command Command
	Payload []byte // mostly Items; raw for commands that carry others
}

// NextID is the number of a device's next frame after one with number id. A device
// begins with 1 at its start, counts all its frames, and goes on over connections.
func NextID(id uint16) uint16 { return id%LastID + 1 }

// Encode makes the bytes of the frame. It fails for a number or a payload that no
// frame can have.
func (f Frame) Encode() ([]byte, error) {
	switch {
	case f.ID == 0 || f.ID > LastID:
		return nil, fmt.Errorf("a frame has a number from 1 to %d, not %d", LastID, f.ID)
	case len(f.Payload) > MaxPayload:
		return nil, fmt.Errorf("a payload of %d bytes is over the limit of %d", len(f.Payload), MaxPayload)
	}
	plain := make([]byte, headSize, headSize+len(f.Payload))
	plain[0], plain[1] = mark, mark
	binary.BigEndian.PutUint16(plain[2:], uint16(afterLength+len(f.Payload))) //nolint:gosec // checked above
	binary.BigEndian.PutUint16(plain[5:], f.ID)
	binary.BigEndian.PutUint16(plain[7:], uint16(f.Command))
	plain = append(plain, f.Payload...)
	plain[4] = sum(plain[5:])

	coded := append(make([]byte, 0, len(plain)+8), plain[0])
	for i, b := range plain[1:] {
		coded = append(coded, b)
		if rest := plain[i+2:]; b == mark && (len(rest) == 0 || rest[0] == mark || rest[0] == escape) {
			coded = append(coded, escape)
		}
	}
	return coded, nil
}

// DecodeFrame reads the frame at the beginning of a message; what follows it is
// ignored, as the SDK does. Its error wraps ErrFrame and says what is wrong.
func DecodeFrame(b []byte) (Frame, error) {
	if len(b) > MaxFrame {
		return Frame{}, fmt.Errorf("%w: it has %d bytes, at most %d are taken", ErrFrame, len(b), MaxFrame)
	}
	plain := unescaped(b)
	switch {
	case len(plain) < headSize:
		return Frame{}, fmt.Errorf("%w: it has %d bytes, at least %d are needed", ErrFrame, len(plain), headSize)
	case plain[0] != mark || plain[1] != mark:
		return Frame{}, fmt.Errorf("%w: it does not begin with AA AA", ErrFrame)
	}
	length := int(binary.BigEndian.Uint16(plain[2:]))
	end := length + headSize - afterLength
	if length < afterLength || end > len(plain) {
		return Frame{}, fmt.Errorf("%w: its length says %d, %d bytes are there", ErrFrame, length,
			len(plain)-headSize+afterLength)
	}
	f := Frame{ID: binary.BigEndian.Uint16(plain[5:]), Command: Command(binary.BigEndian.Uint16(plain[7:])),
		Payload: plain[headSize:end:end]}
	switch want := sum(plain[5:end]); {
	case plain[4] != want:
		return Frame{}, fmt.Errorf("%w: its sum is %02x, that of its bytes %02x", ErrFrame, plain[4], want)
	case f.ID == 0 || f.ID > LastID:
		return Frame{}, fmt.Errorf("%w: its number is %d, at least 1 and at most %d are used", ErrFrame, f.ID, LastID)
	}
	return f, nil
}

// unescaped leaves out each 55 that follows an AA. The first byte escapes nothing.
func unescaped(b []byte) []byte {
	plain := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		plain = append(plain, b[i])
		if i > 0 && b[i] == mark && i+1 < len(b) && b[i+1] == escape {
			i++
		}
	}
	return plain
}

func sum(b []byte) (low byte) {
	for _, c := range b {
		low += c
	}
	return low
}
