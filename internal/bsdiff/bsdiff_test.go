package bsdiff_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/bsdiff"
	"otafleet/internal/bzip2"
)

func patch(t testing.TB, old, new []byte) []byte {
	var out bytes.Buffer
	require.NoError(t, bsdiff.Make(&out, old, new))
	return out.Bytes()
}

func apply(old, patch []byte) ([]byte, error) {
	r, err := bsdiff.NewReader(bytes.NewReader(old), bytes.NewReader(patch), int64(len(patch)))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// program is something like a program: words that depend on their place.
func program(size int, shift uint32) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, 0, size)
	for len(b) < size {
		if random.IntN(4) == 0 {
			b = binary.LittleEndian.AppendUint32(b, 0x400000+shift+uint32(random.IntN(1<<20)))
		} else {
			b = binary.LittleEndian.AppendUint32(b, random.Uint32()&0x0f0f3f3f)
		}
	}
	return b
}

func pairs() map[string][2][]byte {
	random := make([]byte, 50_000)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(random)
	old := program(100_000, 0)
	moved := program(100_000, 96)
	grown := append(append(bytes.Clone(moved[:25_000]), random[:96]...), moved[25_000:]...)
	zeros := make([]byte, 1<<18)
	return map[string][2][]byte{
		"nothing": {}, "from nothing": {nil, random[:5000]}, "to nothing": {random[:5000], nil},
		"equal": {old, old}, "moved": {old, grown}, "cut short": {grown, old[:37_501]},
		"of another": {random, old[:25_000]}, "swapped halves": {old, append(bytes.Clone(old[50_000:]), old[:50_000]...)},
		"zeros":        {append(bytes.Clone(zeros), old...), append(append(bytes.Clone(zeros[:1<<17]), grown...), zeros...)},
		"twice":        {old[:12_500], append(bytes.Clone(old[:12_500]), old[:12_500]...)},
		"one byte off": {old, append([]byte{1}, old...)},
	}
}

func TestMakeAndApply(t *testing.T) {
	for name, p := range pairs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			made := patch(t, p[0], p[1])
			got, err := apply(p[0], made)
			require.NoError(t, err)
			require.True(t, bytes.Equal(p[1], got))
			if name == "moved" {
				assert.Less(t, len(made), len(p[1])/4, "a patch of moved code must be small")
			}
		})
	}
}

func file(t testing.TB, name string) []byte {
	content, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return content
}

// testdata/command.patch was made with Debian's bsdiff 4.3.
func TestPatchOfTheCommand(t *testing.T) {
	got, err := apply(file(t, "old"), file(t, "command.patch"))
	require.NoError(t, err)
	assert.True(t, bytes.Equal(file(t, "new"), got))
}

// A patch whose blocks are large makes its streams share one space.
func TestLargeBlocks(t *testing.T) {
	p := pairs()["moved"]
	made := patch(t, p[0], p[1])
	for _, at := range []int64{32, 32 + int64(made[8]) + int64(made[9])<<8, 32 + int64(made[8]) + int64(made[9])<<8 +
		int64(made[16]) + int64(made[17])<<8} {
		require.Equal(t, "BZh2", string(made[at:at+4]))
		made[at+3] = '9' // a block of level 2 is one of level 9 too
	}
	got, err := apply(p[0], made)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(p[1], got))
}

func TestMalformed(t *testing.T) {
	old, good := file(t, "old"), file(t, "command.patch")
	change := func(at int, to ...byte) []byte {
		bad := bytes.Clone(good)
		copy(bad[at:], to)
		return bad
	}
	triple := func(add, take, move uint64) []byte {
		var numbers []byte
		for _, n := range []uint64{add, take, move} {
			numbers = binary.LittleEndian.AppendUint64(numbers, n)
		}
		return withTriples(t, 100, numbers)
	}
	for name, bad := range map[string][]byte{
		"nothing": nil, "short": good[:31], "magic": change(0, 'X'), "header longer than the patch": change(8, 0xff, 0xff,
			0xff),
		"negative length": change(15, 0x80), "second stream too long": change(16, 0xff, 0xff, 0xff),
		"negative size":           change(31, 0x80),
		"larger than its triples": change(24, 0xff, 0xff), "smaller than its triples": change(24, 5, 0),
		"first stream": change(32, 'X'), "cut": good[:len(good)-40],
		"adds too much": triple(101, 0, 0), "takes too much": triple(50, 51, 0), "adds a negative number": triple(1<<63|1, 0,
			0),
		"takes a negative number": triple(0, 1<<63|1, 0), "moves too far": triple(0, 0, 1<<62),
		"sum overflows": triple(1<<62, 1<<62, 0),
	} {
		_, err := apply(old, bad)
		require.Error(t, err, name)
	}
}

// withTriples makes a patch to an image of a size from triples alone.
func withTriples(t testing.TB, size int64, triples []byte) []byte {
	streams := make([][]byte, 3)
	for i, text := range [][]byte{triples, nil, nil} {
		var packed bytes.Buffer
		w, err := bzip2.NewWriter(&packed, 1)
		require.NoError(t, err)
		_, _ = w.Write(text)
		require.NoError(t, w.Close())
		streams[i] = packed.Bytes()
	}
	p := []byte("BSDIFF40")
	for _, n := range []int64{int64(len(streams[0])), int64(len(streams[1])), size} {
		p = binary.LittleEndian.AppendUint64(p, uint64(n))
	}
	return append(p, bytes.Join(streams, nil)...)
}

// short is an old image that ends before its time.
type short struct{ *bytes.Reader }

func (short) Size() int64 { return 1 << 20 }

func TestOldImageThatCannotBeRead(t *testing.T) {
	made := file(t, "command.patch")
	r, err := bsdiff.NewReader(short{bytes.NewReader(file(t, "old")[:100])}, bytes.NewReader(made), int64(len(made)))
	require.NoError(t, err)
	_, err = io.ReadAll(r)
	require.ErrorContains(t, err, "cannot read the image that the patch starts from")
	assert.NotErrorIs(t, err, bsdiff.ErrMalformed, "the patch is not to blame")
}

func FuzzReader(f *testing.F) {
	old := file(f, "old")
	f.Add(file(f, "command.patch"))
	f.Add(patch(f, old, file(f, "new")))
	f.Add(withTriples(f, 10, make([]byte, 2400)))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := bsdiff.NewReader(bytes.NewReader(old), bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		n, err := io.Copy(io.Discard, io.LimitReader(r, 4<<20))
		if err == nil && n < 4<<20 && n != r.Size() {
			t.Fatalf("%d bytes of %d, and no error", n, r.Size())
		}
	})
}

func FuzzMake(f *testing.F) {
	f.Add([]byte("motor 3_0 and more"), []byte("motor 3_1 and more of it"))
	f.Add(make([]byte, 300), make([]byte, 400))
	f.Fuzz(func(t *testing.T, old, new []byte) {
		if len(old)+len(new) > 8<<10 {
			return
		}
		got, err := apply(old, patch(t, old, new))
		if err != nil || !bytes.Equal(new, got) {
			t.Fatalf("%d bytes become %d, not %d: %v", len(old), len(got), len(new), err)
		}
	})
}
