package hawkbit_test

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

// base is where the server is for tests without sockets.
const base = "http://hawkbit.test"

// server has one device, and keeps to the rules of hawkBit's: one action at a time is
// shown, feedback on one that is over is gone, on one that waits or is being cancelled
// not found.
type server struct {
	t *testing.T

	mu      sync.Mutex // guards the following
	sleep   string
	ask     bool // for attributes
	data    map[string]string
	actions []*serverAction
	fail    func(r *http.Request) int // a status to answer with instead; 0 for none
	log     []string                  // feedback: "action execution/finished"
	polls   int
	url     string
}

type serverAction struct {
	id      string
	waits   bool
	window  string
	update  string
	cancel  bool
	status  string // RUNNING, FINISHED, ERROR or CANCELED
	details []string
	chunks  []any
	files   map[string][]byte
}

func newServer(t *testing.T) *server {
	return &server{t: t, sleep: "00:05:00", url: base}
}

// answer is what the server says to a request.
func (s *server) answer(method, path string, body []byte) (int, []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path = strings.TrimPrefix(path, "/DEFAULT/controller/v1/gw-0001")
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	switch {
	case path == "":
		s.polls++
		return http.StatusOK, s.root()
	case path == "/configData":
		var b struct{ Data map[string]string }
		require.NoError(s.t, json.Unmarshal(body, &b))
		s.data, s.ask = b.Data, false
		return http.StatusOK, nil
	case strings.HasPrefix(path, "/artifacts/"):
		for _, a := range s.actions {
			if text, there := a.files[parts[1]]; there {
				return http.StatusOK, text
			}
		}
		return http.StatusNotFound, nil
	}
	i := slices.IndexFunc(s.actions, func(a *serverAction) bool { return a.id == parts[1] })
	if i < 0 {
		return http.StatusNotFound, nil
	}
	if method == http.MethodPost {
		return s.feedback(s.actions[i], parts[0], body), nil
	}
	return s.document(s.actions[i], parts[0])
}

func (s *server) current() *serverAction {
	for _, a := range s.actions {
		if a.status == "RUNNING" {
			return a
		}
	}
	return nil
}

func (s *server) root() []byte {
	links := map[string]any{}
	if s.ask {
		links["configData"] = map[string]string{"href": s.url + "/DEFAULT/controller/v1/gw-0001/configData"}
	}
	if a := s.current(); a != nil {
		kind := "deploymentBase"
		switch {
		case a.cancel:
			kind = "cancelAction"
		case a.waits:
			kind = "confirmationBase"
		}
		links[kind] = map[string]string{"href": s.url + "/DEFAULT/controller/v1/gw-0001/" + kind + "/" + a.id + "?c=-1"}
	}
	text, err := json.Marshal(map[string]any{"config": map[string]any{"polling": map[string]string{"sleep": s.sleep}},
		"_links": links})
	require.NoError(s.t, err)
	return text
}

func (s *server) document(a *serverAction, kind string) (int, []byte) {
	if a.status != "RUNNING" || kind == "deploymentBase" && (a.waits || a.cancel) {
		return http.StatusNotFound, nil
	}
	doc := map[string]any{"id": a.id}
	order := map[string]any{"download": "forced", "update": a.update, "chunks": a.chunks}
	if a.window != "" {
		order["maintenanceWindow"] = a.window
	}
	switch kind {
	case "cancelAction":
		doc["cancelAction"] = map[string]string{"stopId": a.id}
	case "confirmationBase":
		doc["confirmation"] = order
	default:
		doc["deployment"] = order
	}
	text, err := json.Marshal(doc)
	require.NoError(s.t, err)
	return http.StatusOK, text
}

func (s *server) feedback(a *serverAction, kind string, body []byte) int {
	var b struct {
		Confirmation string
		Status       struct {
			Execution string
			Result    struct{ Finished string }
			Details   []string
		}
		Details []string
	}
	require.NoError(s.t, json.Unmarshal(body, &b))
	said := b.Status.Execution + "/" + b.Status.Result.Finished
	switch {
	case a.status != "RUNNING":
		return http.StatusGone
	case kind == "deploymentBase" && (a.waits || a.cancel):
		return http.StatusNotFound
	case kind == "confirmationBase":
		said = b.Confirmation
		a.waits = b.Confirmation != "confirmed"
		a.details = b.Details
	case kind == "cancelAction" && said == "closed/success":
		a.status = "CANCELED"
	case kind == "cancelAction":
		a.cancel = false
	case said == "closed/success" || said == "closed/none":
		a.status, s.ask = "FINISHED", true
	case said == "closed/failure":
		a.status = "ERROR"
	}
	if kind == "deploymentBase" {
		a.details = b.Status.Details
	}
	s.log = append(s.log, strings.TrimSuffix(kind, "Base")+" "+a.id+" "+said)
	return http.StatusOK
}

// signer signs the manifests of tests.
var signer = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))

// assign gives the device an action with a module for each component, each to a
// version.
func (s *server) assign(id, version string, components ...string) *serverAction {
	a := &serverAction{id: id, status: "RUNNING", update: "forced", files: map[string][]byte{}}
	for i, c := range components {
		a.add(s.t, s.url, c, version, i)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.actions = append(s.actions, a)
	return a
}

func (a *serverAction) add(t *testing.T, at, component, version string, order int) {
	text := []byte(component + " " + version)
	manifest := &ota.Manifest{Product: "gw-200", Component: component, Type: ota.Module, Package: ota.Full,
		Target: version, Release: 1,
		Created: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		Files: []ota.File{{Name: component + ".bin", Size: int64(len(text)), SHA256: digest(text), Chunk: 512,
			Chunks: []ota.Digest{digest(text)}, Encoding: ota.Plain}}}
	payload, err := wire.EncodeManifest(manifest)
	require.NoError(t, err)
	envelope, err := wire.Sign(wire.ManifestType, payload, signer)
	require.NoError(t, err)
	sidecar, err := wire.EncodeEnvelope(envelope)
	require.NoError(t, err)
	a.files[component+".bin"], a.files[component+".ota-manifest"] = text, sidecar
	artifact := func(name string) any {
		sum := digest(a.files[name])
		return map[string]any{"filename": name, "size": len(a.files[name]), "hashes": map[string]any{
			"sha256": hex.EncodeToString(sum[:])}, "_links": map[string]any{
			"download-http": map[string]string{"href": at + "/DEFAULT/controller/v1/gw-0001/artifacts/" + name}}}
	}
	a.chunks = append(a.chunks, map[string]any{"part": "bApp", "name": component, "version": version,
		"artifacts": []any{artifact(component + ".bin"), artifact(component + ".ota-manifest")},
		"metadata":  []any{map[string]string{"key": "ota.order", "value": fmt.Sprint(order)}}})
}

func (s *server) said() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

// ServeHTTP answers over sockets.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.fail != nil {
		if status := s.fail(r); status != 0 {
			w.WriteHeader(status)
			return
		}
	}
	body := make([]byte, max(0, r.ContentLength))
	_, _ = r.Body.Read(body)
	status, text := s.answer(r.Method, r.URL.Path, body)
	w.WriteHeader(status)
	_, _ = w.Write(text)
}

func parse(t *testing.T, address string) *url.URL {
	u, err := url.Parse(address)
	require.NoError(t, err)
	return u
}
