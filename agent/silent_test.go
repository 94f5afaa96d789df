package agent_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"otafleet/agent"
	"otafleet/firmware"
	"otafleet/internal/ota"
)

// silent lets app be silent until a time has passed, and notes when it is asked.
func (b *bench) silent(long time.Duration, err error) *[]time.Duration {
	began, asked := time.Now(), new([]time.Duration)
	b.inspect = func(_ context.Context, component string) (string, error) {
		if component != "app" {
			return "1", nil
		}
		since := time.Since(began)
		*asked = append(*asked, since)
		if since < long {
			return "", err
		}
		return "1", nil
	}
	return asked
}

func (b *bench) version(component string) string {
	for _, c := range b.runner.View().Components {
		if c.ID == component {
			return c.Version
		}
	}
	return "none"
}

// A component that is silent at the start is asked again, in growing pauses.
func TestSilentIsAskedAgain(t *testing.T) {
	for _, err := range []error{errors.New("exit code 1"), firmware.ErrRetry, nil} {
		onBench(t, func(t *testing.T, b *bench) {
			asked := b.silent(20*time.Minute, err)
			b.start()
			b.post(agent.Connected{}, agent.Received{Message: &ota.NoPlan{Reason: ota.NoPlanUpToDate}})
			assert.Empty(t, b.version("app"))
			b.noted()
			time.Sleep(19 * time.Minute)
			assert.Empty(t, b.noted())
			time.Sleep(80 * time.Second)
			b.post(agent.Received{Message: &ota.NoPlan{Reason: ota.NoPlanUpToDate}})
			time.Sleep(24 * time.Hour)
			synctest.Wait()
			const s = time.Second
			assert.Equal(t, []time.Duration{0, 5 * s, 15 * s, 35 * s, 75 * s, 155 * s, 315 * s, 615 * s, 915 * s, 1215 * s},
				*asked)
			assert.Equal(t, "1", b.version("app"))
			assert.Equal(t, []string{"save", "inventory?"}, b.noted(), "the platform hears what runs, and is asked for a plan")
		})
	}
}

// A plan that was refused because of a silent component is taken when that answers.
func TestSilentPlanIsTaken(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		b.silent(8*time.Second, errors.New("exit code 1"))
		b.start()
		b.post(agent.Connected{}, b.plan("app", "motor"))
		assert.True(t, b.has("refuse:incompatible"))
		time.Sleep(16 * time.Second)
		b.post(b.plan("app", "motor"))
		log := b.noted()
		assert.Contains(t, log, "accept")
		assert.Equal(t, 1, strings.Count(strings.Join(log, " "), "inventory?"), "the plan is asked for once")
	})
}

// A plan that names a silent component lets it be asked before its time, however
// many come.
func TestSilentIsAskedForAPlan(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		asked := b.silent(time.Hour, errors.New("exit code 1"))
		b.start()
		b.post(agent.Connected{})
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		before := len(*asked)
		b.post(b.plan("motor"))
		time.Sleep(time.Second)
		assert.Len(t, *asked, before, "it is not about this one")
		b.post(agent.Abandon{Plan: "p1"})
		for range 20 {
			b.post(b.plan("app"))
		}
		synctest.Wait()
		assert.InDelta(t, before+1, len(*asked), 1, "at most one in five seconds")
	})
}

// While an effect is at work on a component nothing else speaks with it.
func TestSilentIsNotDisturbed(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		b.start()
		b.post(agent.Connected{}, agent.Disconnected{}) // app is known to run 1
		b.stop()

		working, met, asked := false, false, 0
		b.inspect = func(ctx context.Context, component string) (string, error) {
			if component == "app" {
				asked++
				met = met || working
				time.Sleep(3 * time.Second)
			}
			return "", firmware.Failf(ota.ComponentSilent, "exit code 1")
		}
		b.install = func(_ context.Context, step, _ string) error {
			working = true
			time.Sleep(time.Minute)
			working = false
			return nil
		}
		b.start()
		time.Sleep(5 * time.Second)
		b.post(agent.Connected{}, b.plan("app"), b.pkg("app"))
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.False(t, met)
		assert.Greater(t, asked, 5)
		assert.Contains(t, b.noted(), "app=upgrade_failed(component_silent)")
	})
}

// A component that does not answer after it rolled back is asked again too.
func TestSilentAfterARollback(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		began := time.Now()
		b.inspect = func(context.Context, string) (string, error) {
			switch since := time.Since(began); {
			case since == 0:
				time.Sleep(time.Second)
				return "1", nil
			case since < 5*time.Minute:
				return "", firmware.Failf(ota.ComponentSilent, "")
			}
			return "0", nil
		}
		b.upgrade(4 * time.Minute)
		assert.True(t, b.has("app=upgrade_failed(component_silent)"))
		time.Sleep(10 * time.Minute)
		assert.Equal(t, "0", b.version("app"), "what the flash tool left there")
	})
}

// The machine notes what was found whatever it is doing, and nothing that is no
// version or no component of its own.
func TestInspected(t *testing.T) {
	d := newDriver(t, "app:1>2 to app=downloading")
	for _, in := range []agent.Inspected{{Component: "app", Version: "1"}, {Component: "gone", Version: "3"},
		{Component: "app", Version: "1\n2"}, {Component: "app"}} {
		assert.Empty(t, d.machine.Handle(d.now, in))
	}
	outputs := d.machine.Handle(d.now, agent.Inspected{Component: "app", Version: "9"})
	assert.Len(t, outputs, 2)
	assert.IsType(t, agent.Save{}, outputs[0])
	assert.IsType(t, &ota.Inventory{}, outputs[1].(agent.Send).Message)
}
