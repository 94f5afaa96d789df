package real_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// few is a scenario of few devices, which have run releases before. Nothing of
// its motor needs a restart.
const few = `
scenario: test
duration: 20m
fleet:
  - name: gw
    count: 5
    product: gw-200
    components:
      - {id: rootfs, type: module, version: 1.0.0, release: 3}
      - {id: motor, type: mcu, version: 3_0, release: 3}
    battery: 40..90
    link: {latency: 2ms, bandwidth: 4MiB/s}
    install: {time: 10ms..50ms}
plans:
  - name: spring
    product: gw-200
    components:
      - {id: rootfs, package: full, target: 1.1.0, size: 130000, chunk: 16KiB, release: 4}
      - {id: motor, package: full, target: 3_1, size: 20000, chunk: 4KiB, release: 4}
`

// suffering is what a fleet makes of a fault that all its devices have.
type suffering struct {
	kind  scenario.Kind
	fault string         // without the name and the draw
	edit  []string       // of the scenario: old, new
	ended verdict.Counts // nil for all upgraded
	code  ota.Code       // of the failures on the way; empty for none
	// disorder says that reports may overtake each other.
	disorder bool
}

func sufferings() []suffering {
	failed, lost := verdict.Counts{scenario.UpgradeFailed: 5}, verdict.Counts{scenario.Unreachable: 5}
	noRetry := []string{"  - name: spring\n", "  - name: spring\n    retries: 0\n"}
	polled := []string{"duration: 20m\n", "duration: 20m\nplatform: hawkbit\n"}
	slow := []string{"bandwidth: 4MiB/s", "bandwidth: 16KiB/s"}
	process := []string{"install: {time: 10ms..50ms}", "install: {time: 10ms..50ms, restart: process}"}
	return []suffering{
		{kind: scenario.Drop, fault: "at: downloading, do: drop, times: 2, after: 10%..90%, for: 20ms"},
		{kind: scenario.Reset, fault: "at: report, do: reset, times: 3"},
		{kind: scenario.Reset, fault: "at: downloading, do: reset, after: 50%"},
		{kind: scenario.HalfOpen, fault: "at: upgrade_confirmed, do: half_open, for: 1s"},
		{kind: scenario.HalfOpen, fault: "at: downloading, do: half_open, after: 50%, for: 1s"},
		{kind: scenario.Latency, fault: "at: plan_received, do: latency, by: 100ms, for: 2s"},
		{kind: scenario.Slow, fault: "at: downloading, do: slow, rate: 64KiB/s, for: 1s"},
		{kind: scenario.NeverOnline, fault: "at: connect, do: never_online", ended: lost},
		{kind: scenario.DuplicateMessage, fault: "at: report, do: duplicate, times: 5"},
		{kind: scenario.DuplicateMessage, fault: "at: upgrade_confirmed, do: duplicate, times: 2"},
		{kind: scenario.DuplicateMessage, fault: "at: plan_received, do: duplicate"},
		{kind: scenario.ReorderMessages, fault: "at: report, do: reorder, times: 3", disorder: true},
		{kind: scenario.ReorderMessages, fault: "at: download_succeeded, do: reorder", disorder: true},
		{kind: scenario.DelayMessage, fault: "at: report, do: delay, for: 500ms, times: 2", disorder: true},
		{kind: scenario.DelayMessage, fault: "at: upgrade_confirmed, do: delay, for: 500ms"},
		{kind: scenario.DelayMessage, fault: "at: plan_received, do: delay, for: 500ms"},
		{kind: scenario.Stall, fault: "at: downloading, do: stall, after: 50%, for: 1s"},
		{kind: scenario.Truncate, fault: "at: downloading, do: truncate, times: 2"},
		{kind: scenario.Corrupt, fault: "at: downloading, do: corrupt, times: 2"},
		{kind: scenario.WrongRange, fault: "at: downloading, do: wrong_range, times: 2"},
		{kind: scenario.WrongDigest, fault: "at: downloading, do: wrong_digest, times: 2"},
		{kind: scenario.ObjectChanged, fault: "at: downloading, do: object_changed"},
		{kind: scenario.HTTPStatus, fault: "at: downloading, do: http_status, status: 500, times: 2"},
		{kind: scenario.HTTPStatus, fault: "at: report, do: http_status, status: 429, retry_after: 1s, times: 2",
			edit: polled},
		{kind: scenario.HTTPStatus, fault: "at: poll, do: http_status, for: 2s", edit: polled},
		{kind: scenario.TokenExpired, fault: "at: report, do: token_expired, for: 1s", edit: polled},
		{kind: scenario.SessionTaken, fault: "at: report, do: session_taken, times: 2"},
		{kind: scenario.SessionTaken, fault: "at: downloading, do: session_taken, after: 50%"},
		{kind: scenario.Cancel, fault: "at: downloading, do: cancel, after: 50%", edit: slow, ended: failed,
			code: "plan_terminated"},
		{kind: scenario.Cancel, fault: "at: downloading, do: cancel, after: 10%", edit: append(slow, polled...),
			ended: failed, code: "plan_terminated"},
		{kind: scenario.URLExpired, fault: "at: downloading, do: url_expired, after: 40%"},
		{kind: scenario.BadSignature, fault: "at: upgrade_confirmed, do: bad_signature", code: "signature_invalid"},
		{kind: scenario.WrongKey, fault: "at: upgrade_confirmed, do: wrong_key", code: "key_untrusted"},
		{kind: scenario.Downgrade, fault: "at: upgrade_confirmed, do: downgrade", code: "downgrade_refused"},
		{kind: scenario.Refuse, fault: "at: plan_received, do: refuse, for: 1s"},
		{kind: scenario.DiskFull, fault: "at: plan_received, do: disk_full, for: 1s"},
		{kind: scenario.DiskFull, fault: "at: downloading, do: disk_full, after: 50%, for: 20ms", code: "space_low"},
		{kind: scenario.WriteError, fault: "at: downloading, do: write_error", code: "write_failed"},
		{kind: scenario.WriteError, fault: "at: download_succeeded, do: write_error", edit: noRetry, ended: failed,
			code: "write_failed"},
		{kind: scenario.Crash, fault: "at: downloading, do: crash, after: 50%, for: 100ms"},
		{kind: scenario.Crash, fault: "at: upgrading, do: crash, after: 50%, times: 2"},
		{kind: scenario.PowerCut, fault: "at: upgrading, do: power_cut, after: 50%, for: 100ms"},
		{kind: scenario.Vanish, fault: "at: downloading, do: vanish, after: 50%",
			ended: verdict.Counts{scenario.Unfinished: 5}},
		{kind: scenario.ClockSkew, fault: "at: boot, do: clock_skew, by: -100h"},
		{kind: scenario.ClockSkew, fault: "at: connect, do: clock_skew, by: 5m, times: 2"},
		{kind: scenario.BootLoop, fault: "at: upgrading, do: boot_loop, component: rootfs, times: 5"},
		{kind: scenario.BootLoop, fault: "at: upgrading, do: boot_loop, component: motor, times: 11", edit: noRetry,
			ended: failed, code: "interrupted"},
		{kind: scenario.WrongVersion, fault: "at: upgrading, do: wrong_version, component: rootfs", code: "verify_failed",
			edit: process},
		{kind: scenario.WrongVersion, fault: "at: upgrading, do: wrong_version, component: motor", edit: noRetry,
			ended: failed, code: "verify_failed"},
		{kind: scenario.SilentMCU, fault: "at: upgrading, do: silent_mcu", code: "component_silent"},
		{kind: scenario.SilentMCU, fault: "at: download_succeeded, do: silent_mcu", edit: noRetry, ended: failed,
			code: "component_silent"},
		{kind: scenario.Unhealthy, fault: "at: health, do: unhealthy", code: "health_check_failed"},
	}
}

// TestEveryKindOfFault lets a fleet suffer each kind, and holds that each device
// comes to the end that it should, and that the invariants hold.
func TestEveryKindOfFault(t *testing.T) {
	t.Parallel()
	kinds := map[scenario.Kind]bool{}
	for i, s := range sufferings() {
		kinds[s.kind] = true
		t.Run(fmt.Sprint(i+1, " ", s.kind), func(t *testing.T) {
			t.Parallel()
			text := few
			for i := 0; i < len(s.edit); i += 2 {
				assert.Contains(t, text, s.edit[i])
				text = strings.Replace(text, s.edit[i], s.edit[i+1], 1)
			}
			text += "faults: [{name: mishap, " + s.fault + ", chance: 100%}]\n"
			disorder := "0"
			if s.disorder {
				disorder = `">= 0"`
			}
			text += "expect: {reports: {lost: 0, conflicting: 0, illegal: 0, out_of_order: " + disorder +
				"}, faults: {fired: all}}\n"
			v := simulate(t, text)
			held(t, v)
			if s.ended == nil {
				s.ended = verdict.Counts{scenario.Upgraded: 5}
			}
			assert.Equal(t, s.ended, ended(v))
			codes := slices.Collect(maps.Keys(v.Figures.Codes))
			// because of the other
			codes = slices.DeleteFunc(codes, func(code string) bool { return code == string(ota.Skipped) })
			if s.code != "" {
				assert.Equal(t, []string{string(s.code)}, codes)
			} else {
				assert.Empty(t, codes)
			}
			assert.Equal(t, 5*parse(t, text).Faults[0].Times.Lo, v.Figures.Faults[0].Fired)
			if !s.disorder {
				assert.Zero(t, v.Figures.Reports.OutOfOrder)
			}
		})
	}
	for _, row := range scenario.Kinds() {
		assert.True(t, kinds[row.Kind], "%s is not tried", row.Kind)
	}
}
