package model_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/model"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/scenario"
)

// diary notes what happens to it.
type diary struct{ lines []string }

func (d *diary) note(format string, args ...any) {
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func (d *diary) StopBroker()    { d.note("broker stops") }
func (d *diary) StartBroker()   { d.note("broker starts") }
func (d *diary) StopStore()     { d.note("store stops") }
func (d *diary) StartStore()    { d.note("store starts") }
func (d *diary) StopPlatform()  { d.note("platform stops") }
func (d *diary) StartPlatform() { d.note("platform starts") }
func (d *diary) RevokeURLs()    { d.note("URLs are revoked") }
func (d *diary) Partition(fleet string, lasting time.Duration) {
	d.note("partition of %q for %s", fleet, lasting)
}
func (d *diary) DropConnections(fleet string) { d.note("connections of %q drop", fleet) }
func (d *diary) Create(p *scenario.Plan)      { d.note("plan %s is created", p.Name) }
func (d *diary) Order(command engine.Command) {
	d.note("%s", strings.TrimPrefix(fmt.Sprintf("%T%+v", command, command), "engine."))
}

// TestSchedule: each event, what undoes it, and what a run only waits for.
func TestSchedule(t *testing.T) {
	s, err := scenario.Parse("s.yaml", []byte(`
scenario: all
duration: 10h
fleet: [{name: gw, count: 1, product: p, components: [{id: app, type: module, version: "1"}]}]
plans:
  - {name: night, product: p, window: 22-4, ends: 9h, components: [{id: app, package: full, target: "3", size: 1}]}
  - {name: day, product: p, starts: 1m, window: 5-7, components: [{id: app, package: full, target: "2", size: 1}]}
events:
  - {at: 10s, do: kill_broker, for: 5s}
  - {at: 12s, do: kill_store, for: 5s}
  - {at: 14s, do: kill_platform, for: 5s}
  - {at: 20s, do: partition, fleet: gw, for: 5s}
  - {at: 21s, do: reconnect_storm}
  - {at: 22s, do: expire_addresses}
  - {at: 2m, do: suspend_plan, plan: day, for: 1m}
  - {at: 4m, do: suspend_plan, plan: night}
  - {at: 12m, do: resume_plan, plan: night}
  - {at: 30m, do: retry_plan, plan: day}
  - {at: 9h, do: terminate_plan, plan: day}
  - {at: 9h59m59s, do: kill_broker, for: 5s}
`))
	require.NoError(t, err)
	var d diary
	for _, step := range model.Schedule(s, true) {
		before := len(d.lines)
		if step.Do != nil {
			step.Do(&d)
		} else {
			d.note("")
		}
		d.lines[before] = strings.TrimSpace(fmt.Sprint(step.At, " ", d.lines[before]))
	}
	assert.Equal(t, []string{
		"0s Activate{Plan:night}", "10s broker stops", "12s store stops", "14s platform stops", "15s broker starts",
		"17s store starts",
		"19s platform starts", `20s partition of "gw" for 5s`, "21s connections of \"\" drop", "22s URLs are revoked", "25s",
		"1m0s Activate{Plan:day}", "2m0s Suspend{Plan:day}", "3m0s Resume{Plan:day}", "4m0s Suspend{Plan:night}",
		"10m1s", "12m0s Resume{Plan:night}", "20m1s", "30m0s RetryDevices{Plan:day Devices:[]}",
		"5h0m1s", "9h0m0s Terminate{Plan:day}", "9h0m1s", "9h59m59s broker stops",
	}, d.lines)
	for _, step := range model.Schedule(s, false) {
		assert.NotEqual(t, time.Duration(0), step.At, "the platform has plans of its own")
	}
}

// TestRounds: each begins at its time, and the platform is let forget those before.
func TestRounds(t *testing.T) {
	s, err := scenario.Parse("s.yaml", []byte(`
scenario: rounds
duration: 10h
fleet: [{name: gw, count: 1, product: p, components: [{id: app, type: module, version: "1"}]}]
plans:
  - name: night
    product: p
    starts: 1h
    window: 2-4
    components: [{id: app, package: full, target: 1.09, size: 1}]
    repeat: {every: 2h30m, times: 9}
events:
  - {at: 4h, do: suspend_plan, plan: night, for: 10m}
`))
	require.NoError(t, err)
	var d diary
	for _, step := range model.Schedule(s, true) {
		d.note("%s", step.At)
		if step.Do != nil {
			step.Do(&d)
		}
	}
	assert.Equal(t, []string{
		"1h0m0s", "plan night.1 is created", "Activate{Plan:night.1}", "2h0m1s",
		"3h30m0s", "plan night.2 is created", "Activate{Plan:night.2}",
		"4h0m0s", "Suspend{Plan:night.2}", "4h10m0s", "Resume{Plan:night.2}", "4h20m1s",
		"6h0m0s", "plan night.3 is created", "Activate{Plan:night.3}", "Retire{Plan:night.1}",
		"8h30m0s", "plan night.4 is created", "Activate{Plan:night.4}", "Retire{Plan:night.2}",
	}, d.lines)
}
