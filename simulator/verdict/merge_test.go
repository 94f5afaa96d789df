package verdict_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
	"otafleet/simulator/verdict/verdicttest"
)

// TestPartsGiveTheWhole: however the devices of a run are dealt to judges, in
// whatever order they are judged and merged, the figures are those of the run
// judged by one, event by event in the order of time.
func TestPartsGiveTheWhole(t *testing.T) {
	s := verdicttest.Parse(verdicttest.Fleets(400))
	whole := verdict.NewJudge(s, verdict.WithLogs)
	verdicttest.Play(s, 42, whole.Add)
	want := verdict.New(s, 42, "virtual", whole.Figures(verdict.Sizes(s)))
	assert.NotEmpty(t, want.Figures.Failed())
	assert.NotEmpty(t, want.Figures.Slowest())

	for seed := range uint64(3) {
		random := rand.New(rand.NewPCG(seed, 0))
		judges := []*verdict.Judge{verdict.NewJudge(s, verdict.WithLogs), verdict.NewJudge(s, verdict.WithLogs),
			verdict.NewJudge(s, verdict.WithLogs)}
		for _, ordinal := range random.Perm(s.Devices()) {
			fleet, n := 0, ordinal+1
			if n > s.Fleets[0].Count {
				fleet, n = 1, n-s.Fleets[0].Count
			}
			d := judges[random.IntN(len(judges))].Device(fleet, n)
			for _, e := range verdicttest.History(s, 42, fleet, n) {
				d.Add(&e)
			}
			if random.IntN(2) == 0 { // the others are closed in the end
				d.Close()
			}
		}
		sum := judges[random.IntN(len(judges))].Figures(verdict.Sizes(s))
		for _, j := range judges {
			if f := j.Figures(nil); f != sum {
				sum.Merge(f)
			}
		}
		v := verdict.New(s, 42, "virtual", sum)
		assert.Equal(t, want.HistoryDigest, v.HistoryDigest)
		assert.Equal(t, want.Figures, v.Figures, "seed %d", seed)
	}
}

// TestDigest: it changes with every field of every event, and with the device
// that has it; and only with these.
func TestDigest(t *testing.T) {
	s := fleets("gw", "cam")
	digest := func(events ...verdict.Event) string {
		j := verdict.NewJudge(s, verdict.WithoutLogs)
		for _, e := range events {
			j.Add(e)
		}
		return verdict.New(s, 1, "real", j.Figures(verdict.Sizes(s))).HistoryDigest
	}
	arrived := func(d string) verdict.Event { return verdict.Event{Kind: verdict.Arrived, Device: d} }
	const a, b = "gw-000001", "gw-000002"
	base := verdict.Event{Kind: verdict.Numbered, Device: a, At: 1, Plan: "p", Component: "app", Status: 5, Seq: 1, N: 2,
		Text: "x", Detail: "y"}
	seen := map[string]string{digest(): "nothing", digest(arrived(a)): "arrival",
		digest(arrived("cam-000001")): "arrival of another fleet's"}
	differs := func(name string, change func(e *verdict.Event)) {
		e := base
		change(&e)
		sum := digest(arrived(a), arrived(b), e)
		assert.Empty(t, seen[sum], name)
		seen[sum] = name
	}
	differs("itself", func(*verdict.Event) {})
	differs("kind", func(e *verdict.Event) { e.Kind = verdict.Stored })
	differs("device", func(e *verdict.Event) { e.Device = b })
	differs("time", func(e *verdict.Event) { e.At = 2 })
	differs("plan", func(e *verdict.Event) { e.Plan = "q" })
	differs("border", func(e *verdict.Event) { e.Plan, e.Component = "pa", "pp" })
	differs("component", func(e *verdict.Event) { e.Component = "ap" })
	differs("status", func(e *verdict.Event) { e.Status = 6 })
	differs("number", func(e *verdict.Event) { e.Seq = 2 })
	differs("n", func(e *verdict.Event) { e.N = -2 })
	differs("text", func(e *verdict.Event) { e.Text = "xy"; e.Detail = "" })
	differs("detail", func(e *verdict.Event) { e.Text = ""; e.Detail = "xy" })

	other := base
	other.Device = b
	assert.Equal(t, digest(arrived(a), arrived(b), base, other), digest(arrived(b), other, arrived(a), base),
		"the order of devices does not matter")
	assert.NotEqual(t, digest(arrived(a), base, arrived(a)), digest(arrived(a), arrived(a), base),
		"the order of a device's events does")
}

// TestSlowestAndFailed keeps the devices most worth a look, in the order of their
// urgency and then of their numbers.
func TestSlowestAndFailed(t *testing.T) {
	s := verdicttest.Parse(verdicttest.Fleets(4000))
	f := verdicttest.Judge(s, 7).Figures
	slowest := f.Slowest()
	assert.Len(t, slowest, 20)
	for i, r := range slowest {
		assert.Equal(t, scenario.Upgraded, r.Class)
		if i > 0 {
			assert.LessOrEqual(t, r.Took, slowest[i-1].Took)
		}
	}
	assert.Equal(t, f.Times.Upgrade.At(scenario.Max), slowest[0].Took)
	failed := f.Failed()
	assert.Len(t, failed, 50)
	for i, r := range failed {
		assert.Equal(t, scenario.UpgradeFailed, r.Class, "there are enough of them")
		if i > 0 && r.Fleet == failed[i-1].Fleet {
			assert.Greater(t, r.Device, failed[i-1].Device)
		}
	}
}
