package engine_test

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
)

// recordsInMemory keeps records in memory.
type recordsInMemory map[string][]byte

func (s recordsInMemory) write(records []engine.Record) {
	for _, r := range records {
		if r.Value == nil {
			delete(s, r.Key)
		} else {
			s[r.Key] = r.Value
		}
	}
}

func (s recordsInMemory) Each(prefix string, f func(engine.Record) error) error {
	for _, key := range slices.Sorted(maps.Keys(s)) {
		if strings.HasPrefix(key, prefix) {
			if err := f(engine.Record{Key: key, Value: s[key]}); err != nil {
				return err
			}
		}
	}
	return nil
}

// restart lets the script's platform die and come back from what was kept.
func (s *script) restart(kept recordsInMemory) {
	s.t.Helper()
	kept.write(s.engine.Changes())
	fresh, err := engine.Restore(kept)
	require.NoError(s.t, err)
	s.engine = fresh
}

// shown is everything that an engine's views say but who is online.
func shown(e *engine.Engine) map[string]any {
	all := map[string]any{
		"plans": e.Plans(), "packages": e.Packages(), "totals": e.Totals(), "tick": !e.NextTick().IsZero(),
	}
	for _, p := range e.Plans() {
		fields, _ := e.Fields(p.ID)
		fields.Zone = nil
		rows, _ := e.Devices(p.ID, engine.Filter{})
		for i := range rows {
			rows[i].Online = false
			view, _ := e.Device(p.ID, rows[i].Key)
			view.Online = false
			versions, _ := e.Versions(ota.Identity{Product: p.Product, Device: rows[i].Key})
			all[p.ID+"/"+rows[i].Key] = []any{view, versions}
		}
		all[p.ID] = []any{fields, rows, e.Series(p.ID)}
	}
	return all
}

// everyTurn is a history in which everything that is kept has some value.
const everyTurn = `
	plan p retries=2 zone=1h hours=8-20; plan m manual of=C; draft w white=d1,d9 black=d9;
	d1 ask; d1 take; d1 A+; d1 B!boot_failed; d1 progress B 30; d2 on; d2 no; d3 ask; d3 A:recv; d4 on A2 B2;
	user d5 m confirm; d5 on; user d5 m appoint 11:00 12:30; auto d5 on; d6 on; user d6 m cancel;
	plan t of=A; d7 ask; d10 on; terminate t; d8 on; d11 ask; d11 take; abandon p d11;
	plan e end=20m; d9 ask; wait 30m; d1 off; d2 #9 A:ok`

func TestRestore(t *testing.T) {
	kept := recordsInMemory{}
	s := newKeptScript(t)
	s.all(everyTurn)
	require.NoError(t, s.verify("d8"))
	was := shown(s.engine)
	s.restart(kept)
	assert.Equal(t, was, shown(s.engine))
	assert.Empty(t, s.engine.Changes(), "nothing has changed since")

	s.all("d1 on; d1 B!boot_failed; wait 10m; d1 B!boot_failed; delete w; suspend p")
	was = shown(s.engine)
	s.restart(kept)
	assert.Equal(t, was, shown(s.engine), "changes on top of changes")
	assert.NotContains(t, kept, "plan/w")
}

// newKeptScript is a script whose platform is kept from its beginning.
func newKeptScript(t testing.TB) *script {
	empty, err := engine.Restore(recordsInMemory{})
	require.NoError(t, err)
	return newScriptOn(t, empty)
}

// TestRestartsAmongRandomInterleavings lets the platform die between any two
// rounds; the devices must not notice more than that it was away.
func TestRestartsAmongRandomInterleavings(t *testing.T) {
	for _, on := range []string{"stop", "continue", "revert"} {
		for seed := range uint64(4) {
			w := newWorldOf(newKeptScript(t), t, seed, "on="+on, "retries=2")
			kept := recordsInMemory{}
			for range 30 {
				w.round()
				was := shown(w.engine)
				w.script.restart(kept)
				w.engine = w.script.engine
				require.Equal(t, was, shown(w.engine), "seed %d", seed)
				checkCounts(t, w.engine)
			}
			w.finish()
			w.checkEnd(seed)
		}
	}
}

// TestEachPlanIsWrittenByItself counts what is written while a device has plan after
// plan: those that it had before are not written again.
func TestEachPlanIsWrittenByItself(t *testing.T) {
	s := newKeptScript(t)
	kept := recordsInMemory{}
	var sizes []int
	for i := range 60 {
		s.all(fmt.Sprintf("plan p%03d of=A; d1 on; d1 ask; d1 take; terminate p%03d; d1 on", i, i))
		n := 0
		for _, r := range s.engine.Changes() {
			n += len(r.Key) + len(r.Value)
			kept.write([]engine.Record{r})
		}
		sizes = append(sizes, n)
	}
	assert.LessOrEqual(t, sizes[59], sizes[1]+sizes[1]/2, "bytes of each plan: %v", sizes)
	was := shown(s.engine)
	s.restart(kept)
	assert.Equal(t, was, shown(s.engine))
}

func FuzzRestore(f *testing.F) {
	kept := recordsInMemory{}
	s := newKeptScript(f)
	s.all(everyTurn)
	kept.write(s.engine.Changes())
	for _, key := range []string{"plan/p", "device/gw/d1", "device/gw/d5", "task/gw/d1/p", "series/p", "package/" +
		engine.PackageID("A-2")} {
		require.Contains(f, kept, key)
		f.Add(key, string(kept[key]))
	}
	f.Fuzz(func(t *testing.T, key, value string) {
		mine := maps.Clone(kept)
		mine[key] = []byte(value)
		e, err := engine.Restore(mine)
		if err != nil {
			return
		}
		// What was taken in can be shown, driven and written again.
		shown(e)
		at := s.now.Add(time.Hour)
		e.Handle(at, engine.Tick{})
		e.Handle(at, engine.Message{Device: identity("d1"), Message: &ota.Inventory{Request: true}})
		e.Handle(
			at,
			engine.Message{
				Device: identity("d1"), Message: &ota.Report{Plan: "p", Seq: 1, Component: "A", Status: ota.PlanReceived},
			},
		)
		mine.write(e.Changes())
		_, err = engine.Restore(mine)
		require.NoError(t, err)
	})
}

// update writes the kept records of this version. Those of earlier ones must stay
// readable, so that is for the day on which something is added to them.
var update = flag.Bool("update", false, "write testdata/records.json")

// TestRecordsStayReadable restores what the first version that kept anything has
// written.
func TestRecordsStayReadable(t *testing.T) {
	const path = "testdata/records.json"
	if *update {
		s, fresh := newKeptScript(t), recordsInMemory{}
		s.all(everyTurn)
		fresh.write(s.engine.Changes())
		forms := map[string]json.RawMessage{}
		for key, value := range fresh {
			forms[key] = value
		}
		text, err := json.MarshalIndent(forms, "", " ")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, text, 0o644))
	}
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var kept map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(text, &kept))
	old := recordsInMemory{}
	for key, value := range kept {
		old[key] = value
	}
	e, err := engine.Restore(old)
	require.NoError(t, err)
	var keys []string
	for _, p := range e.Plans() {
		keys = append(keys, p.ID)
	}
	slices.SortFunc(keys, cmp.Compare)
	assert.Equal(t, []string{"e", "m", "p", "t", "w"}, keys)
	view, found := e.Device("p", "d1")
	require.True(t, found)
	assert.Equal(t, ota.UpgradeSucceeded, view.Components[0].Status)
	assert.Equal(t, ota.UpgradeFailed, view.Components[1].Status)
	assert.Equal(t, 2, view.Components[1].Times)
	assert.NotEmpty(t, view.Log)

	was := shown(e)
	old.write(e.Changes())
	require.Contains(t, old, "task/gw/d1/p")
	e, err = engine.Restore(old)
	require.NoError(t, err)
	assert.Equal(t, was, shown(e), "in the newer form")
	assert.Empty(t, e.Changes())
}
