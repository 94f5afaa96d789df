package wire_test

import (
	"bytes"
	"crypto/ed25519"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

// The property of every decoder: it never panics, and what it accepts is
// written and read again without a change.

// seeds adds the files of testdata, each with a number for its kind.
func seeds(f *testing.F, kinds []string) {
	files, err := filepath.Glob("testdata/*.json")
	require.NoError(f, err)
	require.NotEmpty(f, files)
	for _, file := range files {
		payload, err := os.ReadFile(file)
		require.NoError(f, err)
		name, _, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".json"), "_")
		for i, kind := range kinds {
			if kind == name {
				f.Add(byte(i), payload)
			}
		}
	}
	f.Add(byte(0), []byte(`{"a":[{"b":"\"\u0000"}]}`))
}

func FuzzDecodeUp(f *testing.F) {
	kinds := []string{wire.KindInventory, wire.KindDecision, wire.KindStatus, wire.KindProgress, wire.KindFetch,
		wire.KindOffline}
	seeds(f, kinds)
	f.Fuzz(func(t *testing.T, n byte, payload []byte) {
		kind := kinds[int(n)%len(kinds)]
		m, err := wire.DecodeUp(kind, payload)
		if err != nil {
			requireInvalid(t, err)
			return
		}
		again, payload, err := wire.EncodeUp(m)
		require.NoError(t, err)
		require.Equal(t, kind, again)
		second, err := wire.DecodeUp(kind, payload)
		require.NoError(t, err)
		require.Equal(t, m, second)
	})
}

func FuzzDecodeDown(f *testing.F) {
	kinds := []string{wire.KindPlan, wire.KindPackage, wire.KindAck, wire.KindNone, wire.KindTerminate}
	seeds(f, kinds)
	f.Fuzz(func(t *testing.T, n byte, payload []byte) {
		kind := kinds[int(n)%len(kinds)]
		m, err := wire.DecodeDown(kind, payload)
		if err != nil {
			requireInvalid(t, err)
			return
		}
		again, payload, err := wire.EncodeDown(m)
		require.NoError(t, err)
		require.Equal(t, kind, again)
		second, err := wire.DecodeDown(kind, payload)
		require.NoError(t, err)
		require.Equal(t, m, second)
	})
}

// FuzzCutTime: what is left of a message decides all of it but its time.
func FuzzCutTime(f *testing.F) {
	for _, m := range []ota.Down{plan(), &ota.NoPlan{Time: time.Unix(0, 0), Reason: ota.NoPlanNone}} {
		_, payload, err := wire.EncodeDown(m)
		require.NoError(f, err)
		f.Add(payload)
	}
	packages, err := os.ReadFile("testdata/package.json")
	require.NoError(f, err)
	f.Add(packages)
	for _, text := range []string{`{"time":"2026-01-02T03:04:05Z","time":"2027-01-02T03:04:05Z"}`, `{"time":"x"}`,
		`{"time":"1969-12-31T23:59:59Z","plan":"p"}`, `{"time":"2026-01-02T03:04:05.000Z"`, `{"time":"2026-01-02T03:04:05Z`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		at, rest, ok := wire.CutTime(payload)
		if !ok {
			return
		}
		other := append([]byte(`{"time":"1999-12-31T23:59:59.999Z"`), rest...)
		for _, kind := range []string{wire.KindPlan, wire.KindPackage, wire.KindNone, wire.KindTerminate} {
			want, err := wire.DecodeDown(kind, payload)
			got, another := wire.DecodeDown(kind, other)
			if err != nil {
				require.Error(t, another)
				continue
			}
			require.NoError(t, another)
			switch m := got.(type) {
			case *ota.Plan:
				m.Time = at
			case *ota.Package:
				m.Time = at
			case *ota.NoPlan:
				m.Time = at
			case *ota.Termination:
				m.Time = at
			}
			require.Equal(t, want, got)
		}
	})
}

// FuzzReadAck: an acknowledgement that takes the short way is what encoding/json reads on
// the long one, to which a space leads.
func FuzzReadAck(f *testing.F) {
	for _, text := range []string{`{"plan":"p","seq":7}`, `{"plan":"p","seq":07}`, `{"plan":"p","seq":0}`,
		`{"plan":"..","seq":1}`, `{"plan":"p","seq":9999999999}`, `{"plan":"p","seq":"}`, `{"plan":"p","seq":1,"seq":2}`,
		`{"plan":"p","seq":1_0}`, `{"plan":"a\u0062","seq":1}`, `{"plan":"p","seq":+1}`, `{"plan":"p","seq":}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		short, err := wire.DecodeDown(wire.KindAck, payload)
		long, longErr := wire.DecodeDown(wire.KindAck, append([]byte(" "), payload...))
		require.Equal(t, longErr == nil, err == nil)
		require.Equal(t, long, short)
	})
}

func FuzzDecodeManifest(f *testing.F) {
	seeds(f, []string{"manifest"})
	f.Fuzz(func(t *testing.T, _ byte, payload []byte) {
		m, err := wire.DecodeManifest(payload)
		if err != nil {
			requireInvalid(t, err)
			return
		}
		for _, file := range m.Files {
			require.True(t, ota.ValidFileName(file.Name))
			var covered int64
			for i := range file.Chunks {
				offset, length := file.ChunkAt(i)
				require.Equal(t, covered, offset)
				require.Positive(t, length)
				covered += length
			}
			require.Equal(t, file.Size, covered)
		}
		payload, err = wire.EncodeManifest(m)
		require.NoError(t, err)
		second, err := wire.DecodeManifest(payload)
		require.NoError(t, err)
		require.Equal(t, m, second)
	})
}

func FuzzOpen(f *testing.F) {
	seeds(f, []string{"envelope"})
	trust := wire.Trust{Keys: []ed25519.PublicKey{public(1)}}
	signed := envelope(f, key(1)).Payload
	f.Fuzz(func(t *testing.T, _ byte, payload []byte) {
		e, err := wire.DecodeEnvelope(payload)
		if err != nil {
			requireInvalid(t, err)
			return
		}
		if m, err := trust.Open(e); err == nil {
			require.Equal(t, signed, e.Payload, "only what was signed is accepted")
			require.Equal(t, manifest(), m)
		} else {
			require.IsType(t, &ota.Failure{}, err)
		}
		payload, err = wire.EncodeEnvelope(e)
		require.NoError(t, err)
		second, err := wire.DecodeEnvelope(payload)
		require.NoError(t, err)
		require.Equal(t, e, second)
	})
}

func FuzzParseTopic(f *testing.F) {
	f.Add("", "ota/v1/gw-200/gw-0001/up/status")
	f.Add("a/b", "a/b/gw-200/gw-0001/down/plan")
	f.Add("a", "a/b/c/up/")
	f.Fuzz(func(t *testing.T, prefix, topic string) {
		topics := wire.Topics{Prefix: prefix}
		id, direction, kind, ok := topics.Parse(topic)
		switch {
		case !ok:
			assert.Empty(t, id)
		case direction == wire.Up:
			assert.Equal(t, topic, topics.Up(id, kind))
		default:
			assert.Equal(t, topic, topics.Down(id, kind))
		}
	})
}

func FuzzParsePublicKey(f *testing.F) {
	f.Add(publicFile(f))
	f.Add(privateFile(f))
	f.Add([]byte("iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		_, _ = wire.ParsePrivateKey(file)
		k, err := wire.ParsePublicKey(file)
		if err != nil {
			return
		}
		again, err := wire.MarshalPublicKey(k)
		require.NoError(t, err)
		second, err := wire.ParsePublicKey(again)
		require.NoError(t, err)
		require.True(t, bytes.Equal(k, second))
	})
}
