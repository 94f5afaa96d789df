package agent_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/firmware"
	"otafleet/internal/ota"
)

var update = flag.Bool("update", false, "write the golden files")

// fullState has every field of a state set at least once.
func fullState() *agent.State {
	battery := 30
	failed := &ota.Failure{Code: ota.DigestMismatch, Detail: "chunk 12"}
	past := &ota.Plan{
		Time: epoch.Add(-time.Hour), ID: "p-16", Attempt: 2, Mode: ota.Manual, Ends: epoch, OnFailure: ota.Stop,
		Components: []ota.PlanComponent{{ID: "app", Type: ota.Module, Package: ota.Delta, Sources: []string{"1"},
			Target: "2"}},
	}
	plan := &ota.Plan{
		Time: epoch, ID: "p-17", Name: "spring", Attempt: 1, Mode: ota.Silent, Ends: epoch.Add(24 * time.Hour),
		OnFailure:  ota.Revert,
		Conditions: ota.Conditions{MinBattery: &battery, Space: 4096},
		Components: []ota.PlanComponent{
			{ID: "app", Type: ota.Module, Package: ota.Full, Target: "3", Size: 4096},
			{ID: "motor", Type: ota.MCU, Package: ota.Full, Sources: []string{"3_0", "3_1"}, Target: "3_2", Size: 512},
			{ID: "rootfs", Type: ota.Module, Package: ota.Full, Target: "1.1.0", Size: 1 << 20},
		},
	}
	return &agent.State{
		Floor: epoch.Add(-time.Hour),
		Components: []agent.Component{
			{ID: "app", Version: "2", Release: 41},
			{ID: "motor", Version: "3_2", Release: 7, RestartCounter: agent.RestartCounter{Image: ota.Digest{0xab, 0xcd},
				Restarts: 3}},
			{ID: "rootfs"},
		},
		Gone:   []agent.Component{{ID: "modem", Release: 12}},
		Paused: &agent.Pause{Since: epoch.Add(time.Hour), Reason: "the line is running"},
		Past: []*agent.Run{{Plan: past, Attempt: 3, LastSeq: 9, Answer: agent.Closed, Agreed: true,
			Local: "/media/usb/app.ota", Parts: []agent.Part{
				{Status: ota.DownloadFailed, FailedIn: 3, Failure: failed},
			}}},
		Run: &agent.Run{Plan: plan, Attempt: 2, LastSeq: 12, Answer: agent.Accepted, Taken: epoch, Parts: []agent.Part{
			{Status: ota.UpgradeSucceeded, Step: agent.StepReturn, FailedIn: 2, Again: true, From: "2", Image: ota.Digest{1},
				Release: 42,
				Failure: &ota.Failure{Code: ota.Reverted, Detail: "component motor failed"},
				Owed:    firmware.RestartSystem, BootID: "b7f1", Restarts: 2, At: epoch.Add(1500 * time.Millisecond)},
			{Status: ota.Downloading, Full: true, Renewed: true, From: "3_1", Image: ota.Digest{2}, Release: 8},
			{Status: ota.UpgradeFailed, FailedIn: 1, Again: true, Failure: &ota.Failure{Code: ota.Skipped}},
		}},
		Reports: []ota.Report{
			{Time: epoch, Plan: "p-16", Attempt: 3, Seq: 9, Component: "app", Status: ota.DownloadFailed, Version: "1",
				Failure: failed},
			{Time: epoch.Add(1500 * time.Millisecond), Plan: "p-17", Attempt: 2, Seq: 12, Component: "motor",
				Status: ota.Downloading},
		},
	}
}

// TestStateOfFirstVersion reads what the first version has left on devices in
// the field: it must be read for ever.
func TestStateOfFirstVersion(t *testing.T) {
	form, err := os.ReadFile(filepath.Join("testdata", "state-1.json"))
	require.NoError(t, err)
	read, err := agent.DecodeState(form)
	require.NoError(t, err)
	want := fullState()
	want.Paused, want.Run.Taken, want.Run.Parts[0].At = nil, time.Time{}, time.Time{}
	want.Past[0].Agreed, want.Past[0].Local = false, ""
	want.Floor, want.Run.Parts[1].Full, want.Gone = time.Time{}, false, nil
	assert.Equal(t, want, read)
}

// TestStateForm holds the form on disk against a file that a device in the
// field may have.
func TestStateForm(t *testing.T) {
	golden := filepath.Join("testdata", "state-1.1.json")
	form, err := agent.EncodeState(fullState())
	require.NoError(t, err)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(golden, form, 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.JSONEq(t, string(want), string(form))
	read, err := agent.DecodeState(want)
	require.NoError(t, err)
	assert.Equal(t, fullState(), read)
}

// A state that a newer agent has left is read as far as it is understood: the
// rollback to this agent must not forget which plan is in progress.
func TestDecodeStateOfNewerAgent(t *testing.T) {
	form, err := agent.EncodeState(fullState())
	require.NoError(t, err)
	newer := strings.Replace(string(form), `"format":1`, `"format":2,"moon":{"phase":"full"}`, 1)
	var is *agent.NewerState
	read, err := agent.DecodeState([]byte(newer))
	require.ErrorAs(t, err, &is)
	assert.Equal(t, 2, is.Format)
	assert.Equal(t, fullState(), read)

	read, err = agent.DecodeState([]byte(strings.ReplaceAll(newer, `"step":"return"`, `"step":"fly"`)))
	require.ErrorAs(t, err, &is)
	assert.Nil(t, read.Run, "is not understood")
	assert.Equal(t, fullState().Components, read.Components)
}

func TestDecodeStateRefuses(t *testing.T) {
	form, err := agent.EncodeState(fullState())
	require.NoError(t, err)
	for _, c := range []struct{ old, new, want string }{
		{`{"format":1`, `{"format":`, "cannot read the state: invalid character"},
		{`"format":1`, `"format":0`, "its format is 0, and this program knows 1 to 1"},
		{`{"id":"app","version"`, `{"id":"..","version"`, "components[0] is malformed"},
		{`"suspect":"abcd`, `"suspect":"ab`, "components[1] is malformed"},
		{`"suspect":"abcd`, `"suspect":"xxxx`, "components[1] is malformed"},
		{`"id":"motor","version":"3_`, `"id":"motor","version":"\u0007`, "components[1] is malformed"},
		{`"full":true,"from":"3_`, `"full":true,"from":"\ufffd`, "component motor: malformed version"},
		{`"gone":[{"id":"modem"`, `"gone":[{"id":".."`, "gone[0] is malformed"},
		{`"restarts":3`, `"restarts":-3`, "components[1] is malformed"},
		{`"seq":9,"component"`, `"seq":0,"component"`, "reports[0]"},
		{`"seq":12,"component"`, `"seq":13,"component"`, "reports[1]: number 13 of plan p-17, whose last is 12"},
		{`"past":[{`, `"past":[null,{`, "past[0] is null"},
		{`"past":[{`, `"past":[{},{`, "past[0]: "},
		{`"past":[`, `"past":[null,null,null,null,null,null,null,null,`, "9 past plans, at most 8 are kept"},
		{`"plan":"p-17","name"`, `"plan":"..","name"`, "run: "},
		{`"plan":"p-17","name"`, `"plan":"p-16","name"`, "plan p-16 stands in it twice"},
		{`"attempt":2,"last_seq":12`, `"attempt":0,"last_seq":12`, "plan p-17: attempt 0, last report 12"},
		{`"attempt":2,"last_seq":12`, `"attempt":2,"last_seq":-1`, "plan p-17: attempt 2, last report -1"},
		{`"attempt":2,"last_seq":12`, `"attempt":2,"last_seq":9007199254740993`, "last report 9007199254740993"},
		{`"answer":"accepted"`, `"answer":"perhaps"`, `unknown answer "perhaps"`},
		{`"answer":"accepted"`, `"answer":"refused"`,
			`component app: step "return", status upgrade_succeeded of a plan that was not accepted`},
		{`,{"status":"upgrade_failed"`, `,{"status":"downloading"},{"status":"upgrade_failed"`,
			"the parts do not match the components"},
		{`"status":"downloading","renewed"`, `"status":"loading","renewed"`, `component motor: unknown status "loading"`},
		{`"step":"return"`, `"step":"fly"`, `unknown step "fly"`},
		{`"step":"return"`, `"step":"trial"`, `step "trial" does not belong to status upgrade_succeeded`},
		{`"code":"reverted"`, `"code":"boot_failed"`, `step "return" after success for boot_failed`},
		{`"failure":{"code":"skipped"}`, `"from":"1"`, "needs a failure"},
		{`"failure":{"code":"skipped"}`, `"failure":{"code":"NO"}`, `malformed code "NO"`},
		{`"status":"downloading","renewed"`, `"status":"upgrading","renewed"`, "status upgrading without a step"},
		{`"status":"downloading","renewed"`,
			`"status":"downloading","step":"revert","failure":{"code":"internal"},"renewed"`,
			`step "revert" does not belong to status downloading`},
		{`"owed":"system"`, `"owed":"moon"`, `unknown restart "moon"`},
		{`"owed":"system"`, `"owed":""`, `step "return" owes no restart`},
		{`"since":"2026-11-23T11:00:00.000Z"`, `"since":"yesterday"`, `paused: malformed time "yesterday"`},
		{`"taken":"2026-11-23T10:00:00.000Z"`, `"taken":"9"`, `plan p-17: malformed time "9"`},
		{`"at":"2026-11-23T10:00:01.500Z"`, `"at":"-"`, `component app: malformed time "-"`},
		{`"image":"02`, `"image":"0`, "image: malformed digest"},
	} {
		t.Run(c.want, func(t *testing.T) {
			require.Contains(t, string(form), c.old)
			_, err := agent.DecodeState([]byte(strings.Replace(string(form), c.old, c.new, 1)))
			assert.ErrorContains(t, err, c.want)
		})
	}
}

// FuzzDecodeState reads anything. What it takes for a state, a machine must be
// able to start from, and must be able to save again.
func FuzzDecodeState(f *testing.F) {
	form, err := agent.EncodeState(fullState())
	require.NoError(f, err)
	f.Add(form)
	w := scenario{policy: ota.Revert, components: []firmware.Restart{firmware.RestartNone, firmware.RestartSystem}}.world()
	require.NoError(f, w.run())
	form, err = agent.EncodeState(w.saved)
	require.NoError(f, err)
	f.Add(form)
	f.Fuzz(func(t *testing.T, form []byte) {
		state, err := agent.DecodeState(form)
		if err != nil {
			return
		}
		_, err = agent.EncodeState(state)
		require.NoError(t, err)
		c := &chaos{now: epoch, ledger: ledger{}, urlCache: map[string]*ota.Package{}, saved: state}
		c.config = agent.Config{Agent: "ota-agent/test", Open: openText}
		for _, id := range []string{"app", "motor"} {
			c.config.Components = append(c.config.Components, agent.ComponentConfig{ID: id, Type: ota.Module})
		}
		c.machine = agent.New(ota.Identity{Product: "gw-200", Device: "gw-0001"}, &c.config, state)
		for _, in := range []agent.Input{
			agent.Booted{BootID: "b7f1", Components: []agent.Found{{ID: "app", Version: "1"}, {ID: "motor"}}},
			agent.Connected{}, agent.Tick{}, agent.Received{Message: c.plan()}, agent.Measured{},
		} {
			outputs := c.machine.Handle(c.now, in)
			if len(outputs) == 0 {
				continue
			}
			if save, is := outputs[0].(agent.Save); is {
				_, err := agent.EncodeState(save.State)
				require.NoError(t, err)
			}
			c.now = c.now.Add(time.Hour)
		}
	})
}

// However much a device has to remember, its state stays below what is kept (16 MiB):
// one beyond that could never be saved, and the device would wait for ever.
func TestLargestState(t *testing.T) {
	long := func(n int) string { return strings.Repeat("<", n) } // six bytes each in JSON
	detail := &ota.Failure{Code: ota.InstallerFailed, Detail: long(1 << 20)}
	run := func(nth int) *agent.Run {
		r := &agent.Run{Attempt: 1, Answer: agent.Accepted,
			Plan: &ota.Plan{Time: epoch, ID: fmt.Sprint(nth, strings.Repeat("p", 60)), Attempt: 1,
				Name: long(ota.MaxPlanName), Mode: ota.Silent, Ends: epoch, OnFailure: ota.Stop}}
		for k := range ota.MaxComponents {
			c := ota.PlanComponent{ID: fmt.Sprint(k, strings.Repeat("c", 28)), Type: ota.Module, Package: ota.Full,
				Target: long(ota.MaxVersion)}
			for range ota.MaxSources {
				c.Sources = append(c.Sources, long(ota.MaxVersion))
			}
			r.Plan.Components = append(r.Plan.Components, c)
			r.Parts = append(r.Parts, agent.Part{Status: ota.UpgradeFailed, From: long(ota.MaxVersion), Failure: detail,
				At: epoch})
		}
		return r
	}
	state := &agent.State{Run: run(0), Paused: &agent.Pause{Since: epoch, Reason: long(ota.MaxDetail)}}
	for n := range agent.MaxPast {
		state.Past = append(state.Past, run(n+1))
	}
	for range agent.MaxEnded {
		state.Ended = append(state.Ended, agent.Ended{Plan: strings.Repeat("e", ota.MaxKey), Attempt: 1, LastSeq: 1})
	}
	for n := range 300 { // more than are borne before new plans are refused
		state.Reports = append(state.Reports, ota.Report{Time: epoch, Plan: "p", Attempt: 1, Seq: n + 1, Component: "app",
			Status: ota.UpgradeFailed, Version: long(ota.MaxVersion), Failure: detail})
	}
	encoded, err := agent.EncodeState(state)
	require.NoError(t, err)
	assert.Less(t, len(encoded), 16<<20)
	decoded, err := agent.DecodeState(encoded)
	require.NoError(t, err)
	assert.Len(t, decoded.Run.Parts[0].Failure.Detail, ota.MaxDetail)
}
