package real

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

func TestPlansAreShared(t *testing.T) {
	var s shared
	plan := func(id string, attempt int) *ota.Plan {
		return &ota.Plan{Time: time.Now(), ID: id, Attempt: attempt,
			Components: []ota.PlanComponent{{ID: "rootfs", Target: "1.1.0"}}}
	}
	first := s.plan(plan("spring", 1))
	assert.Same(t, first, s.plan(plan("spring", 1)), "whenever it was sent")
	assert.NotSame(t, first, s.plan(plan("spring", 2)))
	assert.NotSame(t, first, s.plan(plan("summer", 1)))
	other := plan("spring", 1)
	other.Components[0].Target = "1.2.0"
	assert.Equal(t, "1.2.0", s.plan(other).Components[0].Target)
	assert.Same(t, first, s.plan(plan("spring", 1)))
}

func TestPlansAreBounded(t *testing.T) {
	var s shared
	var held []*ota.Plan
	for n := range 2 * maxSharedPlans {
		held = append(held, s.plan(&ota.Plan{ID: "p", Attempt: n}))
		assert.Equal(t, n, held[n].Attempt)
	}
	assert.Len(t, s.plans, maxSharedPlans)
	runtime.KeepAlive(held)
}

// TestPlansAreForgotten that no device has any more: of a thousand rounds as few are kept
// as of ten.
func TestPlansAreForgotten(t *testing.T) {
	var s shared
	kept := make([]*ota.Plan, 10)
	for n := range 1000 {
		kept[n%len(kept)] = s.plan(&ota.Plan{ID: "p", Attempt: n})
		if n%10 == 0 {
			runtime.GC()
		}
		assert.LessOrEqual(t, len(s.plans), 3*(len(kept)+sharedPlansLook))
	}
	for _, p := range kept {
		again := *p
		assert.Same(t, p, s.plan(&again))
	}
}

// TestMessagesAreReadOnce: what a message says comes out of it whether one like it came
// before or not, and no device's time is another's.
func TestMessagesAreReadOnce(t *testing.T) {
	var s shared
	at := func(second int) time.Time { return time.Date(2026, 11, 30, 12, 0, second, 5e6, time.UTC) }
	plan := func(second int, target string) *ota.Plan {
		return &ota.Plan{Time: at(second), ID: "spring", Attempt: 1, Mode: ota.Silent, Ends: at(59), OnFailure: ota.Stop,
			Components: []ota.PlanComponent{{ID: "rootfs", Type: ota.Module, Package: ota.Full, Target: target, Size: 7}}}
	}
	pkg := func(second int, url string) *ota.Package {
		return &ota.Package{Time: at(second), Plan: "spring", Attempt: 1, Component: "rootfs",
			Envelope: ota.Envelope{PayloadType: "t", Payload: []byte("p"), Signatures: []ota.Signature{{Sig: []byte("s")}}},
			Files:    []ota.FileAddress{{Name: "rootfs.img", URLs: []string{url}}}}
	}
	decode := func(m ota.Down) ota.Down {
		kind, payload, err := wire.EncodeDown(m)
		require.NoError(t, err)
		read, err := s.decode(kind, payload)
		require.NoError(t, err)
		want, err := wire.DecodeDown(kind, payload)
		require.NoError(t, err)
		if p, is := want.(*ota.Plan); is {
			p.Time = time.Time{}
		}
		assert.Equal(t, want, read)
		return read
	}
	first := decode(plan(1, "1.1.0"))
	assert.Same(t, first, decode(plan(2, "1.1.0")))
	assert.NotSame(t, first, decode(plan(2, "1.2.0")))
	old, ok := decode(pkg(3, "http://store/1")).(*ota.Package)
	require.True(t, ok)
	decode(pkg(4, "http://store/1"))
	assert.Equal(t, at(3), old.Time)
	for n := range 3 * maxSharedMessages {
		decode(pkg(5, fmt.Sprint("http://store/", n)))
		assert.LessOrEqual(t, len(s.messages), maxSharedMessages)
	}
	assert.Same(t, first, decode(plan(6, "1.1.0")), "of long ago, and a device has it")
	decode(&ota.NoPlan{Time: at(7), Reason: ota.NoPlanNone})

	_, payload, err := wire.EncodeDown(plan(8, "1.1.0"))
	require.NoError(t, err)
	_, err = s.decode(wire.KindPackage, payload)
	assert.Error(t, err, "a plan's words in another place")
}

// BenchmarkDecodePackage holds a package that was read before beside one that is read.
func BenchmarkDecodePackage(b *testing.B) {
	m := &ota.Package{Time: time.Unix(1e9, 0), Plan: "spring", Attempt: 1, Component: "rootfs"}
	m.Envelope = ota.Envelope{PayloadType: "t", Payload: make([]byte, 600),
		Signatures: []ota.Signature{{Sig: make([]byte, 64)}}}
	m.Files = []ota.FileAddress{{Name: "rootfs.img", URLs: []string{"http://127.0.0.1:9000/ota/rootfs?X-Amz-Expires=9"}}}
	kind, payload, err := wire.EncodeDown(m)
	require.NoError(b, err)
	var s shared
	ways := map[string]func(string, []byte) (ota.Down, error){"memory": s.decode, "json": wire.DecodeDown}
	for by, decode := range ways {
		b.Run("by="+by, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := decode(kind, payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestEndedPlansAreShared(t *testing.T) {
	var s shared
	assert.Empty(t, s.ended(nil))
	list := func(plans, last int) (l []agent.Ended) {
		for n := range plans {
			l = append(l, agent.Ended{Plan: fmt.Sprint("hourly.", n), Attempt: 1, LastSeq: 14, Accepted: true})
		}
		l[plans-1].LastSeq = last
		return l
	}
	same := func(a, b []agent.Ended) bool { return &a[0] == &b[0] }
	for round := 1; round <= agent.MaxEnded; round++ {
		first := s.ended(list(round, 14))
		assert.Equal(t, list(round, 14), first)
		another := s.ended(list(round, 15))
		assert.Equal(t, list(round, 15), another, "of a device that has had more to say")
		assert.True(t, same(first, s.ended(list(round, 14))))
		assert.True(t, same(another, s.ended(list(round, 15))))
		assert.LessOrEqual(t, len(s.endings), maxSharedEnded)
	}
	assert.Equal(t, list(1, 14), s.ended(list(1, 14)), "which is not kept any more")
}

func TestManifestsAreOpenedOnce(t *testing.T) {
	var s shared
	opened := 0
	open := s.opener(func(e ota.Envelope) (*ota.Manifest, error) {
		opened++
		if string(e.Signatures[0].Sig) != "good" {
			return nil, errors.New("forged")
		}
		return &ota.Manifest{Component: string(e.Payload)}, nil
	})
	envelope := func(payload, signature string) ota.Envelope {
		return ota.Envelope{Payload: []byte(payload), Signatures: []ota.Signature{{Sig: []byte(signature)}}}
	}
	first, err := open(envelope("rootfs", "good"))
	require.NoError(t, err)
	again, err := open(envelope("rootfs", "good"))
	require.NoError(t, err)
	assert.Same(t, first, again)
	assert.Equal(t, 1, opened)

	for range 2 {
		_, err = open(envelope("rootfs", "bad"))
		require.ErrorContains(t, err, "forged")
	}
	other, err := open(envelope("motor", "good"))
	require.NoError(t, err)
	assert.Equal(t, "motor", other.Component)
	assert.Equal(t, 4, opened, "what is forged is not kept, and another one is another one")
}

func TestManifestsAreBounded(t *testing.T) {
	var s shared
	open := s.opener(func(ota.Envelope) (*ota.Manifest, error) {
		return &ota.Manifest{Files: []ota.File{{Chunks: make([]ota.Digest, 16384)}}}, nil
	})
	for n := range 100 {
		_, err := open(ota.Envelope{Payload: []byte{byte(n)}})
		require.NoError(t, err)
	}
	assert.Len(t, s.manifests, maxSharedChunks/16384)
}
