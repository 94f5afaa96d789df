package firmwaretest

import (
	"bytes"
	"crypto/sha256"
	"hash/fnv"
	"math/rand/v2"

	"github.com/klauspost/compress/zstd"

	"otafleet/internal/bsdiff"
	"otafleet/internal/ota"
)

// chunk is the chunk size of the suite's files: small, so that a file has
// several.
const chunk = 8 << 10

// Content makes the content of a version: the version on a line of its own,
// then size random bytes, always the same.
func Content(version string, size int) []byte {
	h := fnv.New64a()
	h.Write([]byte(version))
	var seed [32]byte
	h.Sum(seed[:0])
	content := make([]byte, size)
	// ChaCha8 never fails to read.
	_, _ = rand.NewChaCha8(seed).Read(content)
	return append([]byte(version+"\n"), content...)
}

// Plain describes a file that is transferred as it is.
func Plain(name string, data []byte) ota.File {
	f := ota.File{Name: name, Size: int64(len(data)), SHA256: sha256.Sum256(data), Chunk: chunk, Encoding: ota.Plain}
	for rest := data; len(rest) > 0; {
		n := min(chunk, len(rest))
		f.Chunks = append(f.Chunks, sha256.Sum256(rest[:n]))
		rest = rest[n:]
	}
	return f
}

// Zstd describes a file that is transferred in a zstd frame, and gives the
// bytes to transfer.
func Zstd(name string, image []byte) (ota.File, []byte) {
	var packed bytes.Buffer
	w, err := zstd.NewWriter(&packed, zstd.WithEncoderConcurrency(1))
	if err == nil {
		_, err = w.Write(image)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err) // a buffer takes every write
	}
	f := Plain(name, packed.Bytes())
	f.Encoding = ota.Zstd
	f.Output = &ota.Output{Size: int64(len(image)), SHA256: sha256.Sum256(image)}
	return f, packed.Bytes()
}

// BSDiff describes a file that is transferred as a patch from one image to
// another, and gives the bytes to transfer.
func BSDiff(name string, from, to []byte) (ota.File, []byte) {
	var patch bytes.Buffer
	if err := bsdiff.Make(&patch, from, to); err != nil {
		panic(err) // a buffer takes every write
	}
	f := Plain(name, patch.Bytes())
	f.Encoding = ota.BSDiff
	f.Output = &ota.Output{Size: int64(len(to)), SHA256: sha256.Sum256(to)}
	f.Base = &ota.Output{Size: int64(len(from)), SHA256: sha256.Sum256(from)}
	return f, patch.Bytes()
}

// DeltaPackage is a package of one patch.
func DeltaPackage(name string, from, to []byte) Package {
	file, patch := BSDiff(name, from, to)
	return Package{Files: []ota.File{file}, Data: [][]byte{patch}, Live: to}
}

// PlainPackage is a package of one plain file that is live as it is.
func PlainPackage(name string, content []byte) Package {
	return Package{Files: []ota.File{Plain(name, content)}, Data: [][]byte{content}, Live: content}
}

// ZstdPackage is a package of one file that is live after decoding.
func ZstdPackage(name string, content []byte) Package {
	file, packed := Zstd(name, content)
	return Package{Files: []ota.File{file}, Data: [][]byte{packed}, Live: content}
}
