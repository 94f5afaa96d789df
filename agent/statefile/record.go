package statefile

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// A record is, in this order and big-endian: 8 bytes of magic, 4 of format
// version, 8 of counter, 4 of payload length, the payload, and the SHA-256 of
// all that stands before it. What follows it in the file has no meaning.
const (
	magic      = "OTASTATE"
	version    = 1
	headerSize = len(magic) + 4 + 8 + 4
	frameSize  = headerSize + sha256.Size

	// MaxState bounds the bytes of one state, written or read.
	MaxState = 16 << 20
)

// record is one generation of the state.
type record struct {
	counter uint64 // higher is newer; 0 is no record
	payload []byte
}

// errBlank says that a file is all zeros, as one of the two is before its first
// record.
var errBlank = errors.New("all zeros")

func (r record) encode() []byte {
	b := make([]byte, 0, frameSize+len(r.payload))
	b = append(b, magic...)
	b = binary.BigEndian.AppendUint32(b, version)
	b = binary.BigEndian.AppendUint64(b, r.counter)
	b = binary.BigEndian.AppendUint32(b, uint32(len(r.payload)))
	b = append(b, r.payload...)
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

// parseRecord reads the record at the start of a file's content. The payload is
// a part of content.
func parseRecord(content []byte) (record, error) {
	if blank(content) {
		return record{}, errBlank
	}
	if len(content) < frameSize || !bytes.HasPrefix(content, []byte(magic)) {
		return record{}, errors.New("not a state record")
	}
	field := content[len(magic):]
	if v := binary.BigEndian.Uint32(field); v != version {
		return record{}, fmt.Errorf("format version %d, this agent reads %d", v, version)
	}
	counter := binary.BigEndian.Uint64(field[4:])
	length := int64(binary.BigEndian.Uint32(field[12:]))
	if length > int64(len(content)-frameSize) {
		return record{}, fmt.Errorf("cut off: %d bytes of payload announced, file of %d bytes", length, len(content))
	}
	end := headerSize + int(length)
	sum := sha256.Sum256(content[:end])
	if !bytes.Equal(sum[:], content[end:end+sha256.Size]) {
		return record{}, errors.New("checksum does not match")
	}
	if counter == 0 {
		return record{}, errors.New("counter is zero")
	}
	return record{counter: counter, payload: content[headerSize:end]}, nil
}

func blank(content []byte) bool {
	return len(bytes.TrimLeft(content, "\x00")) == 0
}
