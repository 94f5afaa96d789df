package wire_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

var update = flag.Bool("update", false, "rewrite the files of testdata")

// The sound values of all tests of this package.

func at(second int) time.Time {
	return time.Date(2026, 11, 23, 10, 0, second, 250e6, time.UTC)
}

func key(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
}

func public(seed byte) ed25519.PublicKey {
	return key(seed).Public().(ed25519.PublicKey)
}

func inventory() *ota.Inventory {
	return &ota.Inventory{
		Time: at(0), Agent: "ota-agent/1.0.0", Request: true,
		Components: []ota.ComponentVersion{
			{ID: "rootfs", Type: ota.Module, Version: "1.0.0"},
			{ID: "motor", Type: ota.MCU, Version: "3_1"},
		},
		Battery: new(87), RSSI: new(-71), FreeBytes: new(int64(73400320)),
		Running: &ota.Running{Plan: "p-17", Attempt: 1, Seq: 6}, Via: "gw-0001",
	}
}

func report() *ota.Report {
	return &ota.Report{
		Time: at(2), Plan: "p-17", Attempt: 1, Seq: 5, Component: "rootfs",
		Status: ota.DownloadSucceeded, Version: "1.0.0",
	}
}

func failedReport() *ota.Report {
	r := report()
	r.Seq, r.Status = 6, ota.DownloadFailed
	r.Failure = &ota.Failure{Code: ota.DigestMismatch, Detail: "chunk 12 of <rootfs.img>"}
	return r
}

func refusal() *ota.Decision {
	return &ota.Decision{
		Time: at(1), Plan: "p-17", Attempt: 1,
		Reason: ota.ReasonBattery, Detail: "18 % < 30 %", RetryAt: at(30),
	}
}

func plan() *ota.Plan {
	return &ota.Plan{
		Time: at(0), ID: "p-17", Name: "Frühling", Attempt: 1, Mode: ota.Silent,
		Ends:       time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC),
		Conditions: ota.Conditions{MinBattery: new(30), MinRSSI: new(-95), Space: 10485760},
		OnFailure:  ota.Stop,
		Components: []ota.PlanComponent{
			{ID: "rootfs", Type: ota.Module, Package: ota.Full, Sources: []string{"1.0.0"}, Target: "1.1.0", Size: 10485760},
			{ID: "motor", Type: ota.MCU, Package: ota.Delta, Sources: []string{"3_0"}, Target: "3_1", Size: 4096},
		},
	}
}

func manifest() *ota.Manifest {
	hash := func(s string) ota.Digest { return sha256.Sum256([]byte(s)) }
	return &ota.Manifest{
		Product: "gw-200", Component: "rootfs", Type: ota.Module, Package: ota.Full,
		Target: "1.1.0", Release: 42, AllowDowngrade: true, Created: at(0), Expires: at(59),
		Hardware: []string{"rev-b", "rev-c"},
		Files: []ota.File{
			{Name: "rootfs.img", Size: 1500, SHA256: hash("image"), Chunk: 1024,
				Chunks: []ota.Digest{hash("first"), hash("second")}, Encoding: ota.Plain},
			{Name: "app.zst", Size: 100, SHA256: hash("app"), Chunk: 65536,
				Chunks: []ota.Digest{hash("app")}, Encoding: ota.Zstd,
				Output: &ota.Output{Size: 400, SHA256: hash("unpacked")}},
			{Name: "empty", SHA256: hash(""), Chunk: 512, Encoding: ota.Plain},
		},
	}
}

func deltaManifest() *ota.Manifest {
	m := manifest()
	m.Package, m.Source = ota.Delta, "1.0.0"
	m.Files = m.Files[1:2]
	m.Files[0].Encoding = ota.BSDiff
	return m
}

func envelope(t testing.TB, signers ...ed25519.PrivateKey) ota.Envelope {
	payload, err := wire.EncodeManifest(manifest())
	require.NoError(t, err)
	e, err := wire.Sign(wire.ManifestType, payload, signers...)
	require.NoError(t, err)
	return e
}

func address(t testing.TB) *ota.Package {
	return &ota.Package{
		Time: at(3), Plan: "p-17", Attempt: 1, Component: "rootfs", Envelope: envelope(t, key(1)),
		Files: []ota.FileAddress{
			{Name: "rootfs.img", URLs: []string{"https://oss.example.com/rootfs.img?X-Amz-Date=1&X-Amz-Signature=2",
				"s3://bucket/key"}, Expires: at(50)},
			{Name: "app.zst", URLs: []string{"http://127.0.0.1:8080/app.zst"}},
		},
	}
}

type golden[M any] struct {
	file    string
	kind    string
	message M
}

func upMessages() []golden[ota.Up] {
	return []golden[ota.Up]{
		{"inventory", "inventory", inventory()},
		{"inventory_bare", "inventory", &ota.Inventory{Time: at(0), Agent: "ota-agent/1.0.0"}},
		{"decision_accept", "decision", &ota.Decision{Time: at(1), Plan: "p-17", Attempt: 1, Accept: true}},
		{"decision_refuse", "decision", refusal()},
		{"decision_invalid", "decision", &ota.Decision{Time: at(1), Plan: "p-17", Reason: ota.ReasonInvalidPlan}},
		{"status", "status", report()},
		{"status_failed", "status", failedReport()},
		{"progress", "progress", &ota.Progress{Time: at(4), Plan: "p-17", Component: "rootfs", Phase: ota.PhaseDownloading,
			Done: 1048576, Total: 10485760}},
		{"fetch", "fetch", &ota.AddressRequest{Time: at(5), Plan: "p-17", Attempt: 1, Component: "rootfs",
			Reason: ota.AddressExpired}},
		{"offline", "offline", &ota.Offline{}},
	}
}

func downMessages(t testing.TB) []golden[ota.Down] {
	bare := plan()
	bare.Name, bare.Conditions, bare.Mode, bare.OnFailure = "", ota.Conditions{}, ota.Manual, ota.Revert
	bare.Components = []ota.PlanComponent{{ID: "app", Type: ota.Module, Package: ota.Full, Target: "2"}}
	return []golden[ota.Down]{
		{"plan", "plan", plan()},
		{"plan_bare", "plan", bare},
		{"package", "package", address(t)},
		{"ack", "ack", &ota.Ack{Plan: "p-17", Seq: 5}},
		{"none", "none", &ota.NoPlan{Time: at(0), Reason: ota.NoPlanUpToDate}},
		{"terminate", "terminate", &ota.Termination{Time: at(0), Plan: "p-17", Reason: ota.Terminated}},
	}
}

// requireGolden compares with a file of testdata, byte for byte.
func requireGolden(t *testing.T, file string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", file+".json")
	if *update {
		require.NoError(t, os.WriteFile(path, append(got, '\n'), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got)+"\n")
}

func TestUpMessagesKeepTheirForm(t *testing.T) {
	for _, g := range upMessages() {
		t.Run(g.file, func(t *testing.T) {
			kind, payload, err := wire.EncodeUp(g.message)
			require.NoError(t, err)
			assert.Equal(t, g.kind, kind)
			requireGolden(t, g.file, payload)
			decoded, err := wire.DecodeUp(kind, payload)
			require.NoError(t, err)
			assert.Equal(t, g.message, decoded)
		})
	}
}

func TestDownMessagesKeepTheirForm(t *testing.T) {
	for _, g := range downMessages(t) {
		t.Run(g.file, func(t *testing.T) {
			kind, payload, err := wire.EncodeDown(g.message)
			require.NoError(t, err)
			assert.Equal(t, g.kind, kind)
			requireGolden(t, g.file, payload)
			decoded, err := wire.DecodeDown(kind, payload)
			require.NoError(t, err)
			assert.Equal(t, g.message, decoded)
		})
	}
}

func TestManifestsKeepTheirForm(t *testing.T) {
	for file, m := range map[string]*ota.Manifest{"manifest": manifest(), "manifest_delta": deltaManifest()} {
		t.Run(file, func(t *testing.T) {
			payload, err := wire.EncodeManifest(m)
			require.NoError(t, err)
			requireGolden(t, file, payload)
			decoded, err := wire.DecodeManifest(payload)
			require.NoError(t, err)
			assert.Equal(t, m, decoded)
		})
	}
}

func TestEnvelopesKeepTheirForm(t *testing.T) {
	for file, e := range map[string]ota.Envelope{
		"envelope": envelope(t, key(1)), "envelope_unsigned": envelope(t), "envelope_two_keys": envelope(t, key(1), key(2)),
	} {
		t.Run(file, func(t *testing.T) {
			payload, err := wire.EncodeEnvelope(e)
			require.NoError(t, err)
			requireGolden(t, file, payload)
			decoded, err := wire.DecodeEnvelope(payload)
			require.NoError(t, err)
			assert.Equal(t, e, decoded)
		})
	}
}
