package serialtest

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"

	"otafleet/firmware/port/porttest"
)

// receiver receives one file by XMODEM or YMODEM.
type receiver struct {
	mcu     *MCU
	end     *porttest.End
	image   []byte
	size    int  // of the file, from the header; -1 for unknown
	next    int  // number of the block to come
	ends    int  // how many EOT have come
	heading bool // block 0 is to come
	asked   time.Time
}

var errGivenUp = errors.New("the transfer was given up")

// receive gives the file.
func (r *receiver) receive() ([]byte, error) {
	r.size, r.next, r.heading = -1, 1, r.mcu.Batch
	if r.heading {
		r.next = 0
	}
	for misses := 0; misses < 100; {
		if r.fresh() && time.Since(r.asked) > patience {
			r.ask()
		}
		b, err := r.end.Next(patience)
		if errors.Is(err, porttest.ErrUnplugged) {
			return nil, err
		}
		if err != nil {
			misses++
			if !r.fresh() {
				r.end.Say(0x15)
			}
			continue
		}
		misses = 0
		done, err := r.take(b)
		if err != nil || done {
			return r.image, err
		}
	}
	r.end.Say(0x18, 0x18, 0x18)
	return nil, errGivenUp
}

// fresh reports whether the receiver still has to ask for what comes first.
func (r *receiver) fresh() bool { return r.heading || r.next == 1 && len(r.image) == 0 }

func (r *receiver) ask() {
	r.asked = time.Now()
	if r.mcu.Checksum {
		r.end.Say(0x15)
	} else {
		r.end.Say('C')
	}
}

// take deals with what begins with b.
func (r *receiver) take(b byte) (done bool, err error) {
	switch b {
	case 0x01:
		return r.block(128)
	case 0x02:
		if !r.mcu.OldBlocks {
			return r.block(1024)
		}
	case 0x04:
		if !r.end.Hears() {
			return false, porttest.ErrUnplugged
		}
		if r.ends++; r.ends == 1 && r.mcu.Batch {
			r.end.Say(0x15) // it might have been noise
			return false, nil
		}
		r.end.Say(0x06)
		if r.size >= 0 {
			r.image = r.image[:min(r.size, len(r.image))]
		}
		if !r.mcu.Batch {
			return true, nil
		}
		r.heading, r.next, r.ends, r.asked = true, 0, 0, time.Time{}
		return false, nil
	case 0x18:
		if again, err := r.end.Next(patience); err == nil && again == 0x18 {
			return false, errGivenUp
		}
	}
	return false, nil
}

func (r *receiver) block(length int) (done bool, err error) {
	number, data, good, err := r.read(length)
	switch {
	case err != nil:
		return false, err
	case !good:
		r.end.Quiet(2 * time.Millisecond)
		r.end.Say(0x15)
		return false, nil
	case !r.end.Hears():
		return false, porttest.ErrUnplugged
	}
	r.ends = 0
	switch {
	case number == byte(r.next) && r.heading:
		return r.header(data)
	case number == byte(r.next):
		return false, r.store(data)
	case number == byte(r.next-1):
		r.end.Say(0x06) // again: the acknowledgement was lost
		return false, nil
	}
	r.end.Say(0x18, 0x18, 0x18)
	return false, errGivenUp
}

// read reads the rest of a block.
func (r *receiver) read(length int) (number byte, data []byte, good bool, err error) {
	check := 2
	if r.mcu.Checksum {
		check = 1
	}
	packet := make([]byte, 0, 2+length+check)
	for len(packet) < cap(packet) {
		b, err := r.end.Next(patience)
		if errors.Is(err, porttest.ErrUnplugged) {
			return 0, nil, false, err
		}
		if err != nil {
			return 0, nil, false, nil
		}
		packet = append(packet, b)
	}
	data = packet[2 : 2+length]
	good = packet[0] == ^packet[1]
	if r.mcu.Checksum {
		var sum byte
		for _, b := range data {
			sum += b
		}
		return packet[0], data, good && sum == packet[2+length], nil
	}
	return packet[0], data, good && remainder(packet[2:]) == 0, nil
}

// remainder divides by the polynomial of the CRC, bit by bit; 0 for data with
// its CRC behind it.
func remainder(b []byte) uint32 {
	var rest uint32
	for _, c := range b {
		for i := 7; i >= 0; i-- {
			rest = rest<<1 | uint32(c>>i&1)
			if rest&0x10000 != 0 {
				rest ^= 0x11021
			}
		}
	}
	// The CRC of XMODEM is the remainder of the data with 16 zero bits; with the
	// CRC in their place nothing remains.
	return rest & 0xffff
}

// store takes the data of the next block.
func (r *receiver) store(data []byte) error {
	m := r.mcu
	if m.ResetAt > 0 && r.next == m.ResetAt {
		m.ResetAt = 0
		m.setDead(m.Dies)
		return errGivenUp
	}
	if m.OneBank {
		m.setLive(nil)
	}
	r.image = append(r.image, data...)
	r.next++
	r.end.Say(0x06)
	return nil
}

// header takes block 0: a file to come, or the end of the batch.
func (r *receiver) header(data []byte) (done bool, err error) {
	name, rest, _ := bytes.Cut(data, []byte{0})
	if len(name) == 0 {
		r.end.Say(0x06)
		return true, nil
	}
	digits, _, _ := bytes.Cut(bytes.TrimRight(rest, "\x00"), []byte(" "))
	size, err := strconv.Atoi(string(digits))
	if err != nil {
		return false, fmt.Errorf("the header has no size: %w", err)
	}
	r.mcu.mu.Lock()
	r.mcu.name = string(name)
	r.mcu.mu.Unlock()
	r.size, r.heading, r.next, r.image, r.asked = size, false, 1, nil, time.Time{}
	r.end.Say(0x06)
	return false, nil
}
