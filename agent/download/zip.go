//go:build !noarchive

package download

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

const (
	zipEnd        = "PK\x05\x06" // opens the record at the end, of 22 bytes and a comment
	zipEndLength  = 22
	zipLocator    = "PK\x06\x07" // opens what stands before it in a zip64 file
	zipEntry      = "PK\x01\x02" // opens an entry of the directory, of 46 bytes and three texts
	zipEntryFixed = 46
	zipTail       = 65 << 10 // the record at the end lies within so many bytes
)

// checkDirectory refuses a zip file whose directory has too many entries, before
// archive/zip makes something of each of them. That believes no count but its own,
// which is why the entries are walked here; and it is strict about where the
// directory lies, so that both read the same one.
func checkDirectory(f *os.File, limits Unpacker) error {
	directory, count, err := findDirectory(f, limits)
	if err != nil {
		return err
	}
	left := directory.length
	r := bufio.NewReader(io.NewSectionReader(f, directory.offset, directory.length))
	fixed := make([]byte, zipEntryFixed)
	for range count {
		if _, err := io.ReadFull(r, fixed); err != nil || string(fixed[:4]) != zipEntry {
			return errors.New("its directory is damaged")
		}
		texts := 0
		for at := 28; at < 34; at += 2 { // name, extra field, comment
			texts += int(binary.LittleEndian.Uint16(fixed[at:]))
		}
		if _, err := r.Discard(texts); err != nil {
			return errors.New("its directory is damaged")
		}
		left -= int64(zipEntryFixed + texts)
	}
	if left != 0 {
		return errors.New("its directory has another size than it says")
	}
	return nil
}

// span is a part of a file.
type span struct{ offset, length int64 }

// findDirectory reads where the directory is, and how many entries it has.
func findDirectory(f *os.File, limits Unpacker) (directory span, count int, err error) {
	info, err := f.Stat()
	if err != nil {
		return span{}, 0, err
	}
	tail := make([]byte, min(info.Size(), zipTail))
	if _, err := f.ReadAt(tail, info.Size()-int64(len(tail))); err != nil {
		return span{}, 0, err
	}
	errNone := errors.New("not a zip file, or one that is cut off")
	if len(tail) < zipEndLength {
		return span{}, 0, errNone
	}
	at := bytes.LastIndex(tail[:len(tail)-zipEndLength+len(zipEnd)], []byte(zipEnd))
	if at < 0 {
		return span{}, 0, errNone
	}
	end := tail[at:]
	total := int(binary.LittleEndian.Uint16(end[10:]))
	directory = span{int64(binary.LittleEndian.Uint32(end[16:])), int64(binary.LittleEndian.Uint32(end[12:]))}
	switch {
	case zipEndLength+int(binary.LittleEndian.Uint16(end[20:])) != len(end):
		return span{}, 0, errNone
	case total > limits.MaxFiles:
		return span{}, 0, fmt.Errorf("it has more than %d entries", limits.MaxFiles)
	case directory.length > maxText:
		return span{}, 0, fmt.Errorf("its directory has %d bytes, at most %d are allowed", directory.length, maxText)
	case at >= 20 && string(tail[at-20:at-16]) == zipLocator:
		return span{}, 0, errors.New("zip64 is for archives that are too large here")
	case directory.offset+directory.length != info.Size()-int64(len(end)):
		return span{}, 0, errors.New("its directory does not lie where it says")
	}
	return directory, total, nil
}
