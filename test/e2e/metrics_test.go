package e2e_test

import (
	"net"
	"net/http"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/test/harness"
)

// scrape reads a page as Prometheus does.
func scrape(t *testing.T, address string) map[string]float64 {
	t.Helper()
	answer, err := http.Get("http://" + address + "/metrics")
	require.NoError(t, err)
	defer answer.Body.Close()
	assert.Equal(t, expfmt.NewFormat(expfmt.TypeTextPlain), expfmt.ResponseFormat(answer.Header))
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(answer.Body)
	require.NoError(t, err)
	found := map[string]float64{}
	for name, family := range families {
		assert.NotEmpty(t, family.GetHelp(), name)
		samples, err := expfmt.ExtractSamples(&expfmt.DecodeOptions{}, family)
		require.NoError(t, err)
		for _, s := range samples {
			found[s.Metric.String()] = float64(s.Value)
		}
	}
	return found
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	s := newSetting(t)
	s.device.Write("capacity", []byte("77\n"), 0o644)
	s.device.Settings["conditions"] = harness.Settings{"battery_file": "capacity", "rssi_command": []string{"echo", "-71"}}
	s.device.Configure()
	_, port, err := net.SplitHostPort(harness.FreeAddress(t))
	require.NoError(t, err)
	agent := harness.Start(t, s.device.Dir, programs.Agent, "run", "--config", "agent.yaml", "--metrics", ":"+port)
	agent.AwaitOutput("connected to the broker")
	s.upgrades("p", "1.1.0", 3)

	found := scrape(t, "127.0.0.1:"+port)
	for name, want := range map[string]float64{
		`ota_agent_info{device="gw-0001", product="gw-200", version="1.0.0"}`: 1,
		`ota_agent_connected`:              1,
		`ota_agent_paused`:                 0,
		`ota_agent_state{state="idle"}`:    1,
		`ota_agent_state{state="working"}`: 0,
		`ota_agent_component_info{component="app", type="module", version="1.1.0"}`:    1,
		`ota_agent_component_release{component="app"}`:                                 3,
		`ota_agent_plan_status{component="app", plan="p", status="upgrade_succeeded"}`: 1,
		`ota_agent_plan_status{component="app", plan="p", status="downloading"}`:       0,
		`ota_agent_battery_percent`:                                                    77,
		`ota_agent_rssi_dbm`:                                                           -71,
		`ota_agent_busy`:                                                               0,
		`ota_agent_trouble`:                                                            0,
	} {
		value, is := found[name]
		assert.True(t, is, name)
		assert.Equal(t, want, value, name)
	}
	for _, name := range []string{"ota_agent_uptime_seconds", "ota_agent_journal_saves_total", "ota_agent_free_bytes",
		"process_resident_memory_bytes", "go_goroutines"} {
		assert.Positive(t, found[name], name)
	}

	// Without a host it is this machine's alone.
	for _, address := range othersOf(t) {
		_, err := net.Dial("tcp", net.JoinHostPort(address, port))
		assert.Error(t, err, address)
	}
	taken := harness.Run(t, s.device.Dir, programs.Agent, "run", "--config", "agent.yaml", "--metrics", port)
	assert.Equal(t, 2, taken.Code)
	assert.Contains(t, taken.Err, "cannot serve metrics at 127.0.0.1:"+port)
	assert.Contains(t, taken.Err, "want a free address of this device")
	assert.Equal(t, 0, agent.Stop())
}

// othersOf are the addresses of this machine that others can reach.
func othersOf(t *testing.T) (all []string) {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	require.NoError(t, err)
	for _, a := range addresses {
		if ip, is := a.(*net.IPNet); is && !ip.IP.IsLoopback() && ip.IP.To4() != nil {
			all = append(all, ip.IP.String())
		}
	}
	return all
}
