package ota_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/ota"
)

func TestCodes(t *testing.T) {
	all := ota.Codes()
	assert.Len(t, all, 28)
	transient := 0
	for code, sentence := range all {
		assert.True(t, code.Known())
		assert.Regexp(t, `^[a-z]+(_[a-z]+)*$`, string(code))
		assert.NotEmpty(t, sentence)
		assert.Equal(t, sentence, code.Sentence())
		if code.Transient() {
			transient++
		}
	}
	for _, code := range []ota.Code{ota.HTTPError, ota.NetworkTimeout, ota.StorageUnavailable, ota.DigestMismatch,
		ota.SizeMismatch} {
		assert.True(t, code.Transient(), code)
	}
	assert.Equal(t, 5, transient)

	delete(all, ota.Internal)
	assert.True(t, ota.Internal.Known(), "Codes gives a copy")
	unknown := ota.Code("moon_phase")
	assert.False(t, unknown.Known() || unknown.Transient())
	assert.Empty(t, unknown.Sentence())
}

func TestFailureIsAnError(t *testing.T) {
	assert.EqualError(t, &ota.Failure{Code: ota.SpaceLow}, "space_low")
	assert.EqualError(t, &ota.Failure{Code: ota.SpaceLow, Detail: "1 MiB left"}, "space_low: 1 MiB left")
}

func TestWordsOfTheProtocol(t *testing.T) {
	for _, r := range []ota.Reason{"battery_low", "signal_weak", "space_low", "busy", "outside_window", "declined",
		"expired", "incompatible", "invalid_plan"} {
		assert.True(t, r.Valid(), r)
	}
	for _, r := range []ota.NoPlanReason{"up_to_date", "no_plan", "not_listed", "suspended", "outside_push_period",
		"awaiting_user", "ended"} {
		assert.True(t, r.Valid(), r)
	}
	for _, r := range []ota.AddressReason{"url_expired", "mirrors_failed", "missing", "delta_unusable"} {
		assert.True(t, r.Valid(), r)
	}
	for name, valid := range map[string]func(string) bool{
		"module mcu":           func(s string) bool { return ota.ComponentType(s).Valid() },
		"full delta":           func(s string) bool { return ota.PackageKind(s).Valid() },
		"silent manual":        func(s string) bool { return ota.Mode(s).Valid() },
		"stop continue revert": func(s string) bool { return ota.OnFailure(s).Valid() },
		"refusals":             func(s string) bool { return ota.Reason(s).Valid() },
		"reasons for no plan":  func(s string) bool { return ota.NoPlanReason(s).Valid() },
		"reasons of a fetch":   func(s string) bool { return ota.AddressReason(s).Valid() },
	} {
		for _, other := range []string{"", "other", "Module", "FULL", " stop"} {
			assert.False(t, valid(other), "%s: %q", name, other)
		}
	}
	assert.True(t, ota.Module.Valid() && ota.MCU.Valid())
	assert.True(t, ota.Full.Valid() && ota.Delta.Valid())
	assert.True(t, ota.Silent.Valid() && ota.Manual.Valid())
	assert.True(t, ota.Stop.Valid() && ota.Continue.Valid() && ota.Revert.Valid())
}

func TestClientID(t *testing.T) {
	assert.Equal(t, "gw-200.gw-0001", ota.Identity{Product: "gw-200", Device: "gw-0001"}.ClientID())
}

func TestWhatAPackageStartsFrom(t *testing.T) {
	for _, c := range []struct {
		name    string
		kind    ota.PackageKind
		sources []string
		want    bool
	}{
		{"full from anything", ota.Full, nil, true},
		{"full from a list", ota.Full, []string{"0.9", "1.0"}, true},
		{"full from others", ota.Full, []string{"0.9", "1.0.0"}, false},
		{"delta", ota.Delta, []string{"1.0"}, true},
		{"delta from another", ota.Delta, []string{"0.9"}, false},
		{"delta from nothing", ota.Delta, nil, false},
	} {
		component := ota.PlanComponent{Package: c.kind, Sources: c.sources}
		assert.Equal(t, c.want, component.StartsFrom("1.0"), c.name)
	}
}

func TestComponentsAreFoundByID(t *testing.T) {
	plan := ota.Plan{Components: []ota.PlanComponent{{ID: "rootfs"}, {ID: "motor"}}}
	assert.Equal(t, 0, plan.Component("rootfs"))
	assert.Equal(t, 1, plan.Component("motor"))
	assert.Equal(t, -1, plan.Component(""))
}

func TestChunksCoverTheFile(t *testing.T) {
	for _, size := range []int64{1, 511, 512, 513, 1024, 5000} {
		f := ota.File{Size: size, Chunk: 512}
		var covered int64
		for i := 0; covered < size; i++ {
			offset, length := f.ChunkAt(i)
			assert.Equal(t, covered, offset)
			assert.Positive(t, length)
			assert.LessOrEqual(t, length, f.Chunk)
			covered += length
		}
		assert.Equal(t, size, covered)
	}
	large := ota.File{Size: ota.MaxFileSize, Chunk: ota.MaxChunk}
	offset, length := large.ChunkAt(ota.MaxFileSize/ota.MaxChunk - 1)
	assert.Equal(t, int64(ota.MaxFileSize), offset+length)
	assert.Less(t, offset, int64(math.MaxInt64))
}

func TestSizesOfAManifest(t *testing.T) {
	m := ota.Manifest{Files: []ota.File{
		{Size: 100, SHA256: ota.Digest{1}},
		{Size: 20, SHA256: ota.Digest{2}, Output: &ota.Output{Size: 900, SHA256: ota.Digest{3}}},
	}}
	assert.Equal(t, int64(120), m.TransferSize())
	assert.Equal(t, ota.Output{Size: 100, SHA256: ota.Digest{1}}, m.Files[0].Image())
	assert.Equal(t, ota.Output{Size: 900, SHA256: ota.Digest{3}}, m.Files[1].Image())
}

func TestWhatAnEndMeansForAComponent(t *testing.T) {
	assert.Equal(t, ota.PlanTerminated, (&ota.Termination{Reason: ota.Terminated}).Code())
	assert.Equal(t, ota.PlanExpired, (&ota.Termination{Reason: ota.Ended}).Code())
}
