package serial

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"otafleet/firmware"
	"otafleet/firmware/port"
	"otafleet/internal/ota"
)

// The bytes of XMODEM and YMODEM (Forsberg, "XMODEM/YMODEM Protocol Reference",
// 1988).
const (
	soh = 0x01 // before a block of 128 bytes
	stx = 0x02 // before a block of 1024
	eot = 0x04
	ack = 0x06
	nak = 0x15
	can = 0x18
	sub = 0x1a // fills the last block
	crc = 'C'  // the receiver wants CRCs
)

// The two sizes of a block, in bytes.
const (
	shortBlock = 128
	longBlock  = 1024
)

// triesLong is after how many refusals of the very first long block short ones
// are sent: the receiver may not know the others.
const triesLong = 3

// errRefused says that a block was not acknowledged.
var errRefused = errors.New("not acknowledged")

// modem sends files to an XMODEM or YMODEM receiver.
type modem struct {
	port     *port.Port
	timeout  time.Duration // of the answer to a block
	attempts int           // of a block
	checksum bool          // the receiver knows no CRC
	room     [3 + longBlock + 2]byte
}

// xmodem sends the content of one file. The receiver gets it filled up to a
// whole block.
func (m *modem) xmodem(content io.Reader, begin func() error) error {
	return m.polite(func() error {
		if err := m.awaitReceiver(); err != nil {
			return err
		}
		if err := begin(); err != nil {
			return err
		}
		return m.file(content)
	})
}

// ymodem sends one file as a batch: its name and size, its content, and the end
// of the batch.
func (m *modem) ymodem(name string, size int64, content io.Reader, begin func() error) error {
	return m.polite(func() error {
		if err := m.awaitReceiver(); err != nil {
			return err
		}
		if err := begin(); err != nil {
			return err
		}
		if err := m.block(0, header(name, size), m.attempts); err != nil {
			return fmt.Errorf("cannot announce the file: %w", err)
		}
		if err := m.awaitReceiver(); err != nil {
			return err
		}
		if err := m.file(content); err != nil {
			return err
		}
		return m.endBatch()
	})
}

// header is block 0 of YMODEM: the name, NUL, the size in decimal.
func header(name string, size int64) []byte {
	h := append([]byte(name), 0)
	h = strconv.AppendInt(h, size, 10)
	length := shortBlock
	if len(h) >= shortBlock {
		length = longBlock // the name of a file has at most a hundred characters or so
	}
	return append(h, make([]byte, length-len(h))...)
}

// endBatch sends the empty header. A receiver that does not ask for it has
// started the file it got.
func (m *modem) endBatch() error {
	if _, err := m.answer(m.timeout, crc, nak); err != nil {
		if errors.Is(err, port.ErrSilent) {
			return nil
		}
		return err
	}
	return m.block(0, make([]byte, shortBlock), m.attempts)
}

// polite tells the receiver when the sender gives up, so that it does not wait.
func (m *modem) polite(send func() error) error {
	err := send()
	if err != nil {
		m.port.SendLast(bytes.Repeat([]byte{can}, 8))
	}
	return err
}

// awaitReceiver waits for the receiver to ask for a file.
func (m *modem) awaitReceiver() error {
	b, err := m.answer(m.timeout*time.Duration(m.attempts), crc, nak)
	if err != nil {
		return fmt.Errorf("the receiver does not ask for the file: %w", err)
	}
	m.checksum = b == nak
	return nil
}

// file sends content in blocks, and its end.
func (m *modem) file(content io.Reader) error {
	length := longBlock
	if m.checksum {
		length = shortBlock
	}
	var block [longBlock]byte
	for number := 1; ; {
		n, err := io.ReadFull(content, block[:length])
		if errors.Is(err, io.EOF) {
			return m.end()
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("cannot read the image: %w", err)
		}
		sent, err := m.blocks(number, block[:n], length)
		if err != nil {
			return err
		}
		number += sent
		if sent > 1 {
			length = shortBlock
		}
	}
}

// blocks sends data, which fits one block of length, and says how many blocks
// it took.
func (m *modem) blocks(number int, data []byte, length int) (sent int, err error) {
	if length == longBlock && len(data) > longBlock-shortBlock { // else short ones leave less to fill up
		attempts := m.attempts
		if number == 1 {
			attempts = triesLong
		}
		err := m.block(number, fill(data, longBlock), attempts)
		if err == nil || number > 1 || !errors.Is(err, errRefused) {
			return 1, err
		}
	}
	for ; len(data) > 0; sent++ {
		n := min(len(data), shortBlock)
		if err := m.block(number+sent, fill(data[:n], shortBlock), m.attempts); err != nil {
			return 0, err
		}
		data = data[n:]
	}
	return sent, nil
}

func fill(data []byte, length int) []byte {
	return append(data[:len(data):len(data)], bytes.Repeat([]byte{sub}, length-len(data))...)
}

// block sends one block until it is acknowledged.
func (m *modem) block(number int, data []byte, attempts int) error {
	packet := append(m.room[:0], soh, byte(number), ^byte(number))
	if len(data) == longBlock {
		packet[0] = stx
	}
	packet = append(packet, data...)
	if m.checksum {
		var sum byte
		for _, b := range data {
			sum += b
		}
		packet = append(packet, sum)
	} else {
		c := crc16(data)
		packet = append(packet, byte(c>>8), byte(c))
	}
	refusals := []byte{nak}
	if number <= 1 {
		refusals = append(refusals, crc) // it still waits for the first block
	}
	return m.insist(packet, attempts, fmt.Sprintf("block %d", number), refusals...)
}

// end sends the end of the file. A receiver may refuse the first one, to be sure
// that it is no noise.
func (m *modem) end() error { return m.insist([]byte{eot}, m.attempts, "the end of the file", nak) }

// insist sends bytes until they are acknowledged.
func (m *modem) insist(packet []byte, attempts int, what string, refusals ...byte) error {
	var last error
	for range attempts {
		m.port.Drop() // answers to what was sent before
		if err := m.port.Write(packet); err != nil {
			return err
		}
		b, err := m.answer(m.timeout, append(refusals, ack)...)
		switch {
		case b == ack:
			return nil
		case err != nil && !errors.Is(err, port.ErrSilent):
			return err
		case err == nil:
			err = errors.New("refused")
		}
		last = err
	}
	return fmt.Errorf("%s is %w in %s: %w", what, errRefused, ota.Counted(attempts, "attempt"), last)
}

// answer waits for one of a few bytes; others are noise. Two CAN in a row are
// the receiver's end.
func (m *modem) answer(within time.Duration, wanted ...byte) (byte, error) {
	cancels := 0
	for end := time.Now().Add(within); ; {
		b, err := m.port.Next(max(time.Until(end), 0))
		if err != nil {
			return 0, err
		}
		if b == can {
			cancels++
		} else {
			cancels = 0
		}
		if cancels == 2 {
			return 0, firmware.Failf(ota.InstallerFailed, "the receiver gave up")
		}
		if bytes.IndexByte(wanted, b) >= 0 {
			return b, nil
		}
	}
}
