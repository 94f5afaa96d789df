//go:build !noarchive

package download_test

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"

	"otafleet/agent/download"
	"otafleet/internal/ota"
)

// xzFile makes one stream whose blocks say that they need dictionaries of the
// sizes that codes stand for, whatever they do need; the last code is for the rest.
func xzFile(t testing.TB, codes []byte, blocks ...[]byte) []byte {
	t.Helper()
	var out, index bytes.Buffer
	flags := []byte{0, 1} // CRC32
	out.WriteString("\xfd7zXZ\x00")
	out.Write(flags)
	sum := func(p []byte) []byte { return binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(p)) }
	out.Write(sum(flags))
	index.WriteByte(0)
	index.Write(binary.AppendUvarint(nil, uint64(len(blocks))))
	for i, content := range blocks {
		var data bytes.Buffer
		w, err := lzma.Writer2Config{DictCap: 4096}.NewWriter2(&data)
		require.NoError(t, err)
		_, err = w.Write(content)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		head := []byte{2, 0, 0x21, 1, codes[min(i, len(codes)-1)], 0, 0, 0}
		out.Write(head)
		out.Write(sum(head))
		out.Write(data.Bytes())
		out.Write(make([]byte, -data.Len()&3))
		out.Write(sum(content))
		index.Write(binary.AppendUvarint(binary.AppendUvarint(nil, uint64(12+data.Len()+4)), uint64(len(content))))
	}
	index.Write(make([]byte, -index.Len()&3))
	out.Write(index.Bytes())
	out.Write(sum(index.Bytes()))
	tail := append(binary.LittleEndian.AppendUint32(nil, uint32(index.Len()+4)/4-1), flags...)
	out.Write(sum(tail))
	out.Write(tail)
	out.WriteString("YZ")
	return out.Bytes()
}

// taken is how much memory a function takes.
func taken(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestXZHoldsItsLimits in every block and every stream, before memory is taken.
func TestXZHoldsItsLimits(t *testing.T) {
	const bearable, hungry = 2, 36 // 8 KiB, 1 GiB
	content := tarOf(t, tree...)
	half := len(content) / 2
	good := xzFile(t, []byte{bearable}, content)
	for name, archive := range map[string][]byte{
		"first block":          xzFile(t, []byte{hungry}, content),
		"later block":          xzFile(t, []byte{bearable, hungry}, content[:half], content[half:]),
		"behind the tar":       xzFile(t, []byte{bearable, hungry}, content, []byte("more")),
		"later stream":         append(bytes.Clone(good), xzFile(t, []byte{hungry}, []byte("more"))...),
		"behind padding":       append(append(bytes.Clone(good), 0, 0, 0, 0), xzFile(t, []byte{hungry}, nil)...),
		"the largest there is": xzFile(t, []byte{40}, content),
	} {
		var err error
		took := taken(func() { _, err = unpack(t, download.Unpacker{}, "a.tar.xz", archive) })
		assert.ErrorContains(t, err, "its dictionary has", name)
		assert.Less(t, took, uint64(32<<20), name)
	}
	many := make([][]byte, 400)
	many[0] = content
	var err error
	took := taken(func() {
		_, err = unpack(t, download.Unpacker{}, "a.tar.xz", xzFile(t, []byte{28}, many...)) // 64 MiB each
	})
	assert.ErrorContains(t, err, "too many blocks")
	assert.Less(t, took, uint64(2<<30))
}

// TestXZOfEveryKind reads blocks, streams, padding and checksums as they come.
func TestXZOfEveryKind(t *testing.T) {
	t.Parallel()
	content := tarOf(t, entry{name: "f", mode: 0o644, data: strings.Repeat("abcdefghij", 10_000)})
	archives := map[string][]byte{}
	for name, config := range map[string]xz.WriterConfig{
		"none": {NoCheckSum: true}, "crc32": {CheckSum: xz.CRC32}, "crc64": {CheckSum: xz.CRC64},
		"sha256": {CheckSum: xz.SHA256},
		"blocks": {BlockSize: 16 << 10, CheckSum: xz.CRC64},
	} {
		var b bytes.Buffer
		w, err := config.NewWriter(&b)
		require.NoError(t, err)
		_, err = w.Write(content)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		archives[name] = b.Bytes()
	}
	half := len(content) / 2
	archives["streams"] = append(append(xzFile(t, []byte{2}, content[:half]), 0, 0, 0, 0),
		xzFile(t, []byte{2}, content[half:], nil)...)
	for name, archive := range archives {
		dir, err := unpack(t, download.Unpacker{}, "a.tar.xz", archive)
		require.NoError(t, err, name)
		text, err := os.ReadFile(filepath.Join(dir, "f"))
		require.NoError(t, err, name)
		assert.Len(t, text, 100_000, name)
		for at := 3; at < len(archive); at += 1 + len(archive)/97 {
			if name == "none" {
				break
			}
			damaged := bytes.Clone(archive)
			damaged[at] ^= 0x10
			dir, err := unpack(t, download.Unpacker{}, "a.tar.xz", damaged)
			if err == nil {
				same, err := os.ReadFile(filepath.Join(dir, "f"))
				require.NoError(t, err)
				assert.Equal(t, text, same, "%s: byte %d is damaged", name, at)
			}
		}
		_, err = unpack(t, download.Unpacker{}, "a.tar.xz", archive[:len(archive)-1])
		assert.Error(t, err, "%s: cut off", name)
	}
}

// TestZipsAreCountedFirst: the directory may have more entries than it says.
func TestZipsAreCountedFirst(t *testing.T) {
	var many []entry
	for i := range 60_000 {
		many = append(many, entry{name: fmt.Sprint(i), mode: 0o644})
	}
	archive := zipOf(t, many...)
	end := bytes.LastIndex(archive, []byte("PK\x05\x06"))
	lying := bytes.Clone(archive)
	binary.LittleEndian.PutUint16(lying[end+8:], 10)
	binary.LittleEndian.PutUint16(lying[end+10:], 10)
	short := bytes.Clone(lying)
	binary.LittleEndian.PutUint32(short[end+12:], 10*47)
	behind := append(bytes.Clone(archive), "more"...)
	for says, archive := range map[string][]byte{"more than 10000 entries": archive, "another size than it says": lying,
		"does not lie where it says": short, "not a zip file": behind} {
		var err error
		took := taken(func() { _, err = unpack(t, download.Unpacker{}, "a.zip", archive) })
		assert.ErrorContains(t, err, says)
		assert.Less(t, took, uint64(4<<20), "%s: %d bytes of archive", says, len(archive))
	}
}

// TestHeadersOfTarAreBounded: names, and files that are holes.
func TestHeadersOfTarAreBounded(t *testing.T) {
	t.Parallel()
	long := entry{name: strings.Repeat("a/", 2999) + "a", mode: 0o644}
	_, err := unpack(t, download.Unpacker{}, "a.tar", tarOf(t, long))
	assert.ErrorContains(t, err, "has a name of 5999 bytes")

	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for range 30 {
		require.NoError(t, w.WriteHeader(&tar.Header{Typeflag: tar.TypeXGlobalHeader,
			PAXRecords: map[string]string{"comment": "x"}}))
	}
	require.NoError(t, w.Close())
	_, err = unpack(t, download.Unpacker{MaxFiles: 20}, "a.tar", b.Bytes())
	assert.ErrorContains(t, err, "more than 20 entries")

	_, err = unpack(t, download.Unpacker{}, "a.tar", sparseTar(t))
	assert.ErrorContains(t, err, "is a sparse file")
}

// sparseTar has a file of one GiB, all of it a hole.
func sparseTar(t *testing.T) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	records :=
		"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n25 GNU.sparse.name=holes\n34 GNU.sparse.realsize=1073741824\n"
	head := &tar.Header{Name: "pax", Typeflag: 'x', Size: int64(len(records)), Mode: 0o644}
	raw := make([]byte, 512)
	copy(raw, head.Name)
	copy(raw[100:], "0000644\x00")
	copy(raw[124:], fmt.Sprintf("%011o\x00", len(records)))
	copy(raw[136:], "00000000000\x00")
	raw[156] = 'x'
	copy(raw[257:], "ustar\x0000")
	seal(raw)
	b.Write(raw)
	b.WriteString(records)
	b.Write(make([]byte, -len(records)&511))
	file := make([]byte, 512)
	copy(file, "GNUSparseFile.0/holes")
	copy(file[100:], "0000644\x00")
	copy(file[124:], fmt.Sprintf("%011o\x00", 512))
	copy(file[136:], "00000000000\x00")
	file[156] = '0'
	copy(file[257:], "ustar\x0000")
	seal(file)
	b.Write(file)
	sparse := make([]byte, 512)
	copy(sparse, "0\n")
	b.Write(sparse)
	require.NoError(t, w.Close())
	return b.Bytes()
}

// seal writes the checksum of a tar header.
func seal(head []byte) {
	copy(head[148:], "        ")
	sum := 0
	for _, c := range head {
		sum += int(c)
	}
	copy(head[148:], fmt.Sprintf("%06o\x00 ", sum))
}

// TestUnpackLooksAtTheSpaceFirst, and writes nothing where there is too little.
func TestUnpackLooksAtTheSpaceFirst(t *testing.T) {
	t.Parallel()
	zeros := entry{name: "z", mode: 0o644, data: strings.Repeat("\x00", 1<<20)}
	archive := write(t, filepath.Join(t.TempDir(), "a"), tarOf(t, zeros))
	dir := filepath.Join(t.TempDir(), "new")
	err := download.UnpackInto(t.Context(), archive, "a.tar", dir, 1<<20)
	var failure *ota.Failure
	require.ErrorAs(t, err, &failure)
	assert.Equal(t, ota.SpaceLow, failure.Code)
	left, _ := os.ReadDir(dir)
	assert.Empty(t, left)
	assert.NoError(t, download.UnpackInto(t.Context(), archive, "a.tar", dir, 2<<20))
}

// FuzzXZ makes streams whose checksums are right, whatever else they are.
func FuzzXZ(f *testing.F) {
	f.Add([]byte{2}, []byte("abc"), uint8(1), uint8(1))
	f.Add([]byte{2, 40, 36}, []byte("abcabcabc"), uint8(3), uint8(2))
	f.Add([]byte{28, 28, 28, 28}, []byte{}, uint8(200), uint8(1))
	f.Fuzz(func(t *testing.T, codes, content []byte, blocks, streams uint8) {
		if len(codes) == 0 || len(content) > 1<<16 {
			return
		}
		parts := make([][]byte, int(blocks))
		if len(parts) > 0 {
			parts[0] = tarOf(t, entry{name: "f", mode: 0o644, data: string(content)})
		}
		var archive []byte
		for range streams % 4 {
			archive = append(archive, xzFile(t, codes, parts...)...)
		}
		took := taken(func() {
			_, _ = unpack(t, download.Unpacker{MaxFiles: 20, MaxBytes: 1 << 16}, "a.tar.xz", archive)
		})
		// The dictionaries that an archive may ask for, and what reads it beside them.
		assert.Less(t, took, uint64(1<<30+64<<20), "for an archive of %d bytes", len(archive))
	})
}
