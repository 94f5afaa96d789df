package hawkbit_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"otafleet/internal/bundle"
	"otafleet/internal/ota"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/platform/hawkbit"
)

const (
	product = "gw-200"
	key     = "gw-0001"
	base    = "/DEFAULT/controller/v1/" + key
)

// fixture is a platform whose devices speak hawkBit's API.
type fixture struct {
	t        testing.TB
	platform *platform.Service
	handler  http.Handler
	trail    []string // what the ledger stored: "app upgrading"
	faults   []string // reports that it did not store
	decided  []ota.Decision
}

func newFixture(t testing.TB, config hawkbit.Config) *fixture {
	f := &fixture{t: t}
	service, err := platform.New(platform.Config{Observe: f.observe})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, service.Close()) })
	f.platform = service
	f.handler, err = hawkbit.New(service, config)
	require.NoError(t, err)
	return f
}

func (f *fixture) observe(_ time.Time, fact engine.Output) {
	switch fact := fact.(type) {
	case engine.Decided:
		f.decided = append(f.decided, *fact.Decision)
	case engine.Recorded:
		step := fact.Report.Component + " " + fact.Report.Status.String()
		if fact.Report.Failure != nil {
			step += " " + fact.Report.Failure.Error()
		}
		if fact.Arrival != engine.Stored {
			f.faults = append(f.faults, step+": "+fact.Arrival.String())
			return
		}
		f.trail = append(f.trail, step)
	}
}

// offer puts a plan of components into effect, all to one version.
func (f *fixture) offer(spec engine.PlanSpec, target string, components ...string) {
	f.t.Helper()
	spec.Name, spec.Product, spec.Zone = spec.ID, product, time.UTC
	spec.Start, spec.End = time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
	if spec.Mode == "" {
		spec.Mode = ota.Silent
	}
	for _, c := range components {
		content := []byte(strings.Repeat(c+" "+target+"\n", 1000))
		file, err := bundle.Describe(c+".img", bytes.NewReader(content), 4096)
		require.NoError(f.t, err)
		m := &ota.Manifest{
			Product: product, Component: c, Type: ota.Module, Package: ota.Full, Target: target, Release: 1, Created: time.Now(),
			Files: []ota.File{file},
		}
		envelope, err := bundle.Seal(m, ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
		require.NoError(f.t, err)
		require.NoError(f.t, f.platform.AddPackage(f.t.Context(), envelope, m, []io.ReaderAt{bytes.NewReader(content)}))
		spec.Components = append(
			spec.Components,
			engine.ComponentSpec{ID: c, Type: ota.Module, Package: ota.Full, Target: target},
		)
	}
	f.order(engine.CreatePlan{Plan: spec})
	f.order(engine.Activate{Plan: spec.ID})
}

func (f *fixture) order(c engine.Command) {
	f.t.Helper()
	require.NoError(f.t, f.platform.Command(c))
}

// ask makes a request below the device's root, and gives its answer.
func (f *fixture) ask(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://ota.test"+base+path, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	return w
}

// tells tells the platform what app and motor run.
func (f *fixture) tells(version string) {
	f.t.Helper()
	w := f.ask(
		http.MethodPut,
		"/configData",
		`{"mode":"merge","data":{"product":"gw-200","version.app":"`+version+`","version.motor":"`+version+`"}}`,
	)
	require.Equal(f.t, http.StatusOK, w.Code, w.Body)
}

// polls gives the path of the action that a poll shows; empty for none.
func (f *fixture) polls() string {
	f.t.Helper()
	for name, path := range f.links() {
		if name != "configData" {
			return path
		}
	}
	return ""
}

// links are the links of the root, below it.
func (f *fixture) links() map[string]string {
	f.t.Helper()
	w := f.ask(http.MethodGet, "", "")
	require.Equal(f.t, http.StatusOK, w.Code, w.Body)
	var root struct {
		Links map[string]struct{ Href string } `json:"_links"`
	}
	require.NoError(f.t, json.Unmarshal(w.Body.Bytes(), &root))
	found := map[string]string{}
	for name, link := range root.Links {
		path, below := strings.CutPrefix(link.Href, "http://ota.test"+base)
		require.True(f.t, below, link.Href)
		found[name] = path
	}
	return found
}

// says sends feedback on an action and gives the status of the answer.
func (f *fixture) says(action, execution, finished string, details ...string) int {
	f.t.Helper()
	body, err := json.Marshal(map[string]any{"id": "1", "time": "20260101T000000", "status": map[string]any{
		"execution": execution, "result": map[string]any{"finished": finished, "progress": map[string]int{"cnt": 1, "of": 2}},
		"details": details}})
	require.NoError(f.t, err)
	return f.ask(http.MethodPost, action+"/feedback", string(body)).Code
}

// begins tells, polls and reads the action.
func (f *fixture) begins() (action string) {
	f.t.Helper()
	f.tells("1.0")
	action = f.polls()
	require.Equal(f.t, http.StatusOK, f.ask(http.MethodGet, action, "").Code)
	return action
}

func (f *fixture) status(plan string) (s ota.DeviceStatus) {
	f.platform.View(func(e *engine.Engine) {
		v, _ := e.Device(plan, key)
		s = v.Status
	})
	return s
}
