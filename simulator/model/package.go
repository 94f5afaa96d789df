package model

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"time"

	"otafleet/internal/bundle"
	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/scenario"
)

// Package is one signed package.
type Package struct {
	Name      scenario.PackageName
	Reference string // unique among the packages of a scenario
	Manifest  *ota.Manifest
	Envelope  ota.Envelope
	Bytes     []byte // of its one file, as transferred
}

// MakePackages makes the packages of all plans, each once, with bytes that depend on the
// seed alone. created is the time that the manifests bear.
func MakePackages(s *scenario.Scenario, seed uint64, key ed25519.PrivateKey, created time.Time) ([]Package, error) {
	made := map[scenario.PackageName]bool{}
	var all []Package
	for i := range s.Plans {
		for later, p := range s.Plans[i].Making() {
			for k := range p.Components {
				c := &p.Components[k]
				name := c.PackageOf(p.Product)
				if made[name] {
					continue
				}
				made[name] = true
				release := cmp.Or(int64(c.Release), int64(i+1)) + int64(later)
				pkg, err := makeOne(p, c, seed, release, key, created)
				if err != nil {
					return nil, fmt.Errorf("cannot make the package of %s for plan %s: %w", c.ID, p.Name, err)
				}
				all = append(all, pkg)
			}
		}
	}
	return all, nil
}

// downgradeValid is how long a package may take a device back, longer than any
// scenario goes on.
const downgradeValid = 10 * 365 * 24 * time.Hour

func makeOne(p *scenario.Plan, c *scenario.Component, seed uint64, release int64, key ed25519.PrivateKey,
	created time.Time) (Package, error) {
	image := randomImage(seed, p.Name+"/"+c.ID, c.Size)
	file, transferred, err := describe(c, image)
	if err != nil {
		return Package{}, err
	}
	manifest := &ota.Manifest{
		Product: p.Product, Component: c.ID, Type: c.Type, Package: c.Package, Target: c.Target,
		Release: release, AllowDowngrade: c.AllowDowngrade, Hardware: c.Hardware, Created: created, Files: []ota.File{file},
	}
	if c.AllowDowngrade { // devices take no such package without an end
		manifest.Expires = created.Add(downgradeValid)
	}
	name := c.PackageOf(p.Product)
	manifest.Source = name.Source
	envelope, err := bundle.Seal(manifest, key)
	return Package{Name: name, Reference: engine.Reference(manifest),
		Manifest: manifest, Envelope: envelope, Bytes: transferred}, err
}

// describe encodes the image as the scenario says.
func describe(c *scenario.Component, image []byte) (ota.File, []byte, error) {
	name := c.ID + ".bin"
	if c.Encoding != ota.Zstd {
		f, err := bundle.Describe(name, bytes.NewReader(image), c.Chunk)
		return f, image, err
	}
	var transferred bytes.Buffer
	if err := bundle.Compress(&transferred, bytes.NewReader(image)); err != nil {
		return ota.File{}, nil, err
	}
	f, err := bundle.Describe(name, bytes.NewReader(transferred.Bytes()), c.Chunk)
	f.Encoding, f.Output = ota.Zstd, &ota.Output{Size: int64(len(image)), SHA256: sha256.Sum256(image)}
	return f, transferred.Bytes(), err
}

// randomImage gives size bytes that depend on seed and name alone.
func randomImage(seed uint64, name string, size int64) []byte {
	var key [32]byte
	copy(key[:], fmt.Sprint(seed, "/", name))
	content := make([]byte, size)
	_, _ = rand.NewChaCha8(key).Read(content) // never fails
	return content
}
