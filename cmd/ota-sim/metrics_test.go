package main

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/address"
	"otafleet/internal/cli"
	"otafleet/simulator"
)

// scrape reads the page at an address as Prometheus does: a value for each name
// with its labels.
func scrape(t *testing.T, address string) map[string]float64 {
	t.Helper()
	answer, err := http.Get("http://" + address + "/metrics")
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Equal(t, http.StatusOK, answer.StatusCode)
	assert.Equal(t, expfmt.NewFormat(expfmt.TypeTextPlain), expfmt.ResponseFormat(answer.Header))
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(answer.Body)
	require.NoError(t, err)
	samples, err := expfmt.ExtractSamples(&expfmt.DecodeOptions{}, values(families)...)
	require.NoError(t, err)
	found := map[string]float64{}
	for _, s := range samples {
		assert.NotEmpty(t, families[family(s.Metric)].GetHelp(), s.Metric)
		found[s.Metric.String()] = float64(s.Value)
	}
	return found
}

// family is the name of a sample's metric.
func family(m model.Metric) string {
	name := string(m[model.MetricNameLabel])
	for _, part := range []string{"_bucket", "_sum", "_count"} {
		name = strings.TrimSuffix(name, part)
	}
	return name
}

func values[K comparable, V any](m map[K]V) (all []V) {
	for _, v := range m {
		all = append(all, v)
	}
	return all
}

// keptAddress is an address of the loopback that no other program takes, at which nothing
// listens yet.
func keptAddress(t *testing.T) string {
	t.Helper()
	kept, err := address.Keep("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(kept.Release)
	return kept.String()
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	at := keptAddress(t)
	var known figures
	m, err := startMetrics(at, &known)
	require.NoError(t, err)
	before := scrape(t, at)
	assert.Positive(t, before["go_goroutines"])
	assert.Positive(t, before["go_memstats_heap_alloc_bytes"])
	assert.Greater(t, before["process_resident_memory_bytes"], 1e6)
	assert.Greater(t, before["process_open_fds"], 2.0)
	assert.NotContains(t, before, "ota_sim_run_seconds", "there is no run yet")

	s := snapshot()
	s.Faults = append(s.Faults, simulator.Tally{Name: "a \"quoted\\\nname", N: 1})
	s.Upgrades.Count, s.Upgrades.Sum = 70, 700*time.Second
	s.Upgrades.UpTo[3], s.Upgrades.UpTo[11] = 30, 69
	known.watch(fixed{s}, runLabels{"small", 7, "real", "1/4"})
	during := scrape(t, at)
	for name, want := range map[string]float64{
		`ota_sim_run_info{scenario="small", seed="7", shard="1/4", world="real"}`: 1,
		`ota_sim_run_seconds`:                                    12.4,
		`ota_sim_devices{status="not_upgraded"}`:                 80,
		`ota_sim_devices{status="upgraded"}`:                     60,
		`ota_sim_devices{status="not_arrived"}`:                  20,
		`ota_sim_connected_devices`:                              150,
		`ota_sim_reports_total`:                                  777,
		`ota_sim_refusals_total`:                                 3,
		`ota_sim_power_cuts_total`:                               4,
		`ota_sim_downloaded_bytes_total`:                         5 << 20,
		`ota_sim_faults_fired_total{fault="lossy-line"}`:         6,
		`ota_sim_faults_fired_total{fault="forger"}`:             0,
		`ota_sim_faults_fired_total{fault="a \"quoted\\\nname"}`: 1,
		`ota_sim_failures_total{code="download_failed"}`:         12,
		`ota_sim_upgrade_duration_seconds_bucket{le="10"}`:       30,
		`ota_sim_upgrade_duration_seconds_bucket{le="3600"}`:     69,
		`ota_sim_upgrade_duration_seconds_bucket{le="+Inf"}`:     70,
		`ota_sim_upgrade_duration_seconds_sum`:                   700,
		`ota_sim_upgrade_duration_seconds_count`:                 70,
	} {
		value, found := during[name]
		assert.True(t, found, name)
		assert.InDelta(t, want, value, 1e-9, name)
	}

	answer, err := http.Get("http://" + at + "/")
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	assert.Equal(t, http.StatusNotFound, answer.StatusCode)
	require.NoError(t, m.stop())
	_, err = net.DialTimeout("tcp", at, time.Second)
	assert.Error(t, err, "it listens no more")
}

// TestMetricsOfARun asks for them while devices wait for their arrival.
func TestMetricsOfARun(t *testing.T) {
	t.Parallel()
	at := keptAddress(t)
	taken, err := net.Listen("tcp", at)
	require.NoError(t, err)
	path := file(t, "small.yaml", strings.Replace(small, "{name: gw,", "{name: gw, arrive: {over: 9m},", 1))

	o := sim(t, "run", path, "--metrics", at)
	assert.Equal(t, cli.Usage, o.code)
	assert.Contains(t, o.err, "cannot serve metrics at "+at)
	assert.Contains(t, o.err, "want a free address of this machine")
	assert.Equal(t, cli.Usage, sim(t, "run", path, "--metrics", "nonsense").code)

	require.NoError(t, taken.Close())
	ctx, interrupt := context.WithCancel(t.Context())
	done := make(chan outcome, 1)
	go func() { done <- simUntil(ctx, "run", "--quiet", path, "--metrics", at) }()
	defer func() {
		interrupt()
		assert.Equal(t, cli.Interrupted, (<-done).code)
	}()
	await := func(what string, holds func() bool) {
		t.Helper()
		for deadline := time.Now().Add(patience); !holds(); time.Sleep(20 * time.Millisecond) {
			require.True(t, time.Now().Before(deadline), "waited in vain for: %s", what)
		}
	}
	await("the page", func() bool {
		conn, err := net.Dial("tcp", at)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	await("the first device's upgrade", func() bool { // the others arrive minutes later
		found := scrape(t, at)
		return found[`ota_sim_devices{status="upgraded"}`] > 0 && found["ota_sim_reports_total"] > 0 &&
			found["ota_sim_downloaded_bytes_total"] > 0 && found["ota_sim_upgrade_duration_seconds_count"] > 0
	})
	assert.Equal(t, 1.0, scrape(t, at)[`ota_sim_run_info{scenario="small", seed="1", shard="", world="real"}`])
}
