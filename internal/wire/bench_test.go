package wire_test

import (
	"crypto/ed25519"
	"testing"

	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

func BenchmarkEncodeStatus(b *testing.B) { benchmarkEncodeUp(b, failedReport()) }

func BenchmarkDecodeAck(b *testing.B) {
	for name, text := range map[string]string{"read": `{"plan":"spring-2026","seq":12}`,
		"json": `{"plan": "spring-2026", "seq": 12}`} {
		b.Run(name, func(b *testing.B) {
			payload := []byte(text)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := wire.DecodeDown(wire.KindAck, payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecodeStatus(b *testing.B) { benchmarkDecodeUp(b, failedReport()) }

func BenchmarkDecodeInventory(b *testing.B) { benchmarkDecodeUp(b, inventory()) }

func BenchmarkEncodePlan(b *testing.B) {
	m := plan()
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := wire.EncodeDown(m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodePlan(b *testing.B) {
	kind, payload, err := wire.EncodeDown(plan())
	require.NoError(b, err)
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.DecodeDown(kind, payload); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	trust := wire.Trust{Keys: []ed25519.PublicKey{public(1), public(2)}}
	e := envelope(b, key(2))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := trust.Open(e); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkEncodeUp(b *testing.B, m ota.Up) {
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := wire.EncodeUp(m); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkDecodeUp(b *testing.B, m ota.Up) {
	kind, payload, err := wire.EncodeUp(m)
	require.NoError(b, err)
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.DecodeUp(kind, payload); err != nil {
			b.Fatal(err)
		}
	}
}
