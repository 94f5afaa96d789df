package wire_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

// edit is one change to the JSON of a sound message.
type edit struct {
	name             string
	old, replacement string
	want             string // in the refusal; empty if the message stays sound
}

// checkEdits applies each edit to payload and decodes it.
func checkEdits(t *testing.T, kind string, payload []byte, edits []edit) {
	t.Helper()
	decode := decoders()[kind]
	require.NoError(t, decode(payload))
	for _, e := range edits {
		t.Run(e.name, func(t *testing.T) {
			err := decode([]byte(edited(t, payload, e.old, e.replacement)))
			if e.want == "" {
				assert.NoError(t, err)
				return
			}
			requireInvalid(t, err, "invalid "+kind+": ", e.want)
		})
	}
}

func up(t *testing.T, m ota.Up) []byte {
	t.Helper()
	_, payload, err := wire.EncodeUp(m)
	require.NoError(t, err)
	return payload
}

func TestInventoryIsChecked(t *testing.T) {
	checkEdits(t, "inventory", up(t, inventory()), []edit{
		{"no time", `"time"`, `"then"`, "time: must be"},
		{"agent too long", `ota-agent`, strings.Repeat("a", 200), "agent: must be at most 128"},
		{"agent with a line end", `ota-agent`, `ota\nagent`, "agent: must be"},
		{"request is a word", `"request":true`, `"request":"yes"`, "request: must not be of the JSON type string"},
		{"battery over 100", `"battery":87`, `"battery":101`, "battery: must be"},
		{"battery negative", `"battery":87`, `"battery":-1`, "battery: must be"},
		{"battery 0", `"battery":87`, `"battery":0`, ""},
		{"battery null", `"battery":87`, `"battery":null`, ""},
		{"battery a fraction", `"battery":87`, `"battery":87.5`, "battery: must not be of the JSON type number"},
		{"signal beyond physics", `"rssi":-71`, `"rssi":-9000`, "rssi: must be"},
		{"free bytes negative", `73400320`, `-1`, "free_bytes: must not be negative"},
		{"free bytes too large a number", `73400320`, `99999999999999999999`,
			"free_bytes: must not be of the JSON type number"},
		{"running plan outside", `"plan":"p-17"`, `"plan":".."`, "running.plan: must be"},
		{"running without attempt", `"attempt":1`, `"attempt":0`, "running.attempt: must be"},
		{"running before the first report", `"seq":6`, `"seq":0`, ""},
		{"running negative", `"seq":6`, `"seq":-6`, "running.seq: must not be negative"},
		{"via with a slash", `"via":"gw-0001"`, `"via":"gw/0001"`, "via: must be"},
		{"component id with a slash", `"id":"motor"`, `"id":"mo/tor"`, "components[1].id: must be"},
		{"component twice", `"id":"motor"`, `"id":"rootfs"`, "components[1].id: must not stand twice"},
		{"component of another type", `"type":"mcu"`, `"type":"cpu"`, "components[1].type: must be"},
		{"component is silent", `,"version":"3_1"`, ``, ""},
		{"version with a line end", `"3_1"`, `"3\n1"`, "components[1].version: must be"},
		{"half a character", `"3_1"`, `"\ud83d"`, "components[1].version: must be"},
		{"too many components", `"components":[`, `"components":[` + strings.Repeat(`{},`, ota.MaxInventory),
			"components: must have 0 to 64 items"},
		{"components are an object", `"components":[`, `"components":{},"other":[`,
			"components: must not be of the JSON type object"},
	})
}

func TestDecisionIsChecked(t *testing.T) {
	checkEdits(t, "decision", up(t, refusal()), []edit{
		{"no plan", `"plan":"p-17"`, `"plan":""`, "plan: must be"},
		{"plan too long", `"p-17"`, `"` + strings.Repeat("p", 65) + `"`, "plan: must be"},
		{"attempt 0", `"attempt":1`, `"attempt":0`, "attempt: must be"},
		{"attempt beyond count", `"attempt":1`, `"attempt":1073741825`, "attempt: must be"},
		{"refusal without a reason", `"reason":"battery_low",`, ``, "reason: must be a refusal"},
		{"unknown reason", `battery_low`, `bad_mood`, "reason: must be a refusal"},
		{"agreement with a reason", `"accept":false`, `"accept":true`, "reason: must not stand"},
		{"retry at no time", `"retry_at":"`, `"retry_at":"soon `, "retry_at: must be"},
		{"retry not named", `"retry_at"`, `"retry_when"`, ""},
		{"invalid plan without attempt", `1,"accept":false,"reason":"battery_low"`,
			`0,"accept":false,"reason":"invalid_plan"`, ""},
		{"invalid plan with a bad attempt", `1,"accept":false,"reason":"battery_low"`,
			`-1,"accept":false,"reason":"invalid_plan"`, "attempt: must be"},
	})
}

func TestStatusIsChecked(t *testing.T) {
	checkEdits(t, "status", up(t, failedReport()), []edit{
		{"no plan", `"plan":"p-17"`, `"plan":"."`, "plan: must be"},
		{"no attempt", `"attempt":1,`, ``, "attempt: must be"},
		{"seq 0", `"seq":6`, `"seq":0`, "seq: must be"},
		{"seq negative", `"seq":6`, `"seq":-6`, "seq: must be"},
		{"seq in words", `"seq":6`, `"seq":"6"`, "seq: must not be of the JSON type string"},
		{"component leaves its directory", `"component":"rootfs"`, `"component":"../rootfs"`, "component: must be"},
		{"component too long", `"component":"rootfs"`, `"component":"` + strings.Repeat("r", 33) + `"`, "component: must be"},
		{"unknown status", `download_failed`, `download_paused`, "status: must be"},
		{"status that is never sent", `download_failed`, `plan_not_received`, "status: must be"},
		{"no status", `"status":"download_failed",`, ``, "status: must be"},
		{"error on what did not fail", `download_failed`, `downloading`, "error: must stand on a failed status only"},
		{"failed without an error", `"error"`, `"cause"`, "error: must stand on a failed status"},
		{"code from a newer agent", `digest_mismatch`, `moon_phase`, ""},
		{"code in capitals", `digest_mismatch`, `DIGEST`, "error.code: must be"},
		{"no code", `digest_mismatch`, ``, "error.code: must be"},
		{"code too long", `digest_mismatch`, strings.Repeat("x", 65), "error.code: must be"},
		{"detail is an object", `"chunk 12 of <rootfs.img>"`, `{}`, "must not be of the JSON type object"},
		{"version unknown", `,"version":"1.0.0"`, ``, ""},
		{"version too long", `"version":"1.0.0"`, `"version":"` + strings.Repeat("1", 65) + `"`, "version: must be"},
	})
}

func TestEveryStatusThatADeviceReportsTravels(t *testing.T) {
	for _, row := range ota.Statuses() {
		r := report()
		r.Status = row.Status
		if row.Failed {
			r.Failure = &ota.Failure{Code: ota.Internal}
		}
		kind, payload, err := wire.EncodeUp(r)
		if row.Status == ota.PlanNotReceived {
			requireInvalid(t, err, "status: ")
			continue
		}
		require.NoError(t, err, row.Wire)
		decoded, err := wire.DecodeUp(kind, payload)
		require.NoError(t, err)
		assert.Equal(t, r, decoded)
	}
	r := report()
	r.Status = 99
	_, _, err := wire.EncodeUp(r)
	requireInvalid(t, err, "status: ")
}

func TestProgressIsChecked(t *testing.T) {
	progress := &ota.Progress{Time: at(4), Plan: "p-17", Component: "rootfs", Phase: ota.PhaseUpgrading, Done: 10,
		Total: 20}
	checkEdits(t, "progress", up(t, progress), []edit{
		{"unknown phase", `upgrading`, `resting`, "phase: must be"},
		{"done negative", `"done":10`, `"done":-10`, "done: must be"},
		{"done more than all", `"done":10`, `"done":30`, "done: must not be larger"},
		{"total too large", `"total":20`, `"total":9000000000000`, "total: must be"},
		{"no component", `"component":"rootfs"`, `"component":""`, "component: must be"},
		{"no plan", `"plan":"p-17"`, `"plan":null`, "plan: must be"},
	})
}

func TestFetchIsChecked(t *testing.T) {
	fetch := &ota.AddressRequest{Time: at(5), Plan: "p-17", Attempt: 1, Component: "rootfs", Reason: ota.AddressMirrors}
	checkEdits(t, "fetch", up(t, fetch), []edit{
		{"mirrors", `mirrors_failed`, `missing`, ""},
		{"delta", `mirrors_failed`, `delta_unusable`, ""},
		{"unknown reason", `mirrors_failed`, `boredom`, "reason: must be"},
		{"no attempt", `"attempt":1`, `"attempt":null`, "attempt: must be"},
		{"no component", `"component":"rootfs"`, `"component":"a b"`, "component: must be"},
	})
}

func TestInvalidNamesThePlanItIsAbout(t *testing.T) {
	for kind, payload := range map[string]string{
		"decision": `{"plan":"p-17","attempt":3}`,
		"status":   `{"seq":{},"plan":"p-17","attempt":3}`,
		"fetch":    `{"plan":"p-17","attempt":3,"time":[]}`,
		"plan":     `{"components":7,"plan":"p-17","attempt":3}`,
		"package":  `{"plan":"p-17","attempt":3}`,
	} {
		invalid := requireInvalid(t, decoders()[kind]([]byte(payload)))
		assert.Equal(t, "p-17", invalid.Plan, kind)
		assert.Equal(t, 3, invalid.Attempt, kind)
	}
	for kind, payload := range map[string]string{
		"progress": `{"plan":"p-17"}`, "ack": `{"plan":"p-17"}`, "terminate": `{"plan":"p-17"}`,
		"plan": `{"plan":"p-17","attempt":-3}`,
	} {
		invalid := requireInvalid(t, decoders()[kind]([]byte(payload)))
		assert.Equal(t, "p-17", invalid.Plan, kind)
		assert.Zero(t, invalid.Attempt, kind)
	}
}
