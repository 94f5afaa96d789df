package real

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"
	"weak"

	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

// What the fleet holds once at most. What comes after it each device holds for
// itself.
const (
	maxSharedPlans  = 1000
	sharedPlansLook = 16      // plans that come at least until it is looked which ones are still needed
	maxSharedEnded  = 16      // lists; devices that take the same plans go through the same ones
	maxSharedChunks = 1 << 20 // of manifests; their digests take 32 MiB
	// Plans and packages as they came, the last ones, and the bytes of the longest.
	maxSharedMessages = 64
	maxSharedMessage  = 32 << 10
)

// shared holds once what every device of a fleet has in the same words: plans, what is
// remembered of those of long ago, manifests, and the messages that bring them. None of it
// is ever changed. The zero value is ready.
type shared struct {
	mu        sync.Mutex                            // guards the following
	plans     map[ota.Digest]weak.Pointer[ota.Plan] // by the digest of what they say; of those that a device has
	found     int                                   // plans that a device had when it was last looked
	added     int                                   // plans that have come since
	endings   [][]agent.Ended                       // the one that was asked for last first
	manifests map[ota.Digest]*ota.Manifest          // by the envelope's digest
	chunks    int
	messages  map[message]ota.Down
	latest    [maxSharedMessages]message // in the place of the oldest comes the next one
	next      int                        // that place
}

// message is what a message says beside when it was sent.
type message struct{ kind, text string }

// decode reads a message from the platform (native.Config). A plan or a package that says
// the same as one shortly before is not read again; plans are shared.
func (s *shared) decode(kind string, payload []byte) (ota.Down, error) {
	at, text, ok := wire.CutTime(payload)
	if !ok || len(text) > maxSharedMessage || kind != wire.KindPlan && kind != wire.KindPackage {
		return wire.DecodeDown(kind, payload)
	}
	s.mu.Lock()
	known := s.messages[message{kind, string(text)}]
	s.mu.Unlock()
	if known == nil {
		var err error
		if known, err = wire.DecodeDown(kind, payload); err != nil {
			return nil, err
		}
		if plan, is := known.(*ota.Plan); is {
			known = s.plan(plan)
		}
		s.remember(message{kind, string(text)}, known)
	}
	if p, is := known.(*ota.Package); is {
		copied := *p
		copied.Time = at
		return &copied, nil
	}
	return known, nil
}

// remember keeps a message for a time.
func (s *shared) remember(m message, is ota.Down) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.messages == nil {
		s.messages = map[message]ota.Down{}
	}
	if s.messages[m] != nil {
		return // another device had it at the same moment
	}
	delete(s.messages, s.latest[s.next])
	s.messages[m], s.latest[s.next] = is, m
	s.next = (s.next + 1) % maxSharedMessages
}

// plan gives the first plan that said the same, as long as a device has it. When they
// were sent is all that differs: a device could learn from it what time it is, which its
// clock has from this machine.
func (s *shared) plan(p *ota.Plan) *ota.Plan {
	copied := *p
	copied.Time = time.Time{}
	key := digestOf(&copied)
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.plans[key].Value(); known != nil {
		return known
	}
	s.clean()
	if len(s.plans) == maxSharedPlans {
		return p
	}
	if s.plans == nil {
		s.plans = map[ota.Digest]weak.Pointer[ota.Plan]{}
	}
	s.plans[key] = weak.Make(&copied)
	return &copied
}

// clean looks now and then which plans no device has any more, and forgets them.
func (s *shared) clean() {
	if s.added++; s.added < s.found+sharedPlansLook {
		return
	}
	maps.DeleteFunc(s.plans, func(_ ota.Digest, p weak.Pointer[ota.Plan]) bool { return p.Value() == nil })
	s.found, s.added = len(s.plans), 0
}

// ended gives a list of plans of long ago that says the same, if a device has had one
// shortly before. Each round makes it longer, and after many it would be the most of what
// a fleet remembers.
func (s *shared) ended(list []agent.Ended) []agent.Ended {
	if len(list) == 0 {
		return list
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.endings, func(known []agent.Ended) bool { return slices.Equal(known, list) })
	if i < 0 {
		i = min(len(s.endings), maxSharedEnded-1)
		s.endings = append(s.endings[:i], list)
	}
	found := s.endings[i]
	copy(s.endings[1:], s.endings[:i])
	s.endings[0] = found
	return found
}

// opener returns a function that does what open does, and opens each envelope
// that is good once: to the same envelope there is always the same answer.
func (s *shared) opener(open func(ota.Envelope) (*ota.Manifest, error)) func(ota.Envelope) (*ota.Manifest, error) {
	return func(e ota.Envelope) (*ota.Manifest, error) {
		key := envelopeKey(&e)
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

// envelopeKey is over all that an envelope says, its signatures too. Each part has its
// length before it.
func envelopeKey(e *ota.Envelope) ota.Digest {
	h := sha256.New()
	var length [8]byte
	add := func(part []byte) {
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		h.Write(length[:])
		h.Write(part)
	}
	add([]byte(e.PayloadType))
	add(e.Payload)
	for _, s := range e.Signatures {
		add([]byte(s.KeyID))
		add(s.Sig)
	}
	return ota.Digest(h.Sum(nil))
}

// digestOf is over all that a plan says.
func digestOf(plan *ota.Plan) ota.Digest {
	h := sha256.New()
	_ = json.NewEncoder(h).Encode(plan) // it is text and numbers, and a hash takes anything
	return ota.Digest(h.Sum(nil))
}
