package download_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/agent/download"
	"otafleet/firmware"
	"otafleet/internal/ota"
)

// lyingStore is a store without sockets that answers as it pleases, so many times;
// afterwards it is honest.
type lyingStore struct {
	draw         *rand.Rand
	right        []byte
	wrongAnswers int
	tag          int  // of the right object
	whole        bool // it knows no ranges
	wrong        []byte
	wrongForAll  bool // it never has the right object
}

func (s *lyingStore) RoundTrip(r *http.Request) (*http.Response, error) {
	content, etag := s.right, fmt.Sprintf("%q", strconv.Itoa(s.tag))
	if s.wrongForAll {
		content = s.wrong
	}
	if s.wrongAnswers == 0 {
		return s.answer(r, content, etag, len(content), 0), nil
	}
	s.wrongAnswers--
	switch s.draw.IntN(10) {
	case 0: // bytes that are wrong, as the same object
		content = bytes.Clone(content)
		content[s.draw.IntN(len(content))] ^= 1 << s.draw.IntN(8)
	case 1: // another file under the same tag
		content = s.wrong
	case 2: // another file under its own tag
		content, etag = s.wrong, `"wrong"`
	case 3: // the same file under another tag
		s.tag++
		etag = fmt.Sprintf("%q", strconv.Itoa(s.tag))
	case 4: // longer
		content = append(bytes.Clone(content), s.wrong[:100]...)
	case 5: // shorter
		content = content[:s.draw.IntN(len(content))]
	case 6: // all of it, whatever was asked for
		r = r.Clone(r.Context())
		r.Header.Del("Range")
	case 7: // from somewhere else
		return s.answer(r, content, etag, len(content), s.draw.IntN(1000)), nil
	case 8: // an error
		return s.status(r, []int{404, 412, 416, 429, 500, 503}[s.draw.IntN(6)], nil, nil), nil
	}
	return s.answer(r, content, etag, s.draw.IntN(len(content)+1), 0), nil
}

// answer serves the range that is asked for, moved, and breaks off after so many
// bytes.
func (s *lyingStore) answer(r *http.Request, content []byte, etag string, until, moved int) *http.Response {
	header := http.Header{"Etag": {etag}}
	var first, last int
	_, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &first, &last)
	if match := r.Header.Get("If-Range"); err != nil || s.whole || match != "" && match != etag {
		return s.status(r, http.StatusOK, header, &cutBody{content, until})
	}
	if first += moved; first >= len(content) {
		return s.status(r, http.StatusRequestedRangeNotSatisfiable, nil, nil)
	}
	last = min(last, len(content)-1)
	header.Set("Content-Range", contentRange(first, last, len(content)))
	return s.status(r, http.StatusPartialContent, header, &cutBody{content[first : last+1], until})
}

func (s *lyingStore) status(r *http.Request, status int, header http.Header, body *cutBody) *http.Response {
	answer := &http.Response{StatusCode: status, Header: header, Request: r, Body: http.NoBody}
	if header == nil {
		answer.Header = http.Header{}
	}
	if body != nil {
		answer.Body, answer.ContentLength = io.NopCloser(body), int64(len(body.rest))
	}
	return answer
}

// cutBody is a body that breaks off.
type cutBody struct {
	rest []byte
	left int
}

func (b *cutBody) Read(p []byte) (int, error) {
	switch {
	case len(b.rest) == 0:
		return 0, io.EOF
	case b.left <= 0:
		return 0, io.ErrUnexpectedEOF
	}
	n := copy(p[:min(len(p), b.left)], b.rest)
	b.rest, b.left = b.rest[n:], b.left-n
	return n, nil
}

// powerCut is what a device's run ends with without warning.
type powerCut struct{}

// truster is a device that takes its platform's word, with the real machine and the
// real downloads on a place of which a power cut leaves what was synced, and of the
// rest what it pleases.
type truster struct {
	t      *testing.T
	draw   *rand.Rand
	store  *lyingStore
	plan   *ota.Plan
	pkg    *ota.Package
	cuts   int // still to come
	now    time.Time
	flash  memory
	saved  *agent.State
	kept   *ota.Package
	active []byte // the image that runs
	staged bool
	ended  *ota.Report
	m      *agent.Machine
	inbox  []agent.Input
	timer  time.Time
}

// mayCut is called before each change and each output.
func (d *truster) mayCut() {
	if d.cuts > 0 && d.draw.IntN(25) == 0 {
		d.cuts--
		panic(powerCut{})
	}
}

// boot runs the device until its plan has ended, or the power is cut.
func (d *truster) boot() (cut bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, is := r.(powerCut); !is {
				panic(r)
			}
			cut = true
		}
	}()
	d.flash.lose(d.draw)
	config := &agent.Config{Agent: "a", Platform: &agent.PlatformTrust{WeakDigests: true},
		Components: []agent.ComponentConfig{{ID: "app", Type: ota.Module}}}
	d.m = agent.New(ota.Identity{Product: "p", Device: "d"}, config, d.saved)
	version := "1"
	if d.active != nil {
		version = "2"
	}
	d.timer = time.Time{}
	d.inbox = []agent.Input{agent.Booted{BootID: "b", Components: []agent.Found{{ID: "app", Version: version,
		Package: d.kept}}}, agent.Connected{}}
	for turns := 0; d.ended == nil; turns++ {
		require.Less(d.t, turns, 10_000, "the device does not come to an end")
		var in agent.Input = agent.Tick{}
		if len(d.inbox) > 0 {
			in, d.inbox = d.inbox[0], d.inbox[1:]
		} else if d.timer.After(d.now) {
			d.now = d.timer
		}
		for _, out := range d.m.Handle(d.now, in) {
			d.mayCut()
			d.execute(out)
		}
	}
	return false
}

// lose leaves of what was not synced what it pleases, block by block.
func (m *memory) lose(draw *rand.Rand) {
	const block = 4096
	after := bytes.Clone(m.synced)
	for at := 0; at < len(m.content); at += block {
		end := min(at+block, len(m.content))
		if draw.IntN(2) == 0 {
			continue
		}
		if missing := end - len(after); missing > 0 {
			after = append(after, make([]byte, missing)...)
		}
		copy(after[at:end], m.content[at:end])
	}
	m.content, m.synced = after, bytes.Clone(after)
}

func (d *truster) post(in agent.Input) { d.inbox = append(d.inbox, in) }

func (d *truster) execute(out agent.Output) {
	switch out := out.(type) {
	case agent.Save:
		data, err := agent.EncodeState(out.State)
		require.NoError(d.t, err)
		d.saved, err = agent.DecodeState(data)
		require.NoError(d.t, err)
	case agent.Send:
		d.hear(out.Message)
	case agent.SetTimer:
		d.timer = out.At
	case agent.Forget:
		d.kept, d.flash.mark = nil, nil
	case agent.Fetch:
		d.kept = out.Package
		d.fetch(out)
	case agent.Stage:
		d.mustBeRight("staged", out.Job)
		d.staged = true
		d.post(agent.Staged{Op: out.Op})
	case agent.Activate:
		d.mustBeRight("activated", out.Job)
		require.True(d.t, d.staged)
		d.active = bytes.Clone(d.flash.content)
		d.post(agent.Activated{Op: out.Op, Restart: firmware.RestartNone})
	case agent.CheckHealth:
		d.post(agent.HealthChecked{Op: out.Op, Version: "2"})
	case agent.Confirm:
		d.post(agent.Confirmed{Op: out.Op})
	case agent.Revert:
		d.active = nil
		d.post(agent.RevertDone{Op: out.Op, Restart: firmware.RestartNone, Version: "1"})
	}
}

func (d *truster) mustBeRight(what string, job firmware.Job) {
	require.True(d.t, bytes.Equal(d.flash.content, d.store.right), "%s: not what the platform vouched for", what)
	require.Equal(d.t, ota.Digest(sha256.Sum256(d.store.right)), job.Files[0].SHA256)
}

func (d *truster) fetch(out agent.Fetch) {
	config := quick()
	config.Transport = d.store
	config.Allow = download.Hosts{"store"}
	f, err := download.New(config)
	require.NoError(d.t, err)
	result := f.Fetch(d.t.Context(), agent.FetchJob{ID: out.Job.ID(), Mark: &d.flash, Files: out.Job.Files,
		Places: []firmware.Target{&d.flash}, Addresses: out.Package.Files, Setbacks: out.Setbacks,
		Started: func() { d.post(agent.FetchStarted{Op: out.Op}) }})
	d.post(agent.Fetched{Op: out.Op, Need: result.Need, Failure: result.Failure, Gained: result.Gained,
		Found: result.Found, Setbacks: result.Setbacks})
}

// hear is the platform's side.
func (d *truster) hear(message ota.Up) {
	switch m := message.(type) {
	case *ota.Inventory:
		if m.Request {
			d.post(agent.Received{Message: d.plan})
		}
	case *ota.Decision:
		require.True(d.t, m.Accept, "%+v", m)
		d.post(agent.Received{Message: d.pkg})
	case *ota.AddressRequest:
		d.post(agent.Received{Message: d.pkg})
	case *ota.Report:
		if m.Status.Done() || m.Status.Failed() {
			d.ended = m
		}
	}
}

// TestNothingWrongIsActivatedOnThePlatformsWord upgrades devices from stores that give
// wrong answers, and cuts their power wherever something changes. What runs in the end is the
// old version, or the very bytes that the platform has named.
func TestNothingWrongIsActivatedOnThePlatformsWord(t *testing.T) {
	t.Parallel()
	kinds := []ota.ChecksumKind{ota.SHA256, ota.SHA1, ota.MD5}
	upgraded, failed, cuts := 0, 0, 0
	for seed := range uint64(300) {
		draw := rand.New(rand.NewPCG(seed, 7))
		size := 1 + draw.IntN(400_000)
		store := &lyingStore{draw: draw, right: image(size, seed), wrong: image(size, seed+1000),
			wrongAnswers: draw.IntN(30), whole: draw.IntN(4) == 0, wrongForAll: seed%5 == 0}
		store.wrong = append(store.wrong, make([]byte, 100)...)
		if store.wrongForAll {
			store.wrong = store.wrong[:size]
			store.wrongAnswers = 0
		}
		file := claim(store.right, kinds[seed%3])
		c := &ota.Claim{Target: "2", Name: file.Name, Size: file.Size, Sum: *file.Claimed}
		now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
		d := &truster{t: t, draw: draw, store: store, now: now, cuts: draw.IntN(10),
			plan: &ota.Plan{Time: now, Ends: now.AddDate(1, 0, 0), ID: "p1", Name: "p", Attempt: 1, Mode: ota.Silent,
				OnFailure: ota.Stop, Components: []ota.PlanComponent{{ID: "app", Type: ota.Module, Package: ota.Full,
					Target: "2", Size: file.Size}}},
			pkg: &ota.Package{Time: now, Plan: "p1", Attempt: 1, Component: "app", Claim: c,
				Files: []ota.FileAddress{{Name: file.Name, URLs: []string{"https://store/a", "https://store/b"}}}}}
		d.flash.before = d.mayCut
		for d.boot() {
			cuts++
		}
		switch {
		case d.ended.Status == ota.UpgradeSucceeded:
			require.False(t, store.wrongForAll, "seed %d", seed)
			require.True(t, bytes.Equal(store.right, d.active), "seed %d", seed)
			upgraded++
		case store.wrongForAll:
			require.Equal(t, ota.DigestMismatch, d.ended.Failure.Code, "seed %d: %v", seed, d.ended.Failure)
			fallthrough
		default:
			require.Nil(t, d.active, "seed %d: reported as failed, and it runs", seed)
			failed++
		}
	}
	t.Logf("%d upgraded, %d failed, %d cuts", upgraded, failed, cuts)
	assert.Greater(t, upgraded, 100)
	assert.Greater(t, failed, 60)
	assert.Greater(t, cuts, 300)
}
