package bzip2_test

import (
	"bytes"
	stdlib "compress/bzip2"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/bzip2"
)

func pack(t testing.TB, level int, text []byte) []byte {
	var packed bytes.Buffer
	w, err := bzip2.NewWriter(&packed, level)
	require.NoError(t, err)
	_, err = w.Write(text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return packed.Bytes()
}

func open(packed []byte, space *bzip2.Space) *bzip2.Reader {
	return bzip2.NewReader(bytes.NewReader(packed), 0, int64(len(packed)), space)
}

// texts are contents that each do something else to a block.
func texts() map[string][]byte {
	random := make([]byte, 350_000) // several blocks of level 1
	_, _ = rand.NewChaCha8([32]byte{1}).Read(random)
	few := bytes.Clone(random[:250_000])
	for i := range few {
		few[i] &= 3
	}
	return map[string][]byte{
		"empty": nil, "one byte": {7}, "two": []byte("ab"), "all bytes": random[:5000], "random": random,
		"few letters": few, "zeros": make([]byte, 1_000_000), "one run": bytes.Repeat([]byte{9}, 259),
		"runs of four": bytes.Repeat([]byte("aaaab"), 30_000),
		"runs": []byte(strings.Repeat("a", 3) + strings.Repeat("b", 4) + strings.Repeat("c", 5) +
			strings.Repeat("d", 255) + strings.Repeat("e", 256) + strings.Repeat("f", 511)),
		"words": bytes.Repeat([]byte("the quick brown fox jumps over the lazy dog\n"), 3000),
	}
}

func TestRoundTrip(t *testing.T) {
	for name, text := range texts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, level := range []int{1, 9} {
				packed := pack(t, level, text)
				ours, err := io.ReadAll(open(packed, &bzip2.Space{}))
				require.NoError(t, err)
				require.True(t, bytes.Equal(text, ours), "our reader reads something else")
				theirs, err := io.ReadAll(stdlib.NewReader(bytes.NewReader(packed)))
				require.NoError(t, err, "the standard library refuses what we write")
				require.True(t, bytes.Equal(text, theirs), "the standard library reads something else")
			}
		})
	}
}

func TestReadsAStreamOfTheCommand(t *testing.T) {
	packed,
		err := hex.DecodeString(
		"425a68393141592653592b2f4a2e000003510001004000340120002129a36a0c037199052b50f1772453850902b2f4a2e0")
	require.NoError(t, err)
	text, err := io.ReadAll(open(packed, &bzip2.Space{}))
	require.NoError(t, err)
	assert.Equal(t, "aaaaaaaaaabanana bandana", string(text))
}

// Readers that share a space take it from one another in the middle of blocks
// and of runs.
func TestSharedSpace(t *testing.T) {
	var space bzip2.Space
	var readers []*bzip2.Reader
	var want, got [][]byte
	for _, name := range []string{"few letters", "zeros", "runs", "words"} {
		text := texts()[name]
		readers = append(readers, open(pack(t, 1, text), &space))
		want, got = append(want, text), append(got, nil)
	}
	random := rand.New(rand.NewPCG(3, 4))
	for len(readers) > 0 {
		i := random.IntN(len(readers))
		if len(got[i]) == len(want[i]) {
			n, err := readers[i].Read(make([]byte, 1))
			require.Zero(t, n)
			require.Equal(t, io.EOF, err)
			readers, want, got = slices.Delete(readers, i, i+1), slices.Delete(want, i, i+1), slices.Delete(got, i, i+1)
			continue
		}
		piece := make([]byte, min(1+random.IntN(60_000), len(want[i])-len(got[i])))
		n, err := readers[i].Read(piece)
		require.NoError(t, err)
		require.Equal(t, len(piece), n, "a read is not filled")
		got[i] = append(got[i], piece...)
		require.True(t, bytes.Equal(want[i][:len(got[i])], got[i]))
	}
}

func TestMalformed(t *testing.T) {
	good := pack(t, 1, []byte("some text, some text, some text"))
	for name, packed := range map[string][]byte{
		"nothing": nil, "not bzip2": []byte("BZx9........"), "level 0": []byte("BZh0........"),
		"no block": []byte("BZh1\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), "cut": good[:len(good)/2],
		"cut at the end": good[:len(good)-8],
	} {
		_, err := io.ReadAll(open(packed, &bzip2.Space{}))
		require.Error(t, err, name)
	}
	_, err := bzip2.NewWriter(io.Discard, 0)
	require.ErrorContains(t, err, "level 0")
}

// FuzzReader holds the Reader against the standard library's, which looks at
// checksums and so may refuse more. It does so at the end of a block only, and
// until then lets pass what the format does not allow; so a stream counts as one
// that it takes when it has read all of it.
func FuzzReader(f *testing.F) {
	for _, text := range []string{"", "a", "banana bandana", strings.Repeat("ab", 300)} {
		f.Add(pack(f, 1, []byte(text)))
	}
	// A block of more than a megabyte whose codes and checksum are wrong.
	// Bits that stand for no symbol of an incomplete code.
	f.Add([]byte("BZh11AY&SY=\x89\x10\xfb\x00\x00\x95\x81\x000\x00 \x00#\xa4\b1H\xc5#\x8b\xb9\"\x9c(H\x1e\xc4\x88}\x80"))
	f.Add([]byte("BZh11AY&SY0000\x0000\x81\x000\x00 \x00 \xa40\x9c(H&07"))
	f.Fuzz(func(t *testing.T, packed []byte) {
		const most = 8 << 20
		ours, err := io.ReadAll(io.LimitReader(open(packed, &bzip2.Space{}), most))
		theirs, stdErr := io.ReadAll(io.LimitReader(stdlib.NewReader(bytes.NewReader(packed)), most))
		if stdErr != nil || len(theirs) == most {
			return
		}
		if err != nil && strings.Contains(err.Error(), "bits that stand for no symbol") {
			return // the bzip2 command refuses them as well; the standard library takes them for others
		}
		// The standard library reads streams that follow one another.
		if err != nil || !bytes.HasPrefix(theirs, ours) {
			t.Fatalf("%d bytes and %v, not %d", len(ours), err, len(theirs))
		}
	})
}

func FuzzWriter(f *testing.F) {
	f.Add([]byte("banana"), uint8(3))
	f.Add(make([]byte, 300), uint8(1))
	f.Fuzz(func(t *testing.T, text []byte, repeat uint8) {
		if len(text) > 4<<10 {
			return
		}
		text = bytes.Repeat(text, int(repeat))
		got, err := io.ReadAll(stdlib.NewReader(bytes.NewReader(pack(t, 1, text))))
		if err != nil || !bytes.Equal(text, got) {
			t.Fatalf("%d bytes become %d, %v", len(text), len(got), err)
		}
	})
}

func BenchmarkReader(b *testing.B) {
	packed := pack(b, 9, bytes.Repeat(texts()["few letters"], 4))
	for b.Loop() {
		n, err := io.Copy(io.Discard, open(packed, &bzip2.Space{}))
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(n)
	}
}
