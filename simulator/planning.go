package simulator

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"otafleet/internal/bundle"
	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/scenario"
)

// planSlack is how long after the run a plan goes on: a run that ends by its
// own clock must not end the plan's.
const planSlack = 24 * time.Hour

// plan makes the packages of the scenario's plans and puts the plans into
// effect.
func (w *world) plan(ctx context.Context, key ed25519.PrivateKey) error {
	made := map[scenario.PackageName]bool{}
	for i := range w.scenario.Plans {
		p := &w.scenario.Plans[i]
		for k := range p.Components {
			c := &p.Components[k]
			name := c.PackageOf(p.Product)
			if made[name] {
				continue
			}
			made[name] = true
			if err := w.addPackage(ctx, p, c, cmp.Or(int64(c.Release), int64(i+1)), key); err != nil {
				return fmt.Errorf("plan %s: %w", p.Name, err)
			}
		}
		if err := w.createPlan(p); err != nil {
			return err
		}
	}
	return nil
}

// addPackage makes a package of random bytes, the same for the same seed.
func (w *world) addPackage(ctx context.Context, p *scenario.Plan, c *scenario.Component, release int64, key ed25519.PrivateKey) error {
	content := randomImage(w.seed, p.Name+"/"+c.ID, c.Size)
	file, transferred, err := describe(c, content)
	if err != nil {
		return err
	}
	manifest := ota.Manifest{
		Product: p.Product, Component: c.ID, Type: c.Type, Package: c.Package, Target: c.Target,
		Release: release, AllowDowngrade: c.AllowDowngrade, Hardware: c.Hardware, Created: time.Now(), Files: []ota.File{file},
	}
	if c.Package == ota.Delta {
		manifest.Source = c.Sources[0]
	}
	envelope, err := bundle.Seal(&manifest, key)
	if err != nil {
		return err
	}
	return w.platform.AddPackage(ctx, envelope, &manifest, []io.ReaderAt{bytes.NewReader(transferred)})
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

func (w *world) createPlan(p *scenario.Plan) error {
	spec := engine.PlanSpec{
		ID: p.Name, Name: p.Name, Product: p.Product, Zone: time.UTC,
		Start: time.Now().Add(-time.Minute), End: time.Now().Add(w.scenario.Duration + planSlack),
		Mode: p.Mode, Retries: p.Retries, MinBattery: p.Conditions.MinBattery, MinRSSI: p.Conditions.MinRSSI, OnFailure: p.OnFailure,
	}
	for _, c := range p.Components {
		spec.Components = append(spec.Components, engine.ComponentSpec{
			ID: c.ID, Type: c.Type, Package: c.Package, Sources: c.Sources, Target: c.Target,
		})
	}
	if err := w.platform.Command(engine.CreatePlan{Plan: spec}); err != nil {
		return err
	}
	return w.platform.Command(engine.Activate{Plan: spec.ID})
}
