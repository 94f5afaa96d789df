package virtual

import (
	"crypto/ed25519"
	"encoding/binary"
	"time"

	"otafleet/internal/bundle"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
	"otafleet/simulator/model"
	fake "otafleet/simulator/platform"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/scenario"
)

// epoch is when a virtual run begins: any time would do, as long as it is always
// the same.
func epoch() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// run is what the worlds of a run share. It is never changed while they run.
type run struct {
	scenario  *scenario.Scenario
	dialect   model.Dialect
	sleep     time.Duration // between two polls of a device
	seed      uint64
	epoch     time.Time
	artifacts []*artifact
	schedule  []model.Step
	machines  *model.Settings
	sign      func(*ota.Manifest) (ota.Envelope, error)
	platform  *engine.Engine // with the packages and plans; each world has a fork of it
}

// artifact is a package as the platform hands it out.
type artifact struct {
	model.Package
	urls  []string    // one for each file
	files []fake.File // of a dialect that names their digests
}

// newRun prepares what the worlds share.
func newRun(s *scenario.Scenario, d model.Dialect, seed uint64) (*run, error) {
	r := &run{scenario: s, dialect: d, seed: seed, epoch: epoch(), schedule: model.Schedule(s, true),
		sleep: model.PollPause(s.Devices(), s.Duration)}
	if err := r.checkDialect(); err != nil {
		return nil, err
	}
	public, private := keys(seed)
	made, err := model.MakePackages(s, seed, private, r.epoch)
	if err != nil {
		return nil, err
	}
	for i := range made {
		w := &artifact{Package: made[i]}
		for k := range w.Manifest.Files {
			w.urls = append(w.urls, "https://store.invalid/"+w.Reference+"/"+w.Manifest.Files[k].Name)
		}
		if err := w.describe(d); err != nil {
			return nil, err
		}
		w.Bytes = nil // a modelled store serves none
		r.artifacts = append(r.artifacts, w)
	}
	r.sign = func(m *ota.Manifest) (ota.Envelope, error) { return bundle.Seal(m, private) }
	if err := r.preparePlatform(); err != nil {
		return nil, err
	}
	r.machines = model.NewSettings(s, d, r.opener(&wire.Trust{Keys: []ed25519.PublicKey{public}}))
	return r, nil
}

// preparePlatform gives the packages and plans to a plan engine. Rounds of a plan are
// created when they begin; here they are only tried.
func (r *run) preparePlatform() error {
	var orders []engine.Command
	for _, w := range r.artifacts {
		orders = append(orders, engine.AddPackage{Manifest: *w.Manifest, Reference: w.Reference})
	}
	for i := range r.scenario.Plans {
		for _, p := range r.scenario.Plans[i].Making() {
			orders = append(orders, engine.CreatePlan{Plan: model.PlanSpec(r.scenario, p, r.epoch, nil)})
			if r.scenario.Plans[i].Repeat != nil {
				orders = append(orders, engine.DeletePlan{Plan: p.Name})
			}
		}
	}
	r.platform = engine.New()
	for _, order := range orders {
		if _, err := r.platform.Command(r.epoch, order); err != nil {
			return err
		}
	}
	return nil
}

// artifact finds a package by its reference, which the engine has from here.
func (r *run) artifact(reference string) *artifact {
	for _, w := range r.artifacts {
		if w.Reference == reference {
			return w
		}
	}
	panic("internal error: unknown package " + reference)
}

// keys are the platform's, and the same for the same seed: nothing that they
// sign leaves the run.
func keys(seed uint64) (ed25519.PublicKey, ed25519.PrivateKey) {
	var text [ed25519.SeedSize]byte
	binary.LittleEndian.PutUint64(text[:], seed)
	private := ed25519.NewKeyFromSeed(text[:])
	return private.Public().(ed25519.PublicKey), private
}

// opener verifies the envelopes of the run's packages once, and any other one
// each time.
func (r *run) opener(trust *wire.Trust) func(ota.Envelope) (*ota.Manifest, error) {
	return func(e ota.Envelope) (*ota.Manifest, error) {
		for _, w := range r.artifacts {
			if same(&e, &w.Envelope) || !r.dialect.IsNative() && equal(&e, &w.Envelope) {
				return w.Manifest, nil
			}
		}
		return trust.Open(e)
	}
}

// same reports whether two envelopes are one in memory.
func same(a, b *ota.Envelope) bool {
	return len(a.Payload) > 0 && len(b.Payload) == len(a.Payload) && &a.Payload[0] == &b.Payload[0] &&
		len(a.Signatures) == len(b.Signatures) && len(a.Signatures) > 0 && &a.Signatures[0] == &b.Signatures[0]
}
