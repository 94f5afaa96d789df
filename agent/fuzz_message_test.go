package agent_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/firmware"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

// moments are where in a device's life a message comes.
var moments = []string{"app:1>2 motor:1>2", "app:1>2 motor:1>2 to accept", "app:1>2 motor:1>2 to app=downloading",
	"app:1>2 motor:1>2 to health:app", "app:1>2 motor:1>2 to forget:motor"}

// nextGood is the plan that must be possible afterwards.
const nextGood = "the-next-good-one"

// FuzzMessages lets a platform say anything on any of a device's topics. When
// the device is through with what it may have accepted, the next good plan
// upgrades it.
func FuzzMessages(f *testing.F) {
	kinds := []string{wire.KindPlan, wire.KindPackage, wire.KindAck, wire.KindNone, wire.KindTerminate}
	files, err := filepath.Glob("../internal/wire/testdata/*.json")
	require.NoError(f, err)
	for _, file := range files {
		payload, err := os.ReadFile(file)
		require.NoError(f, err)
		name, _, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".json"), "_")
		for i := range moments {
			if kind := slices.Index(kinds, name); kind >= 0 {
				f.Add(byte(i), byte(kind), payload)
				f.Add(byte(i), byte(kind), payload[:len(payload)/2])
			}
		}
	}
	f.Add(byte(0), byte(0),
		[]byte(`{"plan":"p9","attempt":1,"mode":"silent","ends":"2099-01-01T00:00:00Z","on_failure":"continue",`+
			`"components":[{"id":"app","type":"module","package":"full","target":"9"},`+
			`{"id":"motor","type":"module","package":"full","target":"9"}]}`))
	f.Fuzz(func(t *testing.T, moment, kind byte, payload []byte) {
		d := newDriver(t, moments[int(moment)%len(moments)])
		if !d.connected {
			d.play("connect")
		}
		d.hear(kinds[int(kind)%len(kinds)], payload)
		d.upgradesNext()
	})
}

// hear takes a message as the link hands it on.
func (d *driver) hear(kind string, payload []byte) {
	message, err := wire.DecodeDown(kind, payload)
	var invalid *wire.Invalid
	switch {
	case err == nil:
		d.input(agent.Received{Message: message})
	case errors.As(err, &invalid) && kind == wire.KindPlan && invalid.Plan != "":
		d.input(agent.BadPlan{Plan: invalid.Plan, Attempt: invalid.Attempt, Detail: err.Error()})
	}
}

// upgradesNext lets a device come to the end of what it is about, and gives it a
// good plan.
func (d *driver) upgradesNext() {
	d.parts = slices.Clone(d.parts)
	for i := range d.parts {
		d.parts[i].Target = "3"
	}
	plan := d.plan(nextGood, 1)
	for range 100 {
		status := d.ledger.account(nextGood).status
		switch {
		case status["motor"] == ota.UpgradeSucceeded:
			return
		case d.owed == firmware.RestartSystem:
			d.play("cut; boot; connect")
		case d.effects.running != nil:
			d.play("ok")
		case !slices.Contains(d.seen, nextGood+"/accept"):
			d.play("wait:8d") // after a week without an address a device gives up
			plan.Ends = d.now.Add(time.Hour)
			d.input(agent.Received{Message: plan})
		case status["app"] == ota.UpgradeSucceeded:
			d.play(nextGood + "/pkg:motor")
		default:
			d.play(nextGood + "/pkg:app")
		}
	}
	require.FailNow(d.t, "the next good plan does not come through", "%v", d.groups)
}
