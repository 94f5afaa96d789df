package engine_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
)

// model is a device that obeys the protocol and fails by chance. It is written
// without looking at the engine, and knows one plan.
type model struct {
	key      string
	draw     *rand.Rand
	online   bool
	versions map[string]string
	types    map[string]ota.ComponentType
	plan     *ota.Plan
	accepted bool
	attempt  int
	seq      int
	status   map[string]ota.Status
	failedAt map[string]int // attempt in which a component failed
	outbox   []*ota.Report  // not acknowledged
	failures int            // still to come
	outgoing []ota.Up
}

func (m *model) connect() {
	m.online = true
	in := &ota.Inventory{Request: !m.busy()}
	for _, id := range []string{"A", "B", "C"} {
		in.Components = append(in.Components, ota.ComponentVersion{ID: id, Type: m.types[id], Version: m.versions[id]})
	}
	if m.busy() {
		in.Running = &ota.Running{Plan: m.plan.ID, Attempt: m.attempt, Seq: m.seq}
	}
	m.outgoing = append(m.outgoing, in)
	for _, r := range m.outbox {
		m.outgoing = append(m.outgoing, r)
	}
}

// busy reports whether the device can go on with the plan by itself: not before
// it has accepted, and not while it waits for another attempt.
func (m *model) busy() bool {
	if !m.accepted {
		return false
	}
	for _, c := range m.plan.Components {
		switch s := m.status[c.ID]; {
		case s.Failed() && m.plan.OnFailure != ota.Continue:
			return false
		case s.InProgress():
			return true
		}
	}
	return false
}

func (m *model) report(id string, s ota.Status, code ota.Code) {
	m.seq++
	m.status[id] = s
	r := &ota.Report{Plan: m.plan.ID, Attempt: m.attempt, Seq: m.seq, Component: id, Status: s, Version: m.versions[id]}
	if code != "" {
		r.Failure = &ota.Failure{Code: code}
		m.failedAt[id] = m.attempt
	}
	m.outbox = append(m.outbox, r)
	if m.online {
		m.outgoing = append(m.outgoing, r)
	}
}

func (m *model) receive(msg ota.Down) {
	switch msg := msg.(type) {
	case *ota.Plan:
		m.takePlan(msg)
	case *ota.Package:
		m.upgrade(msg)
	case *ota.Ack:
		m.outbox = slices.DeleteFunc(m.outbox, func(r *ota.Report) bool { return r.Seq <= msg.Seq })
	}
}

func (m *model) takePlan(p *ota.Plan) {
	if m.plan == nil {
		m.plan = p
		for _, c := range p.Components {
			m.report(c.ID, ota.PlanReceived, "")
		}
	}
	if !m.accepted && m.draw.IntN(3) == 0 {
		m.outgoing = append(m.outgoing, &ota.Decision{Plan: p.ID, Attempt: p.Attempt, Reason: ota.ReasonBusy})
		return
	}
	m.outgoing = append(m.outgoing, &ota.Decision{Plan: p.ID, Attempt: p.Attempt, Accept: true})
	if m.accepted {
		return
	}
	m.accepted, m.attempt = true, p.Attempt
	for _, c := range p.Components {
		if m.versions[c.ID] == c.Target {
			m.report(c.ID, ota.NoUpdateRequired, "")
		} else {
			m.report(c.ID, ota.UpgradeConfirmed, "")
		}
	}
}

// upgrade runs one component, or fails it and draws the consequence for the
// others.
func (m *model) upgrade(p *ota.Package) {
	s := m.status[p.Component]
	if s.Done() || s.Failed() && p.Attempt <= m.failedAt[p.Component] {
		return
	}
	m.attempt = p.Attempt
	m.report(p.Component, ota.ReadyToDownload, "")
	m.report(p.Component, ota.Downloading, "")
	if m.fails() {
		m.report(p.Component, ota.DownloadFailed, ota.SizeMismatch)
		m.consequence(p.Component)
		return
	}
	m.report(p.Component, ota.DownloadSucceeded, "")
	m.report(p.Component, ota.Upgrading, "")
	if m.fails() {
		m.report(p.Component, ota.UpgradeFailed, ota.BootFailed)
		m.consequence(p.Component)
		return
	}
	m.versions[p.Component] = "2"
	m.report(p.Component, ota.UpgradeSucceeded, "")
}

func (m *model) fails() bool {
	if m.failures == 0 || m.draw.IntN(2) == 0 {
		return false
	}
	m.failures--
	return true
}

func (m *model) consequence(failed string) {
	if m.plan.OnFailure == ota.Continue {
		return
	}
	for _, c := range m.plan.Components {
		switch s := m.status[c.ID]; {
		case c.ID == failed:
		case s == ota.UpgradeConfirmed:
			m.report(c.ID, ota.UpgradeFailed, ota.Skipped)
		case s == ota.UpgradeSucceeded && m.plan.OnFailure == ota.Revert:
			m.versions[c.ID] = "1"
			m.report(c.ID, ota.UpgradeFailed, ota.Reverted)
		}
	}
}

// world joins models and engine by a network that repeats, reorders and loses.
type world struct {
	t       *testing.T
	draw    *rand.Rand
	script  *script
	engine  *engine.Engine
	models  map[string]*model
	keys    []string
	to      map[string][]ota.Down
	stored  map[string][]int // by device: numbers of the reports stored, in order
	illegal int
}

func newWorld(t *testing.T, seed uint64, options ...string) *world {
	return newWorldOf(newScript(t), t, seed, options...)
}

func newWorldOf(s *script, t *testing.T, seed uint64, options ...string) *world {
	w := &world{
		t: t, draw: rand.New(rand.NewPCG(seed, 1)), script: s, engine: s.engine,
		models: map[string]*model{}, to: map[string][]ota.Down{}, stored: map[string][]int{},
	}
	for i := range 8 {
		key := fmt.Sprintf("d%d", i)
		w.keys = append(w.keys, key)
		w.models[key] = &model{
			key: key, draw: w.draw, status: map[string]ota.Status{}, failedAt: map[string]int{}, failures: w.draw.IntN(6),
			versions: map[string]string{"A": "1", "B": fmt.Sprint(1 + w.draw.IntN(2)), "C": "1"},
			types:    map[string]ota.ComponentType{"A": ota.Module, "B": ota.MCU, "C": ota.Module},
		}
	}
	w.command(engine.CreatePlan{Plan: s.spec("p", append(options, "of=A,B,C", "quiet=10m", "end=10000h"))})
	w.command(engine.Activate{Plan: "p"})
	return w
}

func (w *world) command(cmd engine.Command) {
	out, err := w.engine.Command(w.script.now, cmd)
	require.NoError(w.t, err)
	w.take(out)
}

func (w *world) handle(in engine.Input) { w.take(w.engine.Handle(w.script.now, in)) }

func (w *world) take(out []engine.Output) {
	for _, o := range out {
		switch o := o.(type) {
		case engine.Send:
			w.to[o.Device.Device] = append(w.to[o.Device.Device], o.Message)
		case engine.Issue:
			w.to[o.Device.Device] = append(w.to[o.Device.Device], &ota.Package{Plan: o.Plan, Attempt: o.Attempt,
				Component: o.Component})
		case engine.Recorded:
			switch o.Arrival {
			case engine.Stored:
				w.stored[o.Device.Device] = append(w.stored[o.Device.Device], o.Report.Seq)
			case engine.Illegal:
				w.illegal++
			}
		}
	}
}

// round lets every device act once on a bad network.
func (w *world) round() {
	for _, key := range w.keys {
		m := w.models[key]
		switch {
		case !m.online:
			if w.draw.IntN(2) == 0 {
				m.connect()
			}
		case w.draw.IntN(6) == 0:
			m.online = false
			w.to[key] = nil
			w.lose(m)
			w.handle(engine.Message{Device: identity(key), Message: &ota.Offline{}})
		}
		w.deliverDown(m)
		w.deliverUp(m)
	}
	w.script.now = w.script.now.Add(time.Duration(w.draw.IntN(400)) * time.Second)
	w.handle(engine.Tick{})
}

// lose drops what a cut connection had not delivered; reports stay in the
// outbox.
func (w *world) lose(m *model) { m.outgoing = nil }

func (w *world) deliverDown(m *model) {
	if !m.online {
		return
	}
	messages := w.to[m.key]
	w.to[m.key] = nil
	for _, msg := range messages {
		m.receive(msg)
	}
}

// deliverUp delivers with repetitions, and reports in any order.
func (w *world) deliverUp(m *model) {
	messages := m.outgoing
	m.outgoing = nil
	var reports []ota.Up
	for _, msg := range messages {
		if _, report := msg.(*ota.Report); report {
			for range 1 + w.draw.IntN(2) {
				reports = append(reports, msg)
			}
			continue
		}
		w.handle(engine.Message{Device: identity(m.key), Message: msg})
	}
	w.draw.Shuffle(len(reports), func(i, j int) { reports[i], reports[j] = reports[j], reports[i] })
	for _, msg := range reports {
		w.handle(engine.Message{Device: identity(m.key), Message: msg})
	}
}

// finish delivers everything that is left on a good network.
func (w *world) finish() {
	for range 40 {
		for _, key := range w.keys {
			m := w.models[key]
			m.connect()
			for range 10 {
				w.deliverUp(m)
				w.deliverDown(m)
			}
		}
		w.script.now = w.script.now.Add(10 * time.Minute)
		w.handle(engine.Tick{})
	}
}

func TestRandomInterleavings(t *testing.T) {
	for _, on := range []string{"stop", "continue", "revert"} {
		t.Run(on, func(t *testing.T) {
			for seed := range uint64(50) {
				w := newWorld(t, seed, "on="+on, "retries=2")
				for range 30 {
					w.round()
					checkCounts(t, w.engine)
				}
				w.finish()
				w.checkEnd(seed)
			}
		})
	}
}

// checkEnd asserts that no report is lost, none was stored out of order, and
// every device is at the end that it itself believes in.
func (w *world) checkEnd(seed uint64) {
	checkCounts(w.t, w.engine)
	assert.Zero(w.t, w.illegal, "seed %d", seed)
	for _, key := range w.keys {
		m := w.models[key]
		assert.Empty(w.t, m.outbox, "seed %d, %s: reports without acknowledgement", seed, key)
		numbers := w.stored[key]
		require.Len(w.t, numbers, m.seq, "seed %d, %s", seed, key)
		for i, n := range numbers {
			require.Equal(w.t, i+1, n, "seed %d, %s", seed, key)
		}
		view, found := w.engine.Device("p", key)
		require.True(w.t, found)
		for _, c := range view.Components {
			assert.Equal(w.t, m.status[c.ID], c.Status, "seed %d, %s, %s", seed, key, c.ID)
			if c.Status.Done() {
				assert.Equal(w.t, "2", m.versions[c.ID], "seed %d, %s, %s", seed, key, c.ID)
			}
		}
		assert.Contains(w.t, []ota.DeviceStatus{ota.DeviceUpgraded, ota.DeviceUpgradeFailed, ota.DeviceNoUpdateRequired},
			view.Status, "seed %d, %s", seed, key)
	}
}

// checkCounts asserts that every plan's counts are those of its rows.
func checkCounts(t testing.TB, e *engine.Engine) {
	for _, p := range e.Plans() {
		var counted engine.Tally
		rows, chosen := e.Devices(p.ID, engine.Filter{})
		for _, row := range rows {
			counted[row.Status]++
		}
		require.Equal(t, counted, p.Devices, "plan %s", p.ID)
		require.Equal(t, chosen, p.Devices.Total())
	}
}
