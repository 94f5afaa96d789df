//go:build !noarchive

package download

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"

	"github.com/ulikunitz/xz/lzma"
)

// The .xz container is read here and not by the module whose LZMA2 it is: that one
// gives each block the dictionary that its header asks for, up to 4 GiB, and each
// stream of a file may have many blocks.

const (
	xzMagic  = "\xfd7zXZ\x00"
	xzFooter = "YZ"
	// freeDictionaries is how many bytes of dictionaries an archive may ask for in
	// all, beside those that it makes good use of: each block costs its own.
	freeDictionaries = 16 * maxWindow
	// blockCost is about what a block's decoder takes beside its dictionary.
	blockCost = 1 << 20
)

var errXZ = errors.New("not an xz file of LZMA2 blocks, or a damaged one")

// xzReader reads the streams of an xz file, one after the other.
type xzReader struct {
	r    *counted
	most int64 // bytes of a dictionary that can be of use

	inStream bool
	flags    [2]byte // of the stream
	blocks   uint64  // of the stream
	records  hash.Hash
	asked    int64 // bytes of dictionaries so far
	given    int64 // bytes that have come out so far

	block   io.Reader // nil between two blocks
	begins  int64     // where the block's header is
	data    int64     // where its data is
	out     int64     // bytes that have come out of it
	check   hash.Hash // nil for a kind that is not known here, or none
	sizes   [2]uint64 // compressed and uncompressed, as the header says, plus 1; 0 for unsaid
	started bool      // a stream has been seen
}

// newXZ reads an xz file whose content has at most so many bytes.
func newXZ(r io.Reader, most int64) *xzReader {
	return &xzReader{r: &counted{r: bufio.NewReader(r)}, most: min(max(most, lzma.MinDictCap), maxWindow)}
}

// Read gives the content of the file.
func (x *xzReader) Read(p []byte) (int, error) {
	for {
		if x.block == nil {
			if err := x.next(); err != nil {
				return 0, err
			}
		}
		n, err := x.block.Read(p)
		if x.check != nil {
			x.check.Write(p[:n])
		}
		x.out += int64(n)
		x.given += int64(n)
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			err = x.endBlock()
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// next comes to the next block; io.EOF behind the last one of the file.
func (x *xzReader) next() error {
	for {
		if !x.inStream {
			if err := x.beginStream(); err != nil {
				return err
			}
		}
		x.begins = x.r.n
		size, err := x.r.ReadByte()
		if err != nil {
			return short(err)
		}
		if size != 0 {
			return x.beginBlock(size)
		}
		if err := x.endStream(); err != nil {
			return err
		}
	}
}

// beginStream reads padding and the header of a stream. A file is at least one.
func (x *xzReader) beginStream() error {
	head := make([]byte, 12)
	for {
		n, err := io.ReadFull(x.r, head[:4])
		if errors.Is(err, io.EOF) && n == 0 && x.started {
			return io.EOF
		}
		if err != nil {
			return short(err)
		}
		if !x.started || !bytes.Equal(head[:4], make([]byte, 4)) {
			break
		}
	}
	if _, err := io.ReadFull(x.r, head[4:]); err != nil {
		return short(err)
	}
	if string(head[:6]) != xzMagic || head[6] != 0 ||
		crc32.ChecksumIEEE(head[6:8]) != binary.LittleEndian.Uint32(head[8:]) {
		return errXZ
	}
	x.flags = [2]byte(head[6:8])
	x.started, x.inStream, x.blocks, x.records = true, true, 0, sha256.New()
	if checkSize(x.flags[1]) < 0 {
		return errXZ
	}
	return nil
}

// checkSize is the length of a block's checksum; -1 for a kind that no file has.
func checkSize(kind byte) int {
	switch kind {
	case 0:
		return 0
	case 1:
		return 4
	case 4:
		return 8
	case 10:
		return 32
	}
	return -1
}

// beginBlock reads the header of a block, and takes the memory that it asks for
// if that is bearable.
func (x *xzReader) beginBlock(size byte) error {
	head := make([]byte, (int(size)+1)*4)
	head[0] = size
	if _, err := io.ReadFull(x.r, head[1:]); err != nil {
		return short(err)
	}
	sum := len(head) - 4
	dictionary, err := x.readBlockHeader(head[1:sum])
	switch {
	case err != nil:
		return err
	case dictionary > maxWindow:
		return fmt.Errorf("its dictionary has %d bytes, at most %d are allowed", dictionary, maxWindow)
	case crc32.ChecksumIEEE(head[:sum]) != binary.LittleEndian.Uint32(head[sum:]):
		return errXZ
	}
	dictionary = max(min(dictionary, x.most), lzma.MinDictCap)
	if x.asked += dictionary + blockCost; x.asked > freeDictionaries+4*x.given {
		return errors.New("it has too many blocks for its size")
	}
	x.check = newCheck(x.flags[1])
	x.data, x.out = x.r.n, 0
	x.block, err = lzma.Reader2Config{DictCap: int(dictionary)}.NewReader2(x.r)
	return err
}

// readBlockHeader reads flags, lengths and the only filter, LZMA2 (id 0x21) with
// one byte of properties, and gives the size of its dictionary.
func (x *xzReader) readBlockHeader(head []byte) (dictionary int64, err error) {
	flags, rest := head[0], head[1:]
	if flags&0x3f != 0 {
		return 0, errXZ // other filters, or bits that mean nothing yet
	}
	x.sizes = [2]uint64{}
	for i, said := range []bool{flags&0x40 != 0, flags&0x80 != 0} {
		if !said {
			continue
		}
		size, n := binary.Uvarint(rest)
		if n <= 0 || size >= 1<<62 {
			return 0, errXZ
		}
		x.sizes[i], rest = size+1, rest[n:]
	}
	if len(rest) < 3 || rest[0] != 0x21 || rest[1] != 1 || len(bytes.Trim(rest[3:], "\x00")) > 0 {
		return 0, errXZ
	}
	return lzma.DecodeDictCap(rest[2])
}

func newCheck(kind byte) hash.Hash {
	switch kind {
	case 1:
		return crc32.NewIEEE()
	case 4:
		return crc64.New(crc64.MakeTable(crc64.ECMA))
	case 10:
		return sha256.New()
	}
	return nil
}

// endBlock reads what follows the data of a block: padding and its checksum.
func (x *xzReader) endBlock() error {
	compressed := x.r.n - x.data
	for i, size := range []int64{compressed, x.out} {
		if x.sizes[i] != 0 && x.sizes[i]-1 != uint64(size) {
			return errXZ
		}
	}
	length := checkSize(x.flags[1])
	rest := make([]byte, int(-compressed&3)+length)
	if _, err := io.ReadFull(x.r, rest); err != nil {
		return short(err)
	}
	padding, sum := rest[:len(rest)-length], rest[len(rest)-length:]
	if len(bytes.Trim(padding, "\x00")) > 0 || x.check != nil && !bytes.Equal(sum, ordered(x.check.Sum(nil))) {
		return errXZ
	}
	x.block = nil
	x.blocks++
	x.record(uint64(x.data-x.begins+compressed+int64(length)), uint64(x.out))
	return nil
}

// ordered gives a sum as the file has it: a CRC with its last byte first.
func ordered(sum []byte) []byte {
	if len(sum) < sha256.Size {
		for i, k := 0, len(sum)-1; i < k; i, k = i+1, k-1 {
			sum[i], sum[k] = sum[k], sum[i]
		}
	}
	return sum
}

// record notes a block, so that the index can be held against all of them without
// keeping them.
func (x *xzReader) record(unpadded, uncompressed uint64) {
	x.records.Write(binary.AppendUvarint(binary.AppendUvarint(nil, unpadded), uncompressed))
}

// endStream reads the index, behind its first byte, and the footer.
func (x *xzReader) endStream() error {
	blocks := x.records.Sum(nil)
	sum := crc32.NewIEEE()
	sum.Write([]byte{0})
	x.r.also = sum
	n, err := binary.ReadUvarint(x.r)
	if err != nil || n != x.blocks {
		return short(err)
	}
	x.records.Reset()
	for range n {
		unpadded, err := binary.ReadUvarint(x.r)
		if err != nil {
			return short(err)
		}
		uncompressed, err := binary.ReadUvarint(x.r)
		if err != nil {
			return short(err)
		}
		x.record(unpadded, uncompressed)
	}
	padding := make([]byte, -(x.r.n-x.begins)&3)
	if _, err := io.ReadFull(x.r, padding); err != nil {
		return short(err)
	}
	x.r.also = nil
	length := x.r.n - x.begins
	tail := make([]byte, 16)
	if _, err := io.ReadFull(x.r, tail); err != nil {
		return short(err)
	}
	switch {
	case !bytes.Equal(blocks, x.records.Sum(nil)), len(bytes.Trim(padding, "\x00")) > 0,
		binary.LittleEndian.Uint32(tail) != sum.Sum32(),
		binary.LittleEndian.Uint32(tail[4:]) != crc32.ChecksumIEEE(tail[8:14]),
		(int64(binary.LittleEndian.Uint32(tail[8:]))+1)*4 != length+4,
		[2]byte(tail[12:14]) != x.flags, string(tail[14:]) != xzFooter:
		return errXZ
	}
	x.inStream = false
	return nil
}

// short is the error of a file that ends too early.
func short(err error) error {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errXZ
	}
	return err
}

// counted counts the bytes that are read, and lets a checksum see them.
type counted struct {
	r    *bufio.Reader
	n    int64
	also io.Writer // nil for none
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.see(p[:n])
	return n, err
}

func (c *counted) ReadByte() (byte, error) {
	b, err := c.r.ReadByte()
	if err == nil {
		c.see([]byte{b})
	}
	return b, err
}

func (c *counted) see(p []byte) {
	c.n += int64(len(p))
	if c.also != nil {
		_, _ = c.also.Write(p)
	}
}
