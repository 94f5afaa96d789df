package serial

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// MCUboot's image format ("Image format" of its design document), little-endian.
const (
	bootMagic  = 0x96f3b83d
	bootHead   = 32
	tlvMagic   = 0x6907
	tlvHead    = 4
	tlvSHA256  = 0x10
	tlvSHA512  = 0x12
	maxTrailer = 16 << 10 // bytes of a TLV area that are looked at
)

// bootImage is what MCUboot's header and trailer say.
type bootImage struct {
	version string // as MCUmgr prints it
	hash    string // by which MCUmgr names the image
}

var errNoBootImage = errors.New("the file is not an image for MCUboot")

// readBootImage reads header and trailer of an image of size bytes.
func readBootImage(r io.ReaderAt, size int64) (bootImage, error) {
	head := make([]byte, bootHead)
	if _, err := r.ReadAt(head, 0); err != nil {
		return bootImage{}, fmt.Errorf("%w: it is too short", errNoBootImage)
	}
	le := binary.LittleEndian
	if le.Uint32(head) != bootMagic {
		return bootImage{}, fmt.Errorf("%w: it does not begin with its magic", errNoBootImage)
	}
	i := bootImage{version: fmt.Sprintf("%d.%d.%d", head[20], head[21], le.Uint16(head[22:]))}
	if build := le.Uint32(head[24:]); build != 0 {
		i.version += fmt.Sprintf(".%d", build)
	}
	trailer := int64(le.Uint16(head[8:])) + int64(le.Uint32(head[12:]))
	if protected := int64(le.Uint16(head[10:])); protected > 0 {
		trailer += protected
	}
	if trailer > size {
		return bootImage{}, fmt.Errorf("%w: it ends before its trailer", errNoBootImage)
	}
	area := make([]byte, min(size-trailer, maxTrailer))
	if _, err := r.ReadAt(area, trailer); err != nil && !errors.Is(err, io.EOF) {
		return bootImage{}, fmt.Errorf("cannot read the image: %w", err)
	}
	var err error
	i.hash, err = hashIn(area)
	return i, err
}

// hashIn finds the digest in an area of TLVs.
func hashIn(area []byte) (string, error) {
	le := binary.LittleEndian
	if len(area) < tlvHead || le.Uint16(area) != tlvMagic {
		return "", fmt.Errorf("%w: it has no trailer", errNoBootImage)
	}
	end := int(le.Uint16(area[2:])) // counted from the magic
	area = area[tlvHead:max(tlvHead, min(end, len(area)))]
	for len(area) >= tlvHead {
		kind, length := le.Uint16(area), int(le.Uint16(area[2:]))
		area = area[tlvHead:]
		if length > len(area) {
			break
		}
		if kind >= tlvSHA256 && kind <= tlvSHA512 {
			return string(area[:length]), nil
		}
		area = area[length:]
	}
	return "", fmt.Errorf("%w: its trailer has no digest", errNoBootImage)
}
