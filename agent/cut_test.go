package agent_test

import (
	"flag"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/firmware"
	"otafleet/internal/ota"
)

// scenario is a plan, what its components need, and what goes wrong.
type scenario struct {
	policy     ota.OnFailure
	components []firmware.Restart // what each one needs to be activated
	fault      fault
	late       bool // the connection comes late
	delta      bool // the plan has deltas, and the platform the full packages too
}

var faultSteps = []string{"manifest", "fetch", "mirrors", "stage", "activate", "boot", "health", "confirm"}

var componentNames = []string{"app", "motor", "rootfs"}

func (s scenario) String() string {
	name := fmt.Sprintf("%s %v", s.policy, s.components)
	if s.late {
		name += " late"
	}
	if s.delta {
		name += " delta"
	}
	if s.fault.component == "" {
		return name
	}
	name += " " + s.fault.component + " " + s.fault.step
	if s.fault.always {
		return name + " always"
	}
	return name
}

func (s scenario) world(cuts ...cut) *world {
	w := &world{fault: s.fault, cuts: cuts, late: s.late, flashes: map[string]*flash{},
		urlCache: map[string]*ota.Package{},
		now:      epoch}
	w.config = agent.Config{Agent: "ota-agent/test", Open: openText}
	plan := &ota.Plan{Time: epoch, ID: "p1", Attempt: 1, Mode: ota.Silent, Ends: epoch.Add(30 * 24 * time.Hour),
		OnFailure: s.policy}
	w.platform = &platform{plan: plan, retries: map[string]int{}, ledger: ledger{}, exhausted: map[string]bool{},
		full: map[string]bool{}, manifest: func(component string) string {
			if w.fault.strikes(component, "manifest") {
				return "!signature_invalid"
			}
			if s.delta && !w.platform.full[component] {
				return "+delta"
			}
			return ""
		}}
	for i, needs := range s.components {
		id := componentNames[i]
		w.platform.retries[id] = 3
		if s.fault.always {
			w.platform.retries[id] = 1 // nothing new happens in the third attempt
		}
		w.flashes[id] = &flash{needs: needs, from: "1", runs: "1", previous: "1"}
		w.config.Components = append(w.config.Components, agent.ComponentConfig{ID: id, Type: ota.Module})
		plan.Components = append(plan.Components, ota.PlanComponent{ID: id, Type: ota.Module, Package: ota.Full, Target: "2"})
		if s.delta {
			plan.Components[i].Package, plan.Components[i].Sources = ota.Delta, []string{"1"}
		}
	}
	return w
}

// scenarios gives every failure of every component under every policy.
func scenarios(components ...firmware.Restart) []scenario {
	var all []scenario
	for _, policy := range []ota.OnFailure{ota.Stop, ota.Continue, ota.Revert} {
		all = append(all, scenario{policy: policy, components: components})
		for i, needs := range components {
			for _, step := range faultSteps {
				if step == "boot" && needs != firmware.RestartSystem {
					continue // nothing falls back
				}
				for _, always := range []bool{false, true} {
					all = append(all, scenario{policy: policy, components: components, fault: fault{componentNames[i], step, always}})
				}
			}
		}
	}
	return all
}

// everyCut makes TestCuts try every kind of cut at every output, and every pair
// of outputs, which takes a while: go test ./agent -run Cuts -v -every-cut
var everyCut = flag.Bool("every-cut", false, "cut at every output in every way, and at every pair of outputs")

// kindsOf gives the cuts to make at output n. Without -every-cut the kinds take
// turns, from output to output.
func kindsOf(n int) []cut {
	kinds := []cut{{n, false, false}, {n, true, false}, {n, true, true}}
	if *everyCut {
		return kinds
	}
	return kinds[n%len(kinds):][:1]
}

// TestCuts cuts the power, or ends the agent, before or after every output of
// many upgrades, and expects each of them to end as it does without a cut.
func TestCuts(t *testing.T) {
	var cuts atomic.Int64
	t.Run("one", func(t *testing.T) {
		const none, process, system = firmware.RestartNone, firmware.RestartProcess, firmware.RestartSystem
		all := append(scenarios(none, system), scenarios(system, process)...)
		for _, component := range componentNames[:2] {
			for _, step := range []string{"", "base", "patch"} {
				all = append(all, scenario{policy: ota.Revert, components: []firmware.Restart{none, system}, delta: true,
					fault: fault{component: component, step: step}})
			}
		}
		for _, policy := range []ota.OnFailure{ota.Stop, ota.Continue, ota.Revert} {
			all = append(all, scenario{policy: policy, components: []firmware.Restart{none, process, system}},
				scenario{policy: policy, components: []firmware.Restart{system, none, system}, late: true})
		}
		for _, s := range all {
			t.Run(s.String(), func(t *testing.T) {
				t.Parallel()
				plain := s.world()
				require.NoError(t, plain.run())
				for n := 1; n <= plain.outputs; n++ {
					for _, c := range kindsOf(n) {
						require.NoError(t, s.world(c).run(), "%+v", c)
						cuts.Add(1)
					}
				}
			})
		}
	})
	t.Run("two", func(t *testing.T) {
		for _, policy := range []ota.OnFailure{ota.Stop, ota.Revert} {
			t.Run(string(policy), func(t *testing.T) {
				t.Parallel()
				cuts.Add(cutTwice(t, scenario{policy: policy,
					components: []firmware.Restart{firmware.RestartNone, firmware.RestartSystem}}))
			})
		}
	})
	t.Logf("%d cuts", cuts.Load())
	require.Greater(t, cuts.Load(), int64(10_000))
}

// cutTwice cuts the power at pairs of outputs.
func cutTwice(t *testing.T, s scenario) (cuts int64) {
	plain := s.world()
	require.NoError(t, plain.run())
	apart := 4
	if *everyCut {
		apart = 1
	}
	for first := 1; first <= plain.outputs; first++ {
		for second := first + 1; second <= plain.outputs+10; second += apart {
			a, b := cut{first, first%2 == 0, false}, cut{second, second%2 == 0, false}
			require.NoError(t, s.world(a, b).run(), "%+v %+v", a, b)
			cuts += 2
		}
	}
	return cuts
}
