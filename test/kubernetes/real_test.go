//go:build kubernetes

package kubernetes_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/test/harness"
)

// Two thousand devices in four pods, against one broker and one platform beside them.
func TestRealFleet(t *testing.T) {
	store := startStorage(t)
	flags := startPlatform(t)
	j := apply(t, store, "fleet", manifests(t, store, "fleet", "testdata/fleet.yaml", 4, flags...), 4)
	j.running()
	assert.Equal(t, "Complete", j.end().Type)
	v := j.verdict()
	assert.True(t, v.Held)
	assert.Equal(t, 2000, v.Classes.All["upgraded"])
}

// What the devices of a pod had done cannot be undone, so it is not tried again: it is
// lost, and merge says which it is.
func TestLostPod(t *testing.T) {
	store := startStorage(t)
	flags := startPlatform(t)
	j := apply(t, store, "lost", manifests(t, store, "lost", "testdata/fleet.yaml", 4, flags...), 4)
	j.running()
	lost := "pod/" + j.pod(2).Metadata.Name
	harness.Await(t, "the devices have begun", func() bool { return harness.Begun(do(t, "kubectl", "logs", lost)) })
	do(t, "kubectl", "delete", lost, "--wait=false")
	j.note("a pod is deleted")
	assert.Equal(t, "Failed", j.end().Type)
	o := j.merge()
	assert.Equal(t, 5, o.Code, o.Out+o.Err)
	assert.Contains(t, o.Err, "shard 3/4")
}

// A scenario that is wrong fails the Job at once: no shard is tried again.
func TestWrongScenario(t *testing.T) {
	store := startStorage(t)
	text := manifests(t, store, "wrong", "testdata/fleet.yaml", 4)
	wrong := strings.Replace(text, "product: gw-200", "prodcut: gw-200", 1)
	require.NotEqual(t, text, wrong)
	j := apply(t, store, "wrong", wrong, 4)
	how := j.end()
	assert.Equal(t, condition{Type: "Failed", Status: "True", Reason: "PodFailurePolicy", Message: how.Message}, how)
	indexes := map[string]int{}
	for _, p := range j.pods() {
		indexes[p.index()]++
	}
	for index, tries := range indexes {
		assert.Equal(t, 1, tries, "tries of shard index %s", index)
	}
	assert.True(t, slices.ContainsFunc(j.pods(), func(p pod) bool {
		return p.reason() == "Error" && p.Status.ContainerStatuses[0].State.Terminated.ExitCode == 2
	}))
}
