package real

import (
	"crypto/sha256"
	"encoding/json"
	"sync"
	"time"

	"otafleet/internal/ota"
)

// What the fleet holds once at most. What comes after it each device holds for
// itself.
const (
	maxSharedPlans  = 1000
	maxSharedChunks = 1 << 20 // of manifests; their digests take 32 MiB
)

// shared holds once what every device of a fleet gets in the same words:
// plans and manifests, which are never changed. The zero value is ready.
type shared struct {
	mu        sync.Mutex                   // guards the following
	plans     map[ota.Digest]*ota.Plan     // by the digest of what they say
	manifests map[ota.Digest]*ota.Manifest // by the envelope's digest
	chunks    int
}

// plan gives the first plan that said the same. When they were sent is all that
// differs, and no device looks at that.
func (s *shared) plan(p *ota.Plan) *ota.Plan {
	copied := *p
	copied.Time = time.Time{}
	key := digestOf(&copied)
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.plans[key]; known != nil {
		return known
	}
	if len(s.plans) == maxSharedPlans {
		return p
	}
	if s.plans == nil {
		s.plans = map[ota.Digest]*ota.Plan{}
	}
	s.plans[key] = &copied
	return &copied
}

// opener returns a function that does what open does, and opens each envelope
// that is good once: to the same envelope there is always the same answer.
func (s *shared) opener(open func(ota.Envelope) (*ota.Manifest, error)) func(ota.Envelope) (*ota.Manifest, error) {
	return func(e ota.Envelope) (*ota.Manifest, error) {
		key := digestOf(e)
		s.mu.Lock()
		m := s.manifests[key]
		s.mu.Unlock()
		if m != nil {
			return m, nil
		}
		m, err := open(e)
		if err == nil {
			s.keep(key, m)
		}
		return m, err
	}
}

func (s *shared) keep(key ota.Digest, m *ota.Manifest) {
	chunks := 0
	for i := range m.Files {
		chunks += len(m.Files[i].Chunks)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.manifests[key] != nil || s.chunks+chunks > maxSharedChunks {
		return
	}
	if s.manifests == nil {
		s.manifests = map[ota.Digest]*ota.Manifest{}
	}
	s.manifests[key] = m
	s.chunks += chunks
}

// digestOf is over all that a message says: of an envelope, its signatures too.
func digestOf(message any) ota.Digest {
	h := sha256.New()
	_ = json.NewEncoder(h).Encode(message) // it is text, numbers and bytes, and a hash takes anything
	return ota.Digest(h.Sum(nil))
}
