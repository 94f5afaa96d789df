package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
)

// verify orders the verification of the package of A from any version to 2.
func (s *script) verify(key string) error {
	out, err := s.engine.Command(s.now, engine.VerifyPackage{Package: engine.PackageID("A-2"), Device: key})
	s.note(out)
	return err
}

func (s *script) packageA() engine.PackageView {
	p, found := s.engine.Package(engine.PackageID("A-2"))
	require.True(s.t, found)
	return p
}

// verificationOf lets a script's device talk about the plan of the verification.
func (s *script) verificationOf(key string) string {
	check := s.packageA().Check
	require.NotNil(s.t, check)
	s.device(key).plan = check.Plan
	return check.Plan
}

func TestVerification(t *testing.T) {
	s := newScript(t)
	s.all("d1 on")
	require.NoError(t, s.verify("d1"))
	plan := s.verificationOf("d1")
	assert.Contains(t, strings.Join(s.trace, " "), "d1<verify-", "issued at once")
	assert.Equal(t, engine.Verifying, s.packageA().Check.Outcome)
	assert.Empty(t, s.engine.Plans(), "it is no plan of the operator's")
	_, found := s.engine.Plan(plan)
	assert.False(t, found)
	assert.Zero(t, s.engine.Totals().Total())
	for _, refused := range []func() error{
		func() error { return s.verify("d1") },
		func() error { return s.order(engine.Terminate{Plan: plan}) },
		func() error { return s.order(engine.DeletePackage{Package: engine.PackageID("A-2")}) },
	} {
		assert.Error(t, refused())
	}
	s.all("d1 take " + plan + "; wait 1m; d1 A+")
	p := s.packageA()
	assert.True(t, p.Verified)
	assert.Equal(t, engine.VerifyingPassed, p.Check.Outcome)
	assert.Equal(t, 100, p.Check.Progress)
	assert.Equal(t, s.now, p.Check.Ended)
	assert.Equal(t, s.now.Add(-time.Minute), p.Check.Started)
	assert.ErrorContains(t, s.verify("d1"), "it is being verified, or was")
}

func TestVerificationFails(t *testing.T) {
	s := newScript(t)
	s.all("d1 on; d2 on")
	require.NoError(t, s.verify("d1"))
	plan := s.verificationOf("d1")
	s.all("d1 take " + plan + strings.Repeat("; d1 A!boot_failed", 6))
	assert.Equal(t, engine.VerifyingFailed, s.packageA().Check.Outcome)
	assert.False(t, s.packageA().Verified)

	require.NoError(t, s.verify("d2"), "another try")
	assert.NotEqual(t, plan, s.verificationOf("d2"))
	_, found := s.engine.Device(plan, "d1")
	assert.False(t, found, "the last one alone is kept")
}

func TestVerificationTimesOut(t *testing.T) {
	s := newScript(t)
	s.all("d1 on; d2 on")
	require.NoError(t, s.verify("d1"))
	plan := s.verificationOf("d1")
	s.all("d1 take " + plan + "; wait 59m")
	assert.Equal(t, engine.Verifying, s.packageA().Check.Outcome)
	s.all("wait 1m")
	assert.Equal(t, engine.VerifyingTimeout, s.packageA().Check.Outcome)
	assert.ErrorContains(t, s.verify("d2"), "still at work for the last verification")
	s.all("d1 A+")
	assert.Equal(t, engine.VerifyingTimeout, s.packageA().Check.Outcome, "too late")
	assert.NoError(t, s.verify("d2"))
}

func TestVerificationRules(t *testing.T) {
	for _, c := range []struct{ setup, device, wrong string }{
		{"", "d1", "device not found"},
		{"d1 off", "d1", "it is offline"},
		{"d1 on A2", "d1", "does not fit"},
		{"plan p; d1 ask; d1 take", "d1", `it is busy with plan "plan p"`},
	} {
		s := newScript(t)
		s.all(c.setup)
		assert.ErrorContains(t, s.verify(c.device), c.wrong)
	}
	_, err := newScript(t).engine.Command(time.Time{}, engine.VerifyPackage{Package: "x"})
	assert.ErrorIs(t, err, engine.ErrUnknown)
}

func (s *script) order(cmd engine.Command) error {
	out, err := s.engine.Command(s.now, cmd)
	s.note(out)
	return err
}

func TestPackagesAreNamedAndDeleted(t *testing.T) {
	s := newScript(t)
	add := func(name, remarks, target string) error {
		return s.order(
			engine.AddPackage{
				Manifest: manifest("Z", ota.Module, "", target), Reference: "Z-" + target, Name: name, Remarks: remarks,
			},
		)
	}
	require.NoError(t, add("spring", strings.Repeat("ü", 200), "1"))
	for wrong, err := range map[string]error{
		`name "spring" is taken`:  add("spring", "", "2"),
		"name: 101 characters":    add(strings.Repeat("x", 101), "", "3"),
		"remarks: 201 characters": add("autumn", strings.Repeat("x", 201), "4"),
	} {
		assert.ErrorContains(t, err, wrong)
		assert.NotEmpty(t, engine.Problems(err))
	}
	id := engine.PackageID("Z-1")
	p, found := s.engine.Package(id)
	require.True(t, found)
	assert.Equal(t, "spring", p.Name)
	assert.Equal(t, "Z-1", p.Reference)
	require.NoError(t, s.order(engine.DeletePackage{Package: id}))
	assert.ErrorIs(t, s.order(engine.DeletePackage{Package: id}), engine.ErrUnknown)
	require.NoError(t, add("spring", "", "1"), "the name is free again")

	s.all("draft p of=A")
	assert.ErrorContains(t, s.order(engine.DeletePackage{Package: engine.PackageID("A-2")}), `plan "plan p" needs it`)
	s.all("delete p")
	assert.NoError(t, s.order(engine.DeletePackage{Package: engine.PackageID("A-2")}))
}

func TestEdit(t *testing.T) {
	s := newScript(t)
	s.all("draft p; draft q; d1 on; d2 on")
	spec := s.spec("p", []string{"retries=3", "black=d1"})
	spec.Name = "another"
	require.NoError(t, s.order(engine.EditPlan{Plan: spec}))
	view, _ := s.engine.Plan("p")
	assert.Equal(t, "another", view.Name)
	assert.Equal(t, 1, view.Devices.Total())
	fields, found := s.engine.Fields("p")
	require.True(t, found)
	assert.Equal(t, 3, fields.Retries)
	assert.Equal(t, "p", s.engine.Plans()[0].ID, "it keeps its place")

	for wrong, spoil := range map[string]func(*engine.PlanSpec){
		"keeps its product":      func(p *engine.PlanSpec) { p.Product = "other"; p.Components = p.Components[:1] },
		`name "plan q" is taken`: func(p *engine.PlanSpec) { p.Name = "plan q" },
		"retries: 9":             func(p *engine.PlanSpec) { p.Retries = 9 },
		"plan not found":         func(p *engine.PlanSpec) { p.ID = "x" },
		"texts: are for manual":  func(p *engine.PlanSpec) { p.Texts = []engine.UpgradeText{{"en", "x"}} },
		`the one in "en" is missin`: func(p *engine.PlanSpec) {
			p.Mode, p.Texts = ota.Manual,
				[]engine.UpgradeText{{"zh", "x"}}
		},
		"is not a language tag": func(p *engine.PlanSpec) {
			p.Mode, p.Texts = ota.Manual,
				[]engine.UpgradeText{{"e n", "x"}}
		},
	} {
		other := spec
		spoil(&other)
		assert.ErrorContains(t, s.order(engine.EditPlan{Plan: other}), wrong)
	}
	s.all("activate p")
	assert.ErrorContains(t, s.order(engine.EditPlan{Plan: spec}), "it is To be Upgraded")
	checkCounts(t, s.engine)
}

func TestProblemsNameFields(t *testing.T) {
	s := newScript(t)
	spec := s.spec("p", nil)
	spec.Name, spec.Retries, spec.Components[1].Target = "", 9, "9"
	var fields []string
	for _, p := range engine.Problems(s.order(engine.CreatePlan{Plan: spec})) {
		fields = append(fields, p.Field)
	}
	assert.Equal(t, []string{"name", "retries"}, fields)
	spec.Name, spec.Retries = "n", 1
	assert.Equal(t, "components[1].target", engine.Problems(s.order(engine.CreatePlan{Plan: spec}))[0].Field)
}

func TestSeries(t *testing.T) {
	s := newScript(t)
	s.all("plan p of=A; d1 ask; d1 take; wait 5s; d1 A+; wait 5s; d2 on")
	all := s.engine.Series("p")
	require.Len(t, all, 3)
	assert.Equal(t, engine.Tally{ota.DeviceUpgrading: 1}, all[0].Devices)
	assert.Equal(t, engine.Tally{ota.DeviceUpgraded: 1}, all[1].Devices)
	assert.Equal(t, 5*time.Second, all[1].At.Sub(all[0].At))
	assert.Equal(t, 2, all[2].Devices.Total())
	assert.Nil(t, s.engine.Series("x"))

	var script strings.Builder
	for range 1000 {
		script.WriteString("retry p d1; d1 take; wait 1s; d1 A!boot_failed; wait 1s;")
	}
	s = newScript(t)
	s.all("plan p of=A; d1 ask; d1 take; d1 A!boot_failed;" + script.String())
	long := s.engine.Series("p")
	assert.LessOrEqual(t, len(long), 240)
	assert.Greater(t, len(long), 100)
	for i := range long[1:] {
		assert.True(t, long[i].At.Before(long[i+1].At))
	}
}
