package real

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
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
	for n := range 2 * maxSharedPlans {
		assert.Equal(t, n, s.plan(&ota.Plan{ID: "p", Attempt: n}).Attempt)
	}
	assert.Len(t, s.plans, maxSharedPlans)
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
