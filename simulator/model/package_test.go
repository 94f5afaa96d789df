package model_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"io"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/internal/wire"
	"otafleet/simulator/model"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/scenario"
)

const twoPlans = `
scenario: test
duration: 1m
fleet:
  - name: gw
    count: 1000
    product: gw-200
    components: [{id: app, type: module, version: 1.0.0}]
plans:
  - name: first
    product: gw-200
    components: [{id: app, package: full, target: 1.1.0, size: 100KiB, chunk: 16KiB}]
    mode: manual
    users: {confirm: 50%, cancel: 30%, after: 10s..20s}
  - name: again
    product: gw-200
    components: [{id: app, package: full, target: 1.1.0, size: 100KiB, chunk: 16KiB}]
  - name: second
    product: gw-200
    components: [{id: app, package: full, target: 1.2.0, size: 50KiB, encoding: zstd}]
`

func parse(t *testing.T) *scenario.Scenario {
	t.Helper()
	s, err := scenario.Parse("test.yaml", []byte(twoPlans))
	require.NoError(t, err)
	return s
}

// TestMake holds that packages are what a device would accept, each made once,
// later plans with later releases, and the same for the same seed.
func TestMake(t *testing.T) {
	public, key, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	created := time.Date(2026, 7, 3, 0, 0, 0, 0, time.UTC)
	packages, err := model.MakePackages(parse(t), 42, key, created)
	require.NoError(t, err)
	require.Len(t, packages, 2, "the second plan wants the package of the first")

	trust := wire.Trust{Keys: []ed25519.PublicKey{public}}
	for i, p := range packages {
		m, err := trust.Open(p.Envelope)
		require.NoError(t, err)
		assert.Equal(t, p.Manifest.Target, m.Target)
		assert.Equal(t, []int64{1, 3}[i], m.Release)
		assert.Equal(t, ota.Digest(sha256.Sum256(p.Bytes)), m.Files[0].SHA256)
		assert.EqualValues(t, len(p.Bytes), m.Files[0].Size)
	}
	assert.NotEqual(t, packages[0].Reference, packages[1].Reference)

	compressed := packages[1]
	decoder, err := zstd.NewReader(bytes.NewReader(compressed.Bytes))
	require.NoError(t, err)
	defer decoder.Close()
	image, err := io.ReadAll(decoder)
	require.NoError(t, err)
	assert.Len(t, image, 50<<10)
	assert.Equal(t, compressed.Manifest.Files[0].Output.SHA256, ota.Digest(sha256.Sum256(image)))

	again, err := model.MakePackages(parse(t), 42, key, created)
	require.NoError(t, err)
	assert.Equal(t, packages, again)
	other, err := model.MakePackages(parse(t), 43, key, created)
	require.NoError(t, err)
	assert.NotEqual(t, packages[0].Bytes, other[0].Bytes)
}

// TestUsers holds that as many users agree and decline as the plan says, at times
// within its range, each of them always the same.
func TestUsers(t *testing.T) {
	s := parse(t)
	said := map[engine.UserOperation]int{}
	for n := range 1000 {
		device := s.Fleets[0].Device(n)
		operation, after, answers := model.UserOf(&s.Plans[0], &s.Fleets[0], device, 42)
		said[operation]++
		if answers {
			assert.GreaterOrEqual(t, after, 10*time.Second)
			assert.Less(t, after, 20*time.Second)
		}
		same, then, _ := model.UserOf(&s.Plans[0], &s.Fleets[0], device, 42)
		assert.Equal(t, operation, same)
		assert.Equal(t, after, then)
	}
	assert.InDelta(t, 500, said[engine.UserConfirm], 60)
	assert.InDelta(t, 300, said[engine.UserCancel], 60)
	assert.InDelta(t, 200, said[""], 60)

	_, _, answers := model.UserOf(&s.Plans[2], &s.Fleets[0], "gw-000001", 42)
	assert.False(t, answers, "no user is asked")
}
