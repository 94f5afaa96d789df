package agent_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"otafleet/agent"
	"otafleet/firmware"
	"otafleet/internal/ota"
)

// events keeps what a device records.
type events struct {
	mu   sync.Mutex
	kept []agent.Event
}

func (e *events) Record(event agent.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.kept = append(e.kept, event)
}

// troubles are the details of the troubles that were recorded.
func (e *events) troubles() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	details := []string{}
	for _, event := range e.kept {
		if event.Kind == agent.EventTrouble {
			details = append(details, event.Detail)
		}
	}
	return details
}

// A restart that does not come is said, holds up no answer, and
// ends after half an hour.
func TestRestartThatDoesNotCome(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		const missing = "the restart of the system was asked for, and does not come"
		b.restart, b.events = firmware.RestartSystem, &events{}
		b.upgrade(59 * time.Second)
		assert.Empty(t, b.runner.View().Trouble)
		assert.Equal(t, 2, b.count("restart:system"), "it is asked for every 30 s")
		b.noted()
		time.Sleep(2 * time.Second)
		assert.Equal(t, missing, b.runner.View().Trouble)
		assert.Equal(t, "component app needs a restart, which is under way; "+missing, b.runner.View().Explained.Sentence)

		other := b.plan("app").(agent.Received).Message.(*ota.Plan)
		other.ID = "p2"
		b.post(agent.Received{Message: other}, agent.Disconnected{}, agent.Connected{})
		log := b.noted()
		assert.True(t, slices.Contains(log, "p2/refuse:busy") && slices.Contains(log, "inventory:running#6"), "%v", log)

		b.mu.Lock()
		b.restart = firmware.RestartNone
		b.mu.Unlock()
		time.Sleep(30 * time.Minute)
		log = b.noted()
		assert.Contains(t, log, "revert:app")
		assert.Contains(t, log, "app=upgrade_failed(installer_failed)")
		assert.Equal(t, missing+"; that was tried for 30m0s", b.runner.View().Plan.Components[0].Failure.Detail)
		assert.Empty(t, b.runner.View().Trouble)
		assert.Equal(t, []string{missing}, b.events.troubles(), "it is said once")
		time.Sleep(time.Hour)
		assert.NotContains(t, b.noted(), "restart:system", "it is not asked for any more")
	})
}

// A restart that is refused ends in the same way, with the reason.
func TestRestartThatIsRefused(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		b.restart, b.events = firmware.RestartSystem, &events{}
		b.power = func() error { return errors.New("not permitted") }
		b.upgrade(0)
		assert.Equal(t, "cannot restart: not permitted", b.runner.View().Trouble)
		b.saving(func() error { return nil })
		b.post(agent.PauseRequested{})
		assert.Equal(t, "cannot restart: not permitted", b.runner.View().Trouble, "a save does not end it")
		time.Sleep(2 * time.Hour) // the rollback needs a restart too
		assert.Contains(t, b.noted(), "app=upgrade_failed(installer_failed)")
		const given = "cannot restart: not permitted; that was tried for 30m0s"
		assert.Equal(t, given+"; the rollback: "+given, b.runner.View().Plan.Components[0].Failure.Detail)
		assert.Equal(t, []string{"cannot restart: not permitted", "cannot restart: not permitted"}, b.events.troubles())
	})
}
