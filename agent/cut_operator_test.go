package agent_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/firmware"
	"otafleet/internal/ota"
)

// TestCutsInWindows cuts upgrades on devices whose maintenance window is a
// minute long: after a cut it is closed, and the switch waits for the next one.
func TestCutsInWindows(t *testing.T) {
	const none, system = firmware.RestartNone, firmware.RestartSystem
	window := daily(t, "10-11")
	window.To = 10*60 + 1
	for _, s := range scenarios(none, system) {
		if s.fault.always {
			continue
		}
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			world := func(cuts ...cut) *world {
				w := s.world(cuts...)
				w.config.Windows = []agent.Window{window}
				return w
			}
			plain := world()
			require.NoError(t, plain.run())
			for n := 1; n <= plain.outputs; n++ {
				require.NoError(t, world(kindsOf(n)[0]).run(), "%d", n)
			}
		})
	}
}

// TestCutsInLocalPlans cuts the installation of a package file on a device that
// has no connection.
func TestCutsInLocalPlans(t *testing.T) {
	for _, needs := range []firmware.Restart{firmware.RestartNone, firmware.RestartProcess, firmware.RestartSystem} {
		for _, step := range []string{"", "fetch", "stage", "activate", "health", "confirm"} {
			t.Run(string(needs)+" "+step, func(t *testing.T) {
				t.Parallel()
				s := scenario{policy: ota.Stop, components: []firmware.Restart{needs}, late: true}
				if step != "" {
					s.fault = fault{component: "app", step: step}
				}
				plain := s.world()
				require.NoError(t, plain.runLocal())
				for first := 1; first <= plain.outputs; first++ {
					for second := first + 1; second <= plain.outputs+8; second += 5 {
						for _, c := range kindsOf(first) {
							require.NoError(t, s.world(c, cut{second, second%2 == 0, false}).runLocal(), "%+v %d", c, second)
						}
					}
				}
			})
		}
	}
}

// runLocal plays an operator who installs a package file, again and again until
// it runs.
func (w *world) runLocal() error {
	w.start()
	for tries := 1; w.err == nil && tries < 20; {
		if len(w.inbox) > 0 {
			in := w.inbox[0]
			w.inbox = w.inbox[1:]
			w.handle(in)
			continue
		}
		switch plan := w.machine.View().Plan; {
		case !w.timer.IsZero():
			w.now, w.timer = w.timer, time.Time{}
			w.handle(agent.Tick{})
		case plan != nil && !plan.Components[0].Status.Done() && !plan.Components[0].Status.Failed():
			return fmt.Errorf("the device is stuck: %s", w.machine.View().Waiting)
		case w.flashes["app"].runs == "2":
			return w.judgeLocal(plan)
		default:
			tries++
			w.handle(w.local(tries))
		}
	}
	return w.err
}

func (w *world) local(n int) agent.Install {
	plan := *w.platform.plan
	plan.ID = fmt.Sprint("local-", n)
	return agent.Install{Plan: &plan, Path: "/media/usb/app.ota", Package: &ota.Package{
		Time: epoch, Plan: plan.ID, Attempt: 1, Component: "app", Envelope: ota.Envelope{Payload: []byte("app>2")},
		Files: []ota.FileAddress{{Name: "image", URLs: []string{"http://local.invalid/image"}}},
	}}
}

// judgeLocal looks at the end: nothing was said to the platform, and what the
// device believes is true.
func (w *world) judgeLocal(plan *agent.PlanView) error {
	f := w.flashes["app"]
	switch {
	case len(w.platform.account().reports) > 0:
		return fmt.Errorf("the platform heard %v", w.platform.account().reports)
	case f.trial || f.next != "":
		return fmt.Errorf("ends on trial")
	case plan.Components[0].Status.Failed() && f.runs != "1":
		return fmt.Errorf("is %s and runs %s", plan.Components[0].Status, f.runs)
	}
	return nil
}

// TestPauseAnywhere pauses the device after every output of an upgrade, cuts it,
// and lets it go on.
func TestPauseAnywhere(t *testing.T) {
	for _, policy := range []ota.OnFailure{ota.Stop, ota.Revert} {
		s := scenario{policy: policy, components: []firmware.Restart{firmware.RestartNone, firmware.RestartSystem},
			fault: fault{component: "motor", step: "health"}}
		plain := s.world()
		require.NoError(t, plain.run())
		for n := 1; n <= plain.outputs; n++ {
			w := s.world(cut{n + 3, n%2 == 0, n%3 == 0})
			w.pauseAt = n
			require.NoError(t, w.run(), "%s %d", policy, n)
			require.True(t, w.pauses, "%d", n)
		}
	}
}
