package main

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	sent "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"otafleet/internal/cli"
	"otafleet/simulator"
)

// receiver is a collector that keeps what was pushed last.
type receiver struct {
	collector.UnimplementedMetricsServiceServer

	mu       sync.Mutex // guards the following
	pushes   int
	values   map[string]float64 // by name and labels, as Prometheus writes them
	resource map[string]string
	header   http.Header
}

// Export takes a push by gRPC.
func (r *receiver) Export(_ context.Context, request *collector.ExportMetricsServiceRequest) (
	*collector.ExportMetricsServiceResponse, error) {
	r.take(request)
	return &collector.ExportMetricsServiceResponse{}, nil
}

// ServeHTTP takes a push by HTTP.
func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body := io.Reader(request.Body)
	if request.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = unpacked
	}
	text, err := io.ReadAll(body)
	message := &collector.ExportMetricsServiceRequest{}
	if err != nil || request.URL.Path != "/v1/metrics" || proto.Unmarshal(text, message) != nil {
		http.Error(w, "that is no push", http.StatusBadRequest)
		return
	}
	r.take(message)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.header = request.Header.Clone()
}

func (r *receiver) take(request *collector.ExportMetricsServiceRequest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pushes++
	r.values, r.resource = map[string]float64{}, map[string]string{}
	for _, of := range request.GetResourceMetrics() {
		for _, a := range of.GetResource().GetAttributes() {
			r.resource[a.GetKey()] = a.GetValue().GetStringValue()
		}
		for _, scope := range of.GetScopeMetrics() {
			for _, m := range scope.GetMetrics() {
				r.keep(m)
			}
		}
	}
}

// keep keeps the values of a metric as a collector gives them to Prometheus.
func (r *receiver) keep(m *sent.Metric) {
	put := func(name string, value float64, attributes []*common.KeyValue, more ...string) {
		metric := model.Metric{model.MetricNameLabel: model.LabelValue(name)}
		for _, a := range attributes {
			metric[model.LabelName(a.GetKey())] = model.LabelValue(a.GetValue().GetStringValue())
		}
		for i := 0; i < len(more); i += 2 {
			metric[model.LabelName(more[i])] = model.LabelValue(more[i+1])
		}
		r.values[metric.String()] = value
	}
	for _, p := range append(m.GetGauge().GetDataPoints(), m.GetSum().GetDataPoints()...) {
		put(m.GetName(), p.GetAsDouble(), p.GetAttributes())
	}
	for _, p := range m.GetHistogram().GetDataPoints() {
		below := uint64(0)
		for i, n := range p.GetBucketCounts() {
			below += n
			le := "+Inf"
			if i < len(p.GetExplicitBounds()) {
				le = strconv.FormatFloat(p.GetExplicitBounds()[i], 'g', -1, 64)
			}
			put(m.GetName()+"_bucket", float64(below), p.GetAttributes(), "le", le)
		}
		put(m.GetName()+"_sum", p.GetSum(), p.GetAttributes())
		put(m.GetName()+"_count", float64(p.GetCount()), p.GetAttributes())
	}
}

// last gives what was pushed last.
func (r *receiver) last() (pushes int, values map[string]float64, resource map[string]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pushes, r.values, r.resource
}

// filled are figures of a run of which every metric has something to say.
func filled() *figures {
	s := snapshot()
	s.Faults = append(s.Faults, simulator.Tally{Name: "a \"quoted\\\nname", N: 1})
	s.Upgrades.Count, s.Upgrades.Sum = 70, 700*time.Second
	for i := range s.Upgrades.UpTo {
		s.Upgrades.UpTo[i] = 6 * i
	}
	known := &figures{}
	known.watch(fixed{s}, runLabels{"small", 7, "real", "1/4"})
	return known
}

// pushOnce pushes figures by an environment, once, when it is stopped.
func pushOnce(t *testing.T, known *figures, variables ...string) (said string) {
	t.Helper()
	for i := 0; i < len(variables); i += 2 {
		t.Setenv(variables[i], variables[i+1])
	}
	var b strings.Builder
	p, err := (&runFlags{}).push(&b, known)
	require.NoError(t, err)
	require.NotNil(t, p)
	p.Stop()
	return b.String()
}

// TestPushedFiguresAreThoseOfThePage holds what is pushed, by either protocol, against the
// page of --metrics: names, labels and values.
func TestPushedFiguresAreThoseOfThePage(t *testing.T) {
	known := filled()
	at := keptAddress(t)
	m, err := startMetrics(at, known)
	require.NoError(t, err)
	page := scrape(t, at)
	require.NoError(t, m.stop())

	byHTTP, byGRPC := &receiver{}, &receiver{}
	server := httptest.NewServer(byHTTP)
	t.Cleanup(server.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	service := grpc.NewServer()
	collector.RegisterMetricsServiceServer(service, byGRPC)
	go func() { _ = service.Serve(listener) }()
	t.Cleanup(service.Stop)

	assert.Empty(t, pushOnce(t, known, "OTEL_EXPORTER_OTLP_ENDPOINT", server.URL,
		"OTEL_EXPORTER_OTLP_HEADERS", "api-key=the%20secret", "OTEL_RESOURCE_ATTRIBUTES", "team=fleet,zone=b"))
	assert.Equal(t, "the secret", byHTTP.header.Get("api-key"))
	assert.Empty(t, pushOnce(t, known, "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://"+listener.Addr().String(),
		"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "OTEL_SERVICE_NAME", "nightly"))

	for name, r := range map[string]*receiver{"ota-sim": byHTTP, "nightly": byGRPC} {
		pushes, values, resource := r.last()
		assert.Equal(t, 1, pushes)
		for metric, value := range page {
			got, found := values[metric]
			assert.True(t, found, metric)
			if strings.HasPrefix(metric, "ota_sim_") {
				assert.Equal(t, value, got, metric)
			}
		}
		assert.Len(t, values, len(page))
		assert.Equal(t, name, resource["service.name"])
		assert.Equal(t, "fleet", resource["team"])
		assert.NotEmpty(t, resource["service.instance.id"])
	}
}

func TestPushOverTLS(t *testing.T) {
	r := &receiver{}
	server := httptest.NewTLSServer(r)
	t.Cleanup(server.Close)
	said := pushOnce(t, filled(), "OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	assert.Contains(t, said, "certificate", "who signed it is unknown")
	authority := file(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE",
		Bytes: server.Certificate().Raw})))
	assert.Empty(t, pushOnce(t, filled(), "OTEL_EXPORTER_OTLP_CERTIFICATE", authority))
	pushes, _, _ := r.last()
	assert.Equal(t, 1, pushes)
}

// A collector that is away, slow, or answers with what it was sent fails nothing, is named
// once, and gives no secret away.
func TestCollectorThatDoesNotTakeIt(t *testing.T) {
	hold := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-hold:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(slow.Close)
	t.Cleanup(func() { close(hold) })
	rude := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "\x1b[31mno: "+r.Header.Get("api-key")+strings.Repeat("!", 10_000), http.StatusForbidden)
	}))
	t.Cleanup(rude.Close)
	for _, url := range []string{"http://" + keptAddress(t), slow.URL, rude.URL} {
		began := time.Now()
		said := pushOnce(t, filled(), "OTEL_EXPORTER_OTLP_ENDPOINT", url, "OTEL_METRIC_EXPORT_INTERVAL", "20",
			"OTEL_METRIC_EXPORT_TIMEOUT", "50", "OTEL_EXPORTER_OTLP_HEADERS", "api-key=hunter2hunter2")
		assert.Contains(t, said, "metrics do not reach "+strings.TrimPrefix(url, "http://"))
		assert.Equal(t, 1, strings.Count(said, "\n"), said)
		assert.NotContains(t, said, "hunter2")
		assert.NotContains(t, said, "\x1b")
		assert.Less(t, len(said), 1000)
		assert.Less(t, time.Since(began), 20*time.Second, "five seconds, and a slow machine")
	}
}

func TestWrongEnvironmentOfAPush(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
	path := file(t, "small.yaml", small)
	for name, value := range map[string]string{
		"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "collector:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json",
		"OTEL_EXPORTER_OTLP_HEADERS": "hunter2", "OTEL_EXPORTER_OTLP_METRICS_HEADERS": "a b=hunter2",
		"OTEL_EXPORTER_OTLP_CERTIFICATE": filepath.Join(t.TempDir(), "none.pem"),
		"OTEL_METRIC_EXPORT_INTERVAL":    "1s", "OTEL_METRIC_EXPORT_TIMEOUT": "-1",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, value)
			o := sim(t, "run", "--quiet", path)
			assert.Equal(t, cli.Usage, o.code)
			assert.Contains(t, o.err, strings.Replace(name[:len(name)-5], "METRICS_", "", 1))
			assert.NotContains(t, o.err, "hunter2")
		})
	}
	t.Run("off", func(t *testing.T) {
		t.Setenv("OTEL_METRICS_EXPORTER", "none")
		p, err := (&runFlags{}).push(io.Discard, &figures{})
		require.NoError(t, err)
		assert.Nil(t, p)
	})
}

// TestPushOfARun is of a run that is interrupted: what it pushes last is what its verdict
// says.
func TestPushOfARun(t *testing.T) {
	r := &receiver{}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	t.Setenv("OTEL_METRIC_EXPORT_INTERVAL", "100")
	path := file(t, "late.yaml", strings.Replace(small, "    count: 3\n", "    count: 3\n    arrive: {over: 9m}\n", 1))
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	done := make(chan outcome, 1)
	go func() { done <- simUntil(ctx, "run", "--quiet", "--json", "-", path) }()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		_, values, _ := r.last()
		if values[`ota_sim_devices{status="upgraded"}`] > 0 {
			break
		}
		require.True(t, time.Now().Before(deadline), "no push tells of the first device")
	}
	interrupt()
	o := <-done
	require.Equal(t, cli.Interrupted, o.code, o.err)
	var verdict struct {
		Reports struct{ Stored float64 }
	}
	require.NoError(t, json.Unmarshal([]byte(o.out), &verdict))
	_, values, _ := r.last()
	assert.Equal(t, verdict.Reports.Stored, values["ota_sim_reports_total"])
	assert.Equal(t, 1.0, values[`ota_sim_run_info{scenario="small", seed="1", shard="", world="real"}`])
}
