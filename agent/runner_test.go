package agent_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/firmware"
	"otafleet/internal/ota"
)

// onBench runs a test in a bubble: its clock stands while anything can happen,
// and every goroutine must have ended at its end.
func onBench(t *testing.T, test func(t *testing.T, b *bench)) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		test(t, b)
		if b.runner != nil {
			b.stop()
		}
	})
}

func TestRunnerExecutesInOrder(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		b.start()
		b.post(agent.Connected{}, b.plan("app"))
		assert.Equal(t, []string{"read", "save", "inventory?", "read", "save", "app=plan_received", "accept",
			"app=upgrade_confirmed"}, b.noted())
		b.post(b.pkg("app"))
		assert.Equal(t, []string{
			"save", "app=ready_to_download", "keep:app", "open:app", "fetch", "close:app",
			"save", "app=downloading", "progress:app",
			"save", "app=download_succeeded", "stage:app",
			"save", "app=upgrading", "activate:app",
			"save", "health",
			"save", "confirm:app",
			"save", "app=upgrade_succeeded", "inventory?", "forget:app",
		}, b.noted())
	})
}

func TestRunnerWaitsForSave(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		b.start()
		b.post(agent.Connected{})
		b.noted()
		full := errors.New("no space left on device")
		b.saving(func() error { return full })
		b.post(b.plan("app"), b.pkg("app"), agent.CheckRequested{})
		time.Sleep(10 * time.Minute)
		heard := b.noted()
		for _, what := range heard {
			assert.Contains(t, []string{"read", "save fails", "inventory!" + full.Error()}, what, "nothing else happens")
		}
		assert.Contains(t, heard, "inventory!"+full.Error(), "the platform hears of it")
		b.post(agent.Disconnected{}, agent.Connected{})
		time.Sleep(time.Minute)
		assert.Contains(t, b.noted(), "inventory!"+full.Error(), "on a new connection, too")
		time.Sleep(time.Hour)
		assert.NotContains(t, b.noted(), "inventory!"+full.Error(), "and not again and again")
		v := b.runner.View()
		assert.Equal(t, full.Error(), v.Trouble)
		assert.Equal(t,
			"nothing goes on before the state can be saved, which is tried at least once a minute: "+full.Error(),
			v.Explained.Sentence)
		assert.Equal(t, v.Explained.Sentence, v.Waiting, "status says the same")
		assert.NotEmpty(t, v.Explained.Remedy)

		b.saving(nil)
		time.Sleep(time.Minute)
		log := b.noted()
		assert.Equal(t, []string{"save", "inventory:running#2", "app=plan_received", "accept", "app=upgrade_confirmed",
			"save", "app=ready_to_download"}, log[:7])
		assert.Contains(t, log, "inventory:running#3", "no input is lost")
		assert.Empty(t, b.runner.View().Trouble)
		assert.NotContains(t, b.runner.View().Explained.Sentence, full.Error())
	})
}

func TestRunnerStopsWhileItCannotSave(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		b.saving(func() error { return errors.New("no space left on device") })
		b.start()
		b.post(agent.Connected{})
		b.stop()
		assert.NotContains(t, b.noted(), "inventory?", "what was not saved is not acted on")
	})
}

func TestRunnerCancels(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		var release sync.WaitGroup
		release.Add(1)
		calls := 0
		b.fetch = func(ctx context.Context, _ agent.FetchJob) agent.FetchResult {
			if calls++; calls == 1 {
				<-ctx.Done()
				b.note("fetch has to stop")
				release.Wait()
				b.note("fetch ends")
				return agent.FetchResult{Failure: &ota.Failure{Code: ota.Internal}}
			}
			return agent.FetchResult{}
		}
		b.start()
		b.post(agent.Connected{}, b.plan("app"), b.pkg("app"))
		b.noted()
		b.post(b.pkg("app"))
		assert.Equal(t, []string{"fetch has to stop"}, b.noted())
		release.Done()
		log := b.noted()
		assert.Equal(t, []string{"close:app", "keep:app", "open:app", "fetch"}, log[1:5],
			"the next begins when the first has let go")
		assert.Contains(t, log, "app=upgrade_succeeded", "the result of the cancelled one does not matter")
	})
}

func TestRunnerHaltsAtRestart(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		b.restart = firmware.RestartSystem
		b.start()
		b.post(agent.Connected{}, b.plan("app"), b.pkg("app"))
		log := b.noted()
		assert.Equal(t, []string{"save", "restart:system"}, log[len(log)-2:])
		b.post(agent.Disconnected{}, agent.Connected{}, agent.CheckRequested{}, agent.Tick{})
		for _, what := range b.noted() {
			assert.Regexp(t, "^(inventory:running#6|app=.*)$", what, "nothing begins before the restart")
		}
		b.stop()

		// The next start takes up what was saved; the boot is another one.
		b.restart = firmware.RestartNone
		machine := agent.New(ota.Identity{Product: "gw-200", Device: "gw-0001"}, &b.config, b.saved)
		b.runner = agent.NewRunner(machine, agent.Ports{Link: b, Store: b, URLCache: b, Fetcher: b, Health: b, Power: b,
			Sensors:   b,
			Installer: func(component string) firmware.Installer { return &benchInstaller{b, component} }})
		b.run("boot-2")
		b.post(agent.Connected{})
		assert.True(t, b.has("app=upgrade_succeeded"))
	})
}

func TestRunnerRestartsAgainIfRefused(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		b.restart = firmware.RestartProcess
		refused := 0
		b.power = func() error {
			if refused++; refused < 4 {
				return errors.New("not permitted")
			}
			return nil
		}
		b.start()
		b.post(agent.Connected{}, b.plan("app"), b.pkg("app"))
		assert.Equal(t, "cannot restart: not permitted", b.runner.View().Trouble)
		time.Sleep(7 * time.Second)
		assert.Equal(t, 4, b.count("restart:process"), "after 1, 2 and 4 seconds")
	})
}

// A power cut in the middle of a list of outputs: nothing after it is executed.
func TestRunnerStopExecutesNothing(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		b.start()
		b.post(agent.Connected{})
		b.noted()
		b.saving(func() error { b.cut(); return nil })
		b.post(b.plan("app"))
		assert.Equal(t, []string{"read", "save"}, b.noted())
		b.post(agent.Connected{}, agent.Tick{})
		time.Sleep(time.Hour)
		assert.Empty(t, b.noted())
	})
}

// A clock that is set, or that went on while the device slept, has not moved the
// timer: the window is found open all the same.
func TestRunnerLooksAtTheClockAgain(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		var ahead atomic.Int64
		b.now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		b.config.Windows = []agent.Window{daily(t, "5-6")}
		b.start()
		b.post(agent.Connected{}, b.plan("app"), agent.Received{Message: &ota.Ack{Plan: "p1", Seq: 1}},
			agent.Received{Message: &ota.NoPlan{Time: epoch, Reason: ota.NoPlanNone}})
		require.True(t, b.has("refuse:outside_window"))
		b.noted()
		ahead.Store(int64(5*time.Hour + 10*time.Minute))
		time.Sleep(time.Minute)
		assert.Contains(t, b.noted(), "inventory?")
	})
}

func TestRunnerStopsEffects(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		b.fetch = func(ctx context.Context, _ agent.FetchJob) agent.FetchResult {
			<-ctx.Done()
			return agent.FetchResult{}
		}
		b.start()
		b.post(agent.Connected{}, b.plan("app"), b.pkg("app"))
		b.noted()
		b.stop()
		assert.Equal(t, []string{"close:app"}, b.noted())
	})
}

func TestRunnerRunReturnsAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		machine := agent.New(ota.Identity{Product: "gw-200", Device: "gw-0001"}, &b.config, nil)
		runner := agent.NewRunner(machine, agent.Ports{Link: b, Store: b, URLCache: b, Fetcher: b, Health: b, Power: b,
			Sensors: b})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		require.NoError(t, runner.Run(ctx, "boot-1"))
		runner.Post(agent.Connected{})
		assert.NotContains(t, b.noted(), "inventory?")
	})
}

// What comes while the components are inspected waits for the start.
func TestRunnerKeepsEarlyInputs(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		b.inspect = func(context.Context, string) (string, error) {
			time.Sleep(20 * time.Second)
			return "1", nil
		}
		b.start()
		b.post(agent.Connected{}, b.plan("app"))
		assert.Empty(t, b.noted())
		assert.Contains(t, b.runner.View().Waiting, "starting")
		time.Sleep(20 * time.Second)
		assert.Equal(t, []string{"read", "save", "inventory?", "read", "save", "app=plan_received", "accept",
			"app=upgrade_confirmed"}, b.noted())
	})
}

func TestRunnerStartsWithoutSilentComponents(t *testing.T) {
	for _, c := range []struct {
		name    string
		inspect func(ctx context.Context) (string, error)
		after   time.Duration
	}{
		{"hangs", func(ctx context.Context) (string, error) { <-ctx.Done(); return "9", ctx.Err() }, 90 * time.Second},
		{"answers with an error", func(context.Context) (string, error) { return "9", firmware.ErrRetry }, 0},
		{"says what is no version", func(context.Context) (string, error) { return "1\n2", nil }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			onBench(t, func(t *testing.T, b *bench) {
				b.inspect = func(ctx context.Context, component string) (string, error) {
					if component == "app" {
						return c.inspect(ctx)
					}
					return "1", nil
				}
				b.start()
				time.Sleep(c.after)
				b.post(agent.Connected{}, b.plan("app"))
				assert.Contains(t, b.noted(), "refuse:incompatible")
				b.post(agent.Received{Message: &ota.Termination{Time: epoch, Plan: "p1", Reason: ota.Terminated}})
				versions := map[string]string{}
				for _, v := range b.runner.View().Components {
					versions[v.ID] = v.Version
				}
				assert.Equal(t, map[string]string{"app": "", "motor": "1"}, versions)
			})
		})
	}
}

func TestRunnerRings(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		b.start()
		b.post(agent.Connected{}, b.plan("app"), agent.Received{Message: &ota.Ack{Plan: "p1", Seq: 2}})
		b.noted()
		time.Sleep(29 * time.Second)
		assert.Empty(t, b.noted())
		time.Sleep(2 * time.Second)
		assert.Equal(t, []string{"ask:app(missing)"}, b.noted())
		b.post(b.pkg("app"), agent.Received{Message: &ota.Ack{Plan: "p1", Seq: 7}},
			agent.Received{Message: &ota.NoPlan{Reason: ota.NoPlanUpToDate}})
		b.noted()
		time.Sleep(24 * time.Hour)
		assert.Empty(t, b.noted(), "an idle device has no timer")
	})
}

func TestRunnerPostsFromManyGoroutines(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		b.start()
		b.post(agent.Connected{})
		b.noted()
		var posters sync.WaitGroup
		for range 20 {
			posters.Go(func() {
				for range 50 {
					b.runner.Post(agent.BadPlan{Plan: "p1", Attempt: 1})
					b.runner.View()
				}
			})
		}
		posters.Wait()
		assert.Equal(t, 1000, b.count("refuse:invalid_plan"))
	})
}

// Posting while the device is being stopped must neither crash nor leave a
// goroutine behind.
func TestRunnerPostsDuringStop(t *testing.T) {
	for range 200 {
		onBench(t, func(t *testing.T, b *bench) {
			b.start()
			synctest.Wait()
			var posters sync.WaitGroup
			for range 4 {
				posters.Go(func() {
					for range 20 {
						b.runner.Post(agent.Connected{})
					}
				})
			}
			b.stop()
			posters.Wait()
		})
	}
}

// confirmFunc is a Confirmer.
type confirmFunc func(ctx context.Context, plan *ota.Plan) (bool, string, error)

func (f confirmFunc) Confirm(ctx context.Context, plan *ota.Plan) (bool, string, error) {
	return f(ctx, plan)
}

// The confirm command is asked one question at a time, which ends with its plan.
func TestRunnerAsksOnce(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		b.config.AskFirst = true
		var asked, open atomic.Int32
		b.confirmer = confirmFunc(func(ctx context.Context, _ *ota.Plan) (bool, string, error) {
			asked.Add(1)
			open.Add(1)
			<-ctx.Done()
			open.Add(-1)
			return true, "", nil
		})
		b.start()
		b.post(agent.Connected{}, b.plan("app"))
		for range 5 {
			b.post(agent.Disconnected{}, agent.Connected{}, b.plan("app"))
		}
		synctest.Wait()
		assert.Equal(t, []int32{1, 1}, []int32{asked.Load(), open.Load()}, "reconnects ask nothing new")
		again := b.plan("app").(agent.Received).Message.(*ota.Plan)
		again.Attempt = 2
		b.post(agent.Received{Message: again})
		synctest.Wait()
		assert.Equal(t, []int32{2, 1}, []int32{asked.Load(), open.Load()}, "another attempt is another question")
		b.post(agent.Received{Message: &ota.Termination{Time: again.Time, Plan: "p1", Reason: ota.Terminated}})
		synctest.Wait()
		assert.Equal(t, []int32{2, 0}, []int32{asked.Load(), open.Load()}, "a plan that has ended is not asked about")
	})
}

func TestRunnerAsks(t *testing.T) {
	for _, c := range []struct {
		name   string
		accept bool
		err    error
		want   string // what the plan is answered; empty if nothing is
	}{
		{"agrees", true, nil, "accept"},
		{"declines", false, nil, "refuse:declined"},
		{"cannot say", true, errors.New("no such file"), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			onBench(t, func(t *testing.T, b *bench) {
				b.config.AskFirst = true
				b.confirmer = confirmFunc(func(_ context.Context, plan *ota.Plan) (bool, string, error) {
					assert.Equal(t, "p1", plan.ID)
					return c.accept, "because", c.err
				})
				b.start()
				b.post(agent.Connected{}, b.plan("app"))
				log := b.noted()
				if c.want != "" {
					assert.Contains(t, log, c.want)
					return
				}
				assert.Contains(t, b.runner.View().Waiting, "waits for your answer")
				b.post(agent.Decided{Accept: true, Plan: "p1", Attempt: 1, Targets: []string{"2"}})
				assert.True(t, b.has("accept"), "the operator can still say")
			})
		})
	}
}

// Whoever may look may ask for rehearsals, whose envelopes take long to verify.
// The device is none the slower.
func TestRehearsalsDoNotStopTheDevice(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		goOn := make(chan struct{})
		b.config.Open = func(e ota.Envelope) (*ota.Manifest, error) {
			<-goOn
			return openText(e)
		}
		b.start()
		b.post(agent.Connected{})
		d := &driver{t: t}
		var asking sync.WaitGroup
		for range 8 {
			in := d.local("app")
			asking.Go(func() { assert.Nil(t, b.runner.Rehearse(in).Refused) })
		}
		b.noted()
		b.post(b.plan("motor"))
		assert.Contains(t, b.noted(), "accept", "a plan is answered")
		assert.Equal(t, "p1", b.runner.View().Plan.ID, "and status")
		close(goOn)
		asking.Wait()
	})
}

// A component with keys of its own asks no other.
func TestComponentsOpenTheirOwnPackages(t *testing.T) {
	d := newDriver(t, "app:1 motor:1")
	d.config.Components[1].Open = func(ota.Envelope) (*ota.Manifest, error) {
		return nil, &ota.Failure{Code: ota.KeyUntrusted}
	}
	app, motor := d.local("app"), d.local("motor")
	assert.Nil(t, d.machine.Rehearse(app, d.machine.Open(app), d.readings).Refused)
	assert.Equal(t, ota.KeyUntrusted, d.machine.Rehearse(motor, d.machine.Open(motor), d.readings).Refused.Code)
	d.play("install:motor")
	assert.Contains(t, d.seen, "note:l3/motor=upgrade_failed(key_untrusted)")
	d.play("install:app")
	assert.Contains(t, d.seen, "fetch:app")
}

// A device whose store took nothing at the start tells its platform, and does nothing
// before it has saved: not even what it was about when it ended.
func TestRunnerStartsWithoutSaving(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		b.fetch = func(ctx context.Context, _ agent.FetchJob) agent.FetchResult {
			b.note("fetch")
			<-ctx.Done()
			return agent.FetchResult{}
		}
		b.start()
		b.post(agent.Connected{}, b.plan("app"), b.pkg("app"))
		assert.True(t, b.has("fetch"))
		b.stop()

		b.noted()
		b.unsaved = true
		b.saving(func() error { return errors.New("read-only file system") })
		b.start()
		b.post(agent.Connected{}, b.plan("app"))
		time.Sleep(time.Hour)
		for _, what := range b.noted() {
			assert.Contains(t, []string{"read", "save fails", "inventory!read-only file system"}, what)
		}
		assert.Equal(t, "read-only file system", b.runner.View().Trouble)
		b.saving(nil)
		time.Sleep(time.Minute)
		assert.Contains(t, b.noted(), "fetch")
	})
}
