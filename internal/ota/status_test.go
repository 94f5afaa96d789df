package ota_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
)

func TestTheTableIsComplete(t *testing.T) {
	rows := ota.Statuses()
	require.Len(t, rows, 11)
	wires, names, sentences := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for i, row := range rows {
		assert.Equal(t, ota.Status(i), row.Status, "a row stands at its own place")
		assert.Equal(t, row, row.Status.Row())
		assert.Equal(t, row.Wire, row.Status.String())
		parsed, ok := ota.ParseStatus(row.Wire)
		assert.True(t, ok)
		assert.Equal(t, row.Status, parsed)

		assert.Regexp(t, `^[a-z]+(_[a-z]+)*$`, row.Wire)
		assert.Equal(t, row.Wire, strings.ToLower(strings.ReplaceAll(row.Name, " ", "_")), "one name in two spellings")
		assert.Regexp(t, `^[A-Z].*\.$`, row.Sentence)
		assert.NotEmpty(t, row.Stage)
		assert.NotEmpty(t, row.Entry)
		assert.Equal(t, strings.HasSuffix(row.Wire, "_failed"), row.Failed)
		assert.Equal(t, row.Failed, row.Final == ota.FinalAtLimit, "a failure may be retried, and nothing else")
		wires[row.Wire], names[row.Name], sentences[row.Sentence] = true, true, true
	}
	assert.Len(t, wires, len(rows))
	assert.Len(t, names, len(rows))
	assert.Len(t, sentences, len(rows))
}

// The edges of the protocol's section 4, written down a second time.
func TestTheTableIsTheProtocols(t *testing.T) {
	want := map[string]string{
		"plan_not_received":  "plan_received",
		"plan_received":      "upgrade_confirmed no_update_required upgrade_failed",
		"upgrade_confirmed":  "ready_to_download upgrade_failed",
		"ready_to_download":  "downloading download_failed",
		"downloading":        "download_succeeded download_failed",
		"download_succeeded": "upgrading upgrade_failed",
		"download_failed":    "ready_to_download",
		"upgrading":          "upgrade_succeeded upgrade_failed",
		"upgrade_succeeded":  "upgrade_failed",
		"upgrade_failed":     "ready_to_download",
		"no_update_required": "",
	}
	for _, row := range ota.Statuses() {
		next := make([]string, len(row.Next))
		for i, n := range row.Next {
			next[i] = n.Row().Wire
			assert.True(t, row.Status.MayBecome(n))
		}
		assert.Equal(t, want[row.Wire], strings.Join(next, " "), row.Wire)
		delete(want, row.Wire)
	}
	assert.Empty(t, want)
}

// reachable collects every status to which a path leads.
func reachable(from ota.Status) map[ota.Status]bool {
	seen := map[ota.Status]bool{from: true}
	for queue := []ota.Status{from}; len(queue) > 0; queue = queue[1:] {
		for _, next := range queue[0].Row().Next {
			if !seen[next] {
				seen[next] = true
				queue = append(queue, next)
			}
		}
	}
	return seen
}

func TestEveryStatusIsReachedAndLeadsToAnEnd(t *testing.T) {
	fromStart := reachable(ota.PlanNotReceived)
	for _, row := range ota.Statuses() {
		assert.True(t, fromStart[row.Status], "%s is reached", row.Wire)
		ends := 0
		for status := range reachable(row.Status) {
			if status.Done() {
				ends++
			}
		}
		assert.Positive(t, ends, "%s can still end well", row.Wire)
		if row.Final == ota.NotFinal {
			assert.NotEmpty(t, row.Next, "%s goes on", row.Wire)
		}
	}
}

// Without its failures the life of an upgrade is a line: the bar of stages never
// rolls back, and every confirmed status has a failure to go to.
func TestTheBarOfStagesNeverShrinks(t *testing.T) {
	place := map[ota.Stage]int{
		ota.StageStart: 0, ota.StageConfirm: 1, ota.StageDownload: 2, ota.StageUpgrade: 3, ota.StageEnd: 4,
	}
	for _, row := range ota.Statuses() {
		failures := 0
		for _, next := range row.Next {
			if next.Failed() {
				failures++
			}
			if !row.Failed {
				assert.LessOrEqual(t, place[row.Stage], place[next.Row().Stage], "%s to %s", row.Wire, next)
				assert.Less(t, row.Status, next, "%s to %s", row.Wire, next)
			}
		}
		if row.Status.InProgress() {
			assert.Equal(t, 1, failures, "%s can fail in one way", row.Wire)
		}
	}
}

func TestStatusesGivesACopy(t *testing.T) {
	rows := ota.Statuses()
	rows[0].Wire = "changed"
	rows[0].Next[0] = ota.UpgradeFailed
	assert.Equal(t, "plan_not_received", ota.PlanNotReceived.String())
	assert.True(t, ota.PlanNotReceived.MayBecome(ota.PlanReceived))
}

func TestAStatusOutsideTheTableAllowsNothing(t *testing.T) {
	const outside ota.Status = 200
	assert.Equal(t, "status(200)", outside.String())
	assert.Equal(t, ota.Row{Status: outside}, outside.Row())
	assert.False(t, outside.MayBecome(ota.PlanReceived))
	assert.False(t, ota.PlanReceived.MayBecome(outside))
	assert.False(t, outside.Failed() || outside.Done() || outside.InProgress())
	assert.Error(t, ota.Legal(outside, ota.PlanReceived, nil))
	for _, name := range []string{"", "Plan Received", "PLAN_RECEIVED", "status(1)", "upgrade"} {
		_, ok := ota.ParseStatus(name)
		assert.False(t, ok, name)
	}
}

// Legal agrees with the table for every pair of statuses, with and without a
// failure.
func TestLegal(t *testing.T) {
	failures := []*ota.Failure{nil, {Code: ota.Internal}, {Code: ota.Reverted}}
	for _, prev := range ota.Statuses() {
		for _, next := range ota.Statuses() {
			for _, failure := range failures {
				want := prev.Status.MayBecome(next.Status) && next.Failed == (failure != nil)
				if prev.Status == ota.UpgradeSucceeded && failure != nil && failure.Code != ota.Reverted {
					want = false
				}
				err := ota.Legal(prev.Status, next.Status, failure)
				assert.Equal(t, want, err == nil, "%s to %s with %v: %v", prev.Wire, next.Wire, failure, err)
			}
		}
	}
}

func TestLegalSaysWhatIsWrong(t *testing.T) {
	digest := &ota.Failure{Code: ota.DigestMismatch}
	for want, err := range map[string]error{
		"downloading may not follow plan_received": ota.Legal(ota.PlanReceived, ota.Downloading,
			nil),
		"download_failed needs an error code": ota.Legal(ota.Downloading, ota.DownloadFailed,
			nil),
		"upgrading carries the error code digest_mismatch": ota.Legal(ota.DownloadSucceeded,
			ota.Upgrading, digest),
		"upgrade_failed may follow upgrade_succeeded only with code reverted": ota.Legal(ota.UpgradeSucceeded,
			ota.UpgradeFailed, digest),
		"no_update_required may not follow no_update_required": ota.Legal(ota.NoUpdateRequired,
			ota.NoUpdateRequired, nil),
	} {
		assert.EqualError(t, err, want)
	}
}
