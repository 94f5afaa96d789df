package harness

import (
	"bytes"
	"crypto/ed25519"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"otafleet/internal/bundle"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

// Key signs packages.
type Key struct{ ed25519.PrivateKey }

// NewKey makes a key that no other test has.
func NewKey(t testing.TB) Key {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return Key{private}
}

// Public is the file that devices trust.
func (k Key) Public(t testing.TB) []byte {
	t.Helper()
	file, err := wire.MarshalPublicKey(k.PrivateKey.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// Package is a package on its way to a platform. Its three parts may be made to
// contradict each other, as a thief, a broken store or a mistake would.
type Package struct {
	Manifest *ota.Manifest // what the platform knows of it
	Envelope ota.Envelope  // what devices get to verify
	Content  [][]byte      // what the store serves of each file
}

// Pack makes the package of a full upgrade of one component to target: one file
// with the given content. change may alter the manifest before it is signed;
// without keys it is not signed.
func Pack(t testing.TB, component, target string, release int64, content []byte, change func(*ota.Manifest),
	keys ...Key) *Package {
	t.Helper()
	file, err := bundle.Describe(component+".img", bytes.NewReader(content), 0)
	if err != nil {
		t.Fatal(err)
	}
	manifest := &ota.Manifest{
		Product: Product, Component: component, Type: ota.Module, Package: ota.Full,
		Target: target, Release: release, Created: time.Now(), Files: []ota.File{file},
	}
	if change != nil {
		change(manifest)
	}
	p := &Package{Manifest: manifest, Content: [][]byte{content}}
	p.Seal(t, manifest, keys...)
	return p
}

// Seal signs a manifest, which may differ from what the platform knows.
func (p *Package) Seal(t testing.TB, manifest *ota.Manifest, keys ...Key) {
	t.Helper()
	var private []ed25519.PrivateKey
	for _, k := range keys {
		private = append(private, k.PrivateKey)
	}
	envelope, err := bundle.Seal(manifest, private...)
	if err != nil {
		t.Fatal(err)
	}
	p.Envelope = envelope
}

func (p *Package) readers() []io.ReaderAt {
	readers := make([]io.ReaderAt, len(p.Content))
	for i, content := range p.Content {
		readers[i] = bytes.NewReader(content)
	}
	return readers
}

// Image makes content that cannot be compressed, the same for the same seed.
func Image(seed uint64, size int) []byte {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	image := make([]byte, size)
	_, _ = rand.NewChaCha8(key).Read(image) // never fails
	return image
}
