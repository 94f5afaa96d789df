package quecthing_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/quecthing/trial"
)

// asking begins what a device says that asks for a plan.
const asking = "0x0115"

// TestRecordings holds the device against what the SDK has said in every recording:
// for the same messages, answers, times and restarts it says the same, to the byte,
// but for what different names.
//
// In all of them, three things are left aside: the agent asks for a plan after each
// connect by itself, it does not know its voltage, and it has no data model.
func TestRecordings(t *testing.T) {
	all, err := trial.ReadAll("../../../internal/quecthing/testdata/trials")
	require.NoError(t, err)
	rows := different()
	for i := range all {
		tr := &all[i]
		t.Run(tr.Name, func(t *testing.T) {
			sdk, device := recorded(tr), play(t, tr)
			asks := func(s string) bool { return strings.HasPrefix(s, asking) }
			if i := slices.IndexFunc(sdk, asks); i >= 0 { // later ones say what the application says that runs
				assert.Contains(t, device, sdk[i], "the application has asked for a plan")
			}
			sdk, device = answers(sdk), answers(device)
			row, listed := rows[tr.Name]
			if !listed {
				assert.Equal(t, sdk, device)
				return
			}
			assert.NotEqual(t, sdk, device, "it says the same as the SDK: the row is not needed any more")
			assert.Equal(t, row.says, codes(device), row.why)
			assert.Subset(t, sdk, known(sdk, device), "what both say has the same bytes")
			delete(rows, tr.Name)
		})
	}
	assert.Empty(t, rows, "there are no such recordings")
}

// answers leaves out what asks for a plan.
func answers(said []string) []string {
	return slices.DeleteFunc(slices.Clone(said), func(s string) bool { return strings.HasPrefix(s, asking) })
}

// codes are what is said without its contents.
func codes(said []string) string {
	words := make([]string, len(said))
	for i, s := range said {
		word, _, _ := strings.Cut(s, " ")
		words[i] = strings.TrimPrefix(word, "0x00")
	}
	return strings.Join(words, " ")
}

// known is what the device says with a code that the SDK has used as well, but for the
// versions at the end of an upgrade, which depend on how it ended.
func known(sdk, device []string) (both []string) {
	for _, s := range device {
		code := codes([]string{s})
		if code != "11" && code != "12" && code != "44" &&
			slices.ContainsFunc(sdk, func(other string) bool { return codes([]string{other}) == code }) {
			both = append(both, s)
		}
	}
	return both
}
