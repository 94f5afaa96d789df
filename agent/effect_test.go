package agent_test

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"otafleet/agent"
	"otafleet/firmware"
	"otafleet/internal/ota"
)

// upgrade starts an upgrade of app and lets it run for a time.
func (b *bench) upgrade(long time.Duration) {
	b.start()
	b.post(agent.Connected{}, b.plan("app"), b.pkg("app"))
	time.Sleep(long)
}

// failing makes one step of the installer fail with err.
func (b *bench) failing(step string, err error) {
	b.install = func(_ context.Context, now, _ string) error {
		if now == step {
			return err
		}
		return nil
	}
}

// Errors of an installer become codes: its own where it names one of the
// protocol's.
func TestEffectErrors(t *testing.T) {
	for _, c := range []struct {
		step string
		err  error
		want string
	}{
		{"keep", errors.New("no space left on device"), "app=download_failed(write_failed)"},
		{"open", firmware.Failf(ota.SpaceLow, "10 bytes"), "app=download_failed(space_low)"},
		{"open", errors.New("exit status 1"), "app=download_failed(installer_failed)"},
		{"stage", firmware.Failf(ota.UnpackFailed, "not zstd"), "app=upgrade_failed(unpack_failed)"},
		{"stage", fmt.Errorf("cannot stage: %w", firmware.Failf(ota.DeltaFailed, "")), "app=upgrade_failed(delta_failed)"},
		{"activate", errors.New("exit status 1"), "app=upgrade_failed(installer_failed)"},
		{"activate", firmware.Failf("moon_phase", "full"), "app=upgrade_failed(installer_failed)"},
		{"confirm", errors.New("exit status 1"), "app=upgrade_failed(installer_failed)"},
	} {
		t.Run(c.step+" "+c.want, func(t *testing.T) {
			onBench(t, func(t *testing.T, b *bench) {
				b.failing(c.step, c.err)
				b.upgrade(0)
				log := b.noted()
				assert.Contains(t, log, c.want)
				assert.Equal(t, c.step != "keep" && c.step != "open", contains(log, "revert:app"), "what has begun is undone")
			})
		})
	}
}

// TestTooManyOpenFiles is a trouble that passes: a step is tried again, whoever has
// them open.
func TestTooManyOpenFiles(t *testing.T) {
	for _, step := range []string{"keep", "open", "stage", "activate", "confirm"} {
		for _, cause := range []error{syscall.EMFILE, syscall.ENFILE} {
			onBench(t, func(t *testing.T, b *bench) {
				failures := 3
				b.install = func(_ context.Context, now, _ string) error {
					if now == step && failures > 0 {
						failures--
						return firmware.WriteFailure(fmt.Errorf("cannot begin: %w", cause))
					}
					return nil
				}
				b.upgrade(time.Hour)
				assert.Contains(t, b.noted(), "app=upgrade_succeeded", step)
			})
		}
	}
}

func contains(log []string, what string) bool {
	for _, w := range log {
		if w == what {
			return true
		}
	}
	return false
}

func TestEffectRevertFails(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		b.install = func(_ context.Context, step, _ string) error {
			switch step {
			case "activate":
				return firmware.Failf(ota.WriteFailed, "bad block")
			case "revert":
				return errors.New("bad block too")
			}
			return nil
		}
		b.upgrade(2 * time.Minute) // it is tried five times
		assert.True(t, b.has("app=upgrade_failed(write_failed)"))
		assert.Equal(t, "bad block; the rollback failed: installer_failed: bad block too",
			b.runner.View().Plan.Components[0].Failure.Detail)
	})
}

// A component that asks to be called again is, after 5 s, doubling to 5 min.
func TestEffectRetries(t *testing.T) {
	for _, step := range []string{"open", "stage", "activate", "confirm"} {
		t.Run(step, func(t *testing.T) {
			onBench(t, func(t *testing.T, b *bench) {
				var calls []time.Duration
				began := time.Now()
				b.install = func(_ context.Context, now, _ string) error {
					if now != step {
						return nil
					}
					calls = append(calls, time.Since(began))
					if len(calls) < 9 {
						return fmt.Errorf("the lock is taken: %w", firmware.ErrRetry)
					}
					return nil
				}
				b.upgrade(time.Hour)
				assert.True(t, b.has("app=upgrade_succeeded"))
				var waits []time.Duration
				for i := range calls[1:] {
					waits = append(waits, calls[i+1]-calls[i])
				}
				const s = time.Second
				assert.Equal(t, []time.Duration{5 * s, 10 * s, 20 * s, 40 * s, 80 * s, 160 * s, 300 * s, 300 * s}, waits)
			})
		})
	}
}

func TestEffectRetriesForADay(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		b.failing("stage", firmware.ErrRetry)
		b.upgrade(24*time.Hour - 6*time.Minute)
		assert.NotContains(t, b.noted(), "revert:app")
		time.Sleep(12 * time.Minute)
		log := b.noted()
		assert.Contains(t, log, "app=upgrade_failed(installer_failed)")
		assert.Equal(t, "stage: asked to try again for 24h0m0s", b.runner.View().Plan.Components[0].Failure.Detail)
	})
}

func TestEffectRetryEndsWithTheDevice(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		b.failing("activate", firmware.ErrRetry)
		b.upgrade(time.Minute)
		b.noted()
		b.stop()
		assert.Empty(t, b.noted())
	})
}

func TestEffectHealth(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(b *bench)
		want string
	}{
		{"healthy", func(*bench) {}, "app=upgrade_succeeded"},
		{"not healthy", func(b *bench) { b.health = func() error { return errors.New("GET /healthz: 503") } },
			"app=upgrade_failed(health_check_failed)"},
		{"another code", func(b *bench) { b.health = func() error { return firmware.Failf(ota.ComponentSilent, "") } },
			"app=upgrade_failed(component_silent)"},
		{"does not answer", func(b *bench) { b.inspect = later("1", firmware.Failf(ota.ComponentSilent, "no SOH")) },
			"app=upgrade_failed(component_silent)"},
		{"has no version", func(b *bench) { b.inspect = later("", nil) }, "app=upgrade_failed(component_silent)"},
		{"another version", func(b *bench) { b.inspect = later("7", nil) }, "app=upgrade_failed(verify_failed)"},
		{"is silent for some seconds", func(b *bench) {
			b.inspect = silentFor(50*time.Second, errors.New("no such device"))
		}, "app=upgrade_succeeded"},
		{"says nothing for some seconds", func(b *bench) { b.inspect = silentFor(50*time.Second, nil) },
			"app=upgrade_succeeded"},
		{"is silent for too long", func(b *bench) {
			b.inspect = silentFor(70*time.Second, firmware.Failf(ota.ComponentSilent, ""))
		}, "app=upgrade_failed(component_silent)"},
		{"answers when asked again", func(b *bench) { b.inspect = silentFor(10*time.Second, firmware.ErrRetry) },
			"app=upgrade_succeeded"},
	} {
		t.Run(c.name, func(t *testing.T) {
			onBench(t, func(t *testing.T, b *bench) {
				c.set(b)
				b.upgrade(3 * time.Minute)
				log := b.noted()
				assert.Contains(t, log, c.want)
				if b.inspect != nil && c.want != "app=upgrade_succeeded" {
					assert.NotContains(t, log, "health", "what does not run is not checked")
				}
			})
		})
	}
}

// later lets a component answer as it should at the start, and then otherwise.
func later(version string, err error) func(context.Context, string) (string, error) {
	began := time.Now()
	return func(context.Context, string) (string, error) {
		if time.Since(began) == 0 {
			time.Sleep(time.Second) // all are asked within this second
			return "1", nil
		}
		return version, err
	}
}

// silentFor lets a component answer at the start, and not for a while after its
// upgrade.
func silentFor(long time.Duration, err error) func(context.Context, string) (string, error) {
	began := time.Now()
	return func(context.Context, string) (string, error) {
		switch since := time.Since(began); {
		case since == 0:
			time.Sleep(time.Second)
			return "1", nil
		case since < time.Second+long:
			return "", err
		}
		return "2", nil
	}
}

func TestEffectFetch(t *testing.T) {
	for _, c := range []struct {
		name   string
		result agent.FetchResult
		want   string
	}{
		{"fails", agent.FetchResult{Failure: &ota.Failure{Code: ota.DigestMismatch}}, "app=download_failed(digest_mismatch)"},
		{"fails with an unknown code", agent.FetchResult{Failure: &ota.Failure{}}, "app=download_failed(internal)"},
		{"needs addresses", agent.FetchResult{Need: ota.AddressExpired, Setbacks: agent.Setbacks{Fruitless: 3}},
			"ask:app(url_expired)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			onBench(t, func(t *testing.T, b *bench) {
				b.fetch = func(context.Context, agent.FetchJob) agent.FetchResult { return c.result }
				b.upgrade(0)
				assert.True(t, b.has(c.want))
			})
		})
	}
}

// What a download receives: the files, the places, and the budget that is left.
func TestEffectFetchJob(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		var jobs []agent.FetchJob
		b.fetch = func(_ context.Context, job agent.FetchJob) agent.FetchResult {
			jobs = append(jobs, job)
			switch len(jobs) {
			case 1:
				return agent.FetchResult{Need: ota.AddressExpired, Setbacks: agent.Setbacks{Fruitless: 2}}
			case 2:
				return agent.FetchResult{Need: ota.AddressMirrors, Setbacks: agent.Setbacks{Fruitless: 3, Renewed: true}}
			}
			return agent.FetchResult{}
		}
		b.upgrade(0)
		b.post(b.pkg("app"), b.pkg("app"))
		assert.Len(t, jobs, 3)
		for i, job := range jobs {
			assert.Len(t, job.Files, 1)
			assert.Len(t, job.Places, 1)
			assert.Equal(t, "image", job.Addresses[0].Name)
			assert.Equal(t, []int{0, 2, 3}[i], job.Setbacks.Fruitless)
			assert.Equal(t, i == 2, job.Setbacks.Renewed)
		}
	})
}

func TestEffectProgressIsSpaced(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		b.fetch = func(_ context.Context, job agent.FetchJob) agent.FetchResult {
			for i := range 100 {
				job.Progress(int64(i), 100)
				time.Sleep(100 * time.Millisecond)
			}
			return agent.FetchResult{}
		}
		b.upgrade(5 * time.Second)
		assert.InDelta(t, 50, b.runner.View().Plan.Components[0].Done, 11)
		time.Sleep(10 * time.Second)
		assert.Equal(t, 10, b.count("progress:app"))
		synctest.Wait()
	})
}
