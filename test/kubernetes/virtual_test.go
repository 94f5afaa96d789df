//go:build kubernetes

package kubernetes_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/test/harness"
)

// A million devices in eight pods: the verdict of the Job that merges is that of the run
// in one piece.
func TestMillion(t *testing.T) {
	store := startStorage(t)
	j := apply(t, store, "million", manifests(t, store, "million", "million", 8, "--virtual"), 8)
	j.running()
	assert.Equal(t, "Complete", j.end().Type)
	assert.Equal(t, "Complete", j.ended("million-merge").Type)
	assert.Contains(t, do(t, "kubectl", "logs", "job/million-merge"), "HELD")
	assert.Equal(t, whole(t, "million"), j.verdict())
}

// A pod that is deleted, one that has no memory left, and a node that is drained: the
// shards are tried again, and the same comes of it.
func TestTriedAgain(t *testing.T) {
	store, scenario := startStorage(t), harness.Million(t, "300000")
	j := apply(t, store, "tried", manifests(t, store, "tried", scenario, 4, "--virtual"), 4)
	j.running()

	deleted, starved := j.pod(1), j.pod(2)
	do(t, "kubectl", "delete", "pod", deleted.Metadata.Name, "--wait=false")
	starve(t, starved)
	harness.Await(t, "a pod is out of memory", func() bool {
		for _, p := range j.pods() {
			if p.Metadata.Name == starved.Metadata.Name {
				return p.reason() == "OOMKilled"
			}
		}
		return false
	})
	again := []string{deleted.Metadata.Name, starved.Metadata.Name}
	drained := []string{j.pod(1, again...).Metadata.Name, j.pod(2, again...).Metadata.Name}
	j.note("both are tried again")

	do(t, "kubectl", "drain", "node", "--force", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout", "100s")
	j.note("the node is drained")
	do(t, "kubectl", "uncordon", "node")
	j.pod(1, append(again, drained...)...)
	j.pod(2, append(again, drained...)...)
	j.note("they are tried a third time")
	assert.Equal(t, "Complete", j.end().Type)
	assert.Equal(t, whole(t, scenario), j.verdict())
}

// starve starts something in a pod's control group that takes all of its memory. The
// kernel ends what it finds easiest to do without, and that is what the pod runs.
func starve(t *testing.T, p *pod) {
	t.Helper()
	id := strings.TrimPrefix(p.Status.ContainerStatuses[0].ContainerID, "containerd://")
	var pid string
	for _, line := range strings.Split(do(t, "ctr", "--namespace", "k8s.io", "tasks", "list"), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == id {
			pid = fields[1]
		}
	}
	require.NotEmpty(t, pid, "the process of %s", id)
	groups, err := os.ReadFile(filepath.Join("/proc", pid, "cgroup"))
	require.NoError(t, err)
	group := ""
	for _, line := range strings.Fields(string(groups)) {
		switch fields := strings.SplitN(line, ":", 3); fields[1] {
		case "memory":
			group = "/sys/fs/cgroup/memory" + fields[2]
		case "":
			if group == "" { // of the second version, unless the memory is in the first one's
				group = "/sys/fs/cgroup" + fields[2]
			}
		}
	}
	harness.Start(t, ".", "sh", "-c", "echo $$ >"+group+"/cgroup.procs && exec tail /dev/zero")
}
