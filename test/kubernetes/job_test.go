//go:build kubernetes

package kubernetes_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/test/harness"
)

// verdict is what the tests look at of a verdict in JSON.
type verdict struct {
	Held    bool
	Digest  string `json:"history_digest"`
	Classes struct{ All map[string]int }
}

// job is a scenario as a Job of Kubernetes.
type job struct {
	t      *testing.T
	name   string
	shards int
	store  *storage
	began  time.Time
}

// pod is what the tests look at of a pod.
type pod struct {
	Metadata struct {
		Name   string
		Labels map[string]string
	}
	Status struct {
		Phase             string
		Conditions        []condition
		ContainerStatuses []struct {
			ContainerID string
			State       struct {
				Terminated *struct {
					ExitCode int
					Reason   string
				}
			}
		}
	}
}

// condition is something that holds of an object, or not.
type condition struct{ Type, Status, Reason, Message string }

// index is the number that the Job gives the pod.
func (p *pod) index() string { return p.Metadata.Labels["batch.kubernetes.io/job-completion-index"] }

// reason is why the pod's container has ended, empty if it has not.
func (p *pod) reason() string {
	for _, c := range p.Status.ContainerStatuses {
		if c.State.Terminated != nil {
			return c.State.Terminated.Reason
		}
	}
	return ""
}

// manifests are what ota-sim prints for a scenario in shards. Flags are those of a run,
// and of a cluster.
func manifests(t *testing.T, store *storage, name, scenario string, shards int, flags ...string) string {
	t.Helper()
	args := []string{"cluster", "kubernetes", scenario, "--name", name, "--image", os.Getenv("IMAGE"),
		"--shards", fmt.Sprint(shards), "--cpus", "0.1", "--deadline", "20m", "--out", store.place(name),
		"--secret", store.secret(), "--env", "AWS_ENDPOINT_URL_S3=" + store.url}
	return do(t, os.Getenv("OTA_SIM"), append(args, flags...)...)
}

// apply hands manifests to Kubernetes, and removes what they made when the test ends.
func apply(t *testing.T, store *storage, name, text string, shards int) *job {
	t.Helper()
	path := filepath.Join(t.TempDir(), "manifests.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	j := &job{t: t, name: name, shards: shards, store: store, began: time.Now()}
	do(t, "kubectl", "apply", "--filename", path)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(j.story())
		}
		do(t, "kubectl", "delete", "--filename", path, "--cascade=foreground", "--grace-period=1")
	})
	return j
}

// do runs a program that has to succeed, and gives what it prints.
func do(t *testing.T, program string, args ...string) string {
	t.Helper()
	o := harness.Run(t, ".", program, args...)
	require.Zero(t, o.Code, "%s %q: %s%s", program, args, o.Out, o.Err)
	return o.Out
}

// get reads an object of Kubernetes.
func get(t *testing.T, into any, args ...string) {
	t.Helper()
	text := do(t, "kubectl", append([]string{"get", "--output", "json"}, args...)...)
	require.NoError(t, json.Unmarshal([]byte(text), into), text)
}

// pods are those of all shards, the ended ones too.
func (j *job) pods() []pod {
	j.t.Helper()
	var list struct{ Items []pod }
	get(j.t, &list, "pods", "--selector", "job-name="+j.name)
	return list.Items
}

// pod waits for a pod of a shard that runs and is none of those before.
func (j *job) pod(index int, before ...string) *pod {
	j.t.Helper()
	var found *pod
	harness.Await(j.t, fmt.Sprintf("a pod of %s runs shard index %d", j.name, index), func() bool {
		for _, p := range j.pods() {
			if p.index() == fmt.Sprint(index) && p.Status.Phase == "Running" && !slices.Contains(before, p.Metadata.Name) {
				found = &p
				return true
			}
		}
		return false
	})
	return found
}

// running waits until all shards run at once.
func (j *job) running() {
	j.t.Helper()
	harness.Await(j.t, "all pods of "+j.name+" run", func() bool {
		n := 0
		for _, p := range j.pods() {
			if p.Status.Phase == "Running" {
				n++
			}
		}
		return n == j.shards
	})
	j.note("all pods run")
}

// end waits until the Job of the shards has ended and gives the condition that says how.
func (j *job) end() condition {
	j.t.Helper()
	return j.ended(j.name)
}

// ended does the same for a Job, for longer than a step may take.
func (j *job) ended(name string) (how condition) {
	j.t.Helper()
	for deadline := time.Now().Add(20 * time.Minute); how.Type == ""; time.Sleep(100 * time.Millisecond) {
		require.True(j.t, time.Now().Before(deadline), "%s does not end", name)
		var status struct {
			Status struct{ Conditions []condition }
		}
		get(j.t, &status, "job", name)
		for _, c := range status.Status.Conditions {
			if c.Status == "True" && (c.Type == "Complete" || c.Type == "Failed") {
				how = c
			}
		}
	}
	j.note("job/" + name + " is over: " + how.Type)
	return how
}

// note logs when something has come about.
func (j *job) note(what string) { j.t.Logf("%6.1f s  %s", time.Since(j.began).Seconds(), what) }

// merge makes one verdict of the histories.
func (j *job) merge(flags ...string) harness.Outcome {
	j.t.Helper()
	o := harness.Run(j.t, ".", os.Getenv("OTA_SIM"), append([]string{"merge", j.store.place(j.name)}, flags...)...)
	j.note("merged")
	return o
}

// verdict is the one on the merged histories.
func (j *job) verdict() verdict {
	j.t.Helper()
	path := filepath.Join(j.t.TempDir(), "merged.json")
	o := j.merge("--json", path)
	assert.Zero(j.t, o.Code, o.Out+o.Err)
	return read(j.t, path)
}

func read(t *testing.T, path string) (v verdict) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &v))
	return v
}

// whole is the verdict on a scenario in virtual time, in one piece.
func whole(t *testing.T, scenario string) verdict {
	t.Helper()
	began, path := time.Now(), filepath.Join(t.TempDir(), "whole.json")
	run := harness.Start(t, ".", os.Getenv("OTA_SIM"), "run", scenario, "--virtual", "--quiet", "--json", path)
	for run.Running() { // for longer than a step may take
		time.Sleep(100 * time.Millisecond)
	}
	require.Zero(t, run.Wait())
	t.Logf("%6.1f s  in one piece", time.Since(began).Seconds())
	return read(t, path)
}

// story is what Kubernetes and the pods say of the Job.
func (j *job) story() string {
	var b strings.Builder
	for _, args := range [][]string{
		{"describe", "job", j.name},
		{"get", "pods", "--output", "wide"},
		{"get", "events"},
		{"logs", "--selector", "job-name=" + j.name, "--tail", "5", "--prefix"},
		{"logs", "--selector", "job-name=" + j.name + "-merge", "--tail", "5", "--prefix"},
	} {
		o := harness.Run(j.t, ".", "kubectl", args...)
		fmt.Fprintf(&b, "kubectl %s\n%s%s\n", strings.Join(args, " "), o.Out, o.Err)
	}
	return b.String()
}
