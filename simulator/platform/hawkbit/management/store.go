package management

import (
	"crypto/rand"
	"slices"
	"strings"
	"sync"
	"time"
)

// Bounds, of which some are hawkBit's.
const (
	MaxAssignment = 5_000     // targets of one assignment
	MaxModules    = 20        // modules of a set
	maxArtifact   = 256 << 20 // bytes of an artifact
	maxKept       = 1 << 30   // bytes of all artifacts
	maxActions    = 2_000     // of a target
	maxEntries    = 1_000     // of an action that do not close it
	maxObjects    = 1 << 20   // of any kind
	maxBody       = 64 << 20  // bytes of a request that is no artifact
	maxText       = 512       // bytes of a name or a description
	maxKey        = 256       // bytes of a target's id
)

// Store is what operators have made. It is safe for concurrent use.
type Store struct {
	now func() time.Time

	mu      sync.Mutex // guards the following, and everything that it leads to
	targets map[string]*target
	tags    []*tag
	modules []*module
	sets    []*set
	actions map[int]*action
	rollout []*rollout
	config  map[string]any
	kept    int64 // bytes of artifacts
	last    int   // the last number that was given to anything
}

// NewStore returns a store without anything in it, of a server whose devices pause for so
// long between two polls.
func NewStore(polls time.Duration) *Store {
	return &Store{now: time.Now, targets: map[string]*target{}, actions: map[int]*action{},
		config: map[string]any{targetTokens: true, confirmation: false,
			pollingTime: time.Time{}.Add(polls).Format(time.TimeOnly)}}
}

// What the tenant's configuration says.
const (
	targetTokens = "authentication.targettoken.enabled"
	pollingTime  = "pollingTime"
	confirmation = "user.confirmation.flow.enabled" // actions wait for the device's confirmation
)

// named is what everything has that operators make.
type named struct {
	id                      int
	name, description, kind string
	version                 string
	made                    time.Time
}

// target is a device as operators see it.
type target struct {
	named
	key        string
	token      string
	status     UpdateStatus
	polled     time.Time // zero before the first time
	installed  time.Time
	ask        bool              // its attributes are wanted
	attributes map[string]string // as it has sent them
	tags       []*tag
	actions    []*action // oldest first
	assigned   *set
	runs       *set // the set that it has installed last
}

// UpdateStatus is how far a target is with what is assigned to it.
type UpdateStatus string

// The statuses.
const (
	Unknown    UpdateStatus = "unknown"
	Registered UpdateStatus = "registered"
	Pending    UpdateStatus = "pending"
	InSync     UpdateStatus = "in_sync"
	Failed     UpdateStatus = "error"
)

type tag struct {
	named
	colour string
}

type module struct {
	named
	vendor    string
	artifacts []*artifact
	metadata  []metadata
}

type metadata struct {
	Key     string `json:"key"`
	Value   string `json:"value"`
	Visible bool   `json:"targetVisible"`
}

type artifact struct {
	id                int
	name              string
	content           []byte
	sha1, md5, sha256 string
}

type set struct {
	named
	migration bool
	modules   []*module
}

type rollout struct {
	named
	query string
	set   *set
	force string
	state string
}

// number gives a number that nothing has; the caller holds mu.
func (s *Store) number() int {
	s.last++
	return s.last
}

// assign gives a target a set; nil if it has that already. What the target has not ended
// is cancelled. The caller holds mu.
func (s *Store) assign(t *target, wanted *set, force string, by *rollout) (*action, error) {
	if t.assigned == wanted {
		return nil, nil
	}
	if len(t.actions) >= maxActions {
		return nil, quota("target %s has %d actions: no more are kept", t.key, maxActions)
	}
	for _, a := range t.actions {
		if a.active {
			a.note("canceling", "cancelled by another assignment")
		}
	}
	a := &action{id: s.number(), target: t, set: wanted, force: force, active: true, rollout: by, made: s.now(), store: s}
	a.note("running", "assigned")
	if s.config[confirmation] == true {
		a.note("wait_for_confirmation", "waits for the confirmation")
	}
	t.actions = append(t.actions, a)
	s.actions[a.id] = a
	t.assigned, t.status = wanted, Pending
	return a, nil
}

// remove takes an element out of a list.
func remove[T comparable](list []T, one T) []T {
	return slices.DeleteFunc(list, func(x T) bool { return x == one })
}

// find finds what has a number; nil if nothing has.
func find[T interface{ number() int }](list []T, id int) (found T) {
	for _, x := range list {
		if x.number() == id {
			return x
		}
	}
	return found
}

func (n *named) number() int { return n.id }

// taken reports whether a name and a version are another one's; names are compared as
// hawkBit's data base does.
func taken[T interface {
	called(name, version string) bool
}](list []T, name, version string) bool {
	return slices.ContainsFunc(list, func(x T) bool { return x.called(name, version) })
}

func (n *named) called(name, version string) bool {
	return strings.EqualFold(n.name, name) && n.version == version
}

// fresh is a token that no other target has.
func fresh() string { return strings.ToLower(rand.Text() + rand.Text())[:32] }
