package api_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/bundle"
	"otafleet/internal/ota"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/api"
)

// stand is a platform with its API.
type stand struct {
	t        testing.TB
	platform *platform.Service
	state    string
	server   *httptest.Server
	contract *contract
	seq      map[string]int
}

func start(t testing.TB) *stand {
	t.Helper()
	s := &stand{t: t, state: t.TempDir(), contract: readContract(t), seq: map[string]int{}}
	var err error
	s.platform, err = platform.New(platform.Config{State: s.state})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { assert.NoError(t, s.platform.Run(ctx)) })
	t.Cleanup(func() { cancel(); serving.Wait() })
	guard, err := api.NewGuard("127.0.0.1:0", "")
	require.NoError(t, err)
	s.server = httptest.NewServer(guard.Wrap(api.New(api.Config{Platform: s.platform})))
	t.Cleanup(s.server.Close)
	return s
}

// call makes a request and holds its answer against docs/openapi.yaml.
func (s *stand) call(method, path, body string) (int, string) {
	s.t.Helper()
	kind := "application/json"
	if !strings.HasPrefix(body, "{") {
		kind = "application/octet-stream"
	}
	return s.send(method, path, kind, strings.NewReader(body))
}

func (s *stand) send(method, path, kind string, body io.Reader) (int, string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.server.URL+api.Root+path, body)
	require.NoError(s.t, err)
	r.Header.Set("Content-Type", kind)
	answer, err := http.DefaultClient.Do(r)
	require.NoError(s.t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(s.t, err)
	bare, _, _ := strings.Cut(path, "?")
	s.contract.check(s.t, method, bare, answer.StatusCode, answer.Header, text)
	return answer.StatusCode, string(text)
}

// must is a call that has to succeed, and what it answers.
func must[T any](s *stand, method, path, body string) (answer T) {
	s.t.Helper()
	status, text := s.call(method, path, body)
	require.Less(s.t, status, 300, "%s %s: %s", method, path, text)
	if text != "" {
		require.NoError(s.t, json.Unmarshal([]byte(text), &answer))
	}
	return answer
}

// refused is a call that must not succeed, and why it did not.
func (s *stand) refused(status int, method, path, body string) api.Problem {
	s.t.Helper()
	got, text := s.call(method, path, body)
	require.Equal(s.t, status, got, "%s %s: %s", method, path, text)
	var p api.Problem
	require.NoError(s.t, json.Unmarshal([]byte(text), &p))
	assert.Equal(s.t, status, p.Status)
	return p
}

// packageFile is a signed package of a component from nowhere to a version.
func packageFile(t testing.TB, component, target string) string {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	dir := t.TempDir()
	image, path := filepath.Join(dir, component+".bin"), filepath.Join(dir, "package.ota")
	require.NoError(t, os.WriteFile(image, []byte(strings.Repeat(component+" "+target+" ", 500)), 0o600))
	_, err = bundle.Create(path, bundle.Release{
		Manifest: ota.Manifest{
			Product: "gw", Component: component, Type: ota.Module, Package: ota.Full, Target: target, Release: 1,
			Created: time.Now(),
		},
		Files: []string{image}, Keys: []ed25519.PrivateKey{key},
	})
	require.NoError(t, err)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

// planForm is a plan for component A to 2, with other fields on top.
func planForm(name, more string) string {
	if more != "" {
		more = "," + more
	}
	return `{"name":"` + name + `","product":"gw","time_zone":"Europe/Berlin","mode":"silent","start":"` +
		time.Now().Add(-time.Hour).Format(time.RFC3339) + `","end":"` + time.Now().Add(48*time.Hour).Format(time.RFC3339) +
		`","components":[{"id":"A","type":"module","package":"full","target":"2"}]` + more + `}`
}

// says lets a device say something.
func (s *stand) says(key string, message ota.Up) {
	s.platform.Hear(ota.Identity{Product: "gw", Device: key}, message)
}

func (s *stand) asks(key, version string) {
	s.says(key,
		&ota.Inventory{Request: true, Components: []ota.ComponentVersion{{ID: "A", Type: ota.Module, Version: version}}})
}

func (s *stand) reports(plan, key string, statuses ...ota.Status) {
	for _, status := range statuses {
		s.seq[plan+key]++
		r := &ota.Report{
			Time: time.Now(), Plan: plan, Attempt: 1, Seq: s.seq[plan+key], Component: "A", Status: status, Version: "1",
		}
		if status == ota.UpgradeSucceeded {
			r.Version = "2"
		}
		if status.Failed() {
			r.Failure = &ota.Failure{Code: ota.BootFailed, Detail: "no sign of life"}
		}
		s.says(key, r)
	}
}

// upgrades takes a device through a plan to an end.
func (s *stand) upgrades(plan, key string, end ota.Status) {
	s.asks(key, "1")
	s.reports(plan, key, ota.PlanReceived)
	s.says(key, &ota.Decision{Plan: plan, Attempt: 1, Accept: true})
	s.reports(plan, key, ota.UpgradeConfirmed, ota.ReadyToDownload, ota.Downloading, ota.DownloadSucceeded, ota.Upgrading,
		end)
}
