package api_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/api"
)

// FuzzAPI sends anything to any handler: nothing crashes, every answer is one of
// the document's, none is the platform's own failure, and no file appears outside
// its directory.
func FuzzAPI(f *testing.F) {
	outside := f.TempDir()
	state := filepath.Join(outside, "state")
	p, err := platform.New(platform.Config{State: state})
	require.NoError(f, err)
	f.Cleanup(func() { p.Close() })
	s := &stand{t: f, platform: p, state: state, contract: readContract(f), seq: map[string]int{}}
	handler := api.New(api.Config{Platform: p})
	send := func(t testing.TB, method, path, kind, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "http://127.0.0.1/", strings.NewReader(body))
		at, err := r.URL.Parse(path)
		if err != nil || !strings.HasPrefix(at.Path, api.Root) {
			return nil
		}
		r.URL, r.Method = at, method
		r.Header.Set("Content-Type", kind)
		ctx, cancel := context.WithCancel(t.Context())
		if strings.HasSuffix(at.Path, "/events") {
			ctx, cancel = context.WithTimeout(t.Context(), streamTime)
		}
		defer cancel()
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r.WithContext(ctx))
		return w
	}
	pkg := packageFile(f, "A", "2")
	require.Equal(f, 201, send(f, "POST", api.Root+"/packages", "application/octet-stream", pkg).Code)
	require.Equal(f, 201, send(f, "POST", api.Root+"/plans", "application/json", planForm("p", "")).Code)
	require.Equal(f, 200, send(f, "POST", api.Root+"/plans/p/activate", "", "").Code)
	s.upgrades("p", "d", ota.UpgradeFailed)

	for _, name := range api.Routes() {
		method, path, _ := strings.Cut(name, " ")
		for _, id := range []string{"p", "d", "..%2f..%2fx", "%00", "verify-x-1"} {
			filled := strings.NewReplacer("{plan}", id, "{device}", id, "{package}", id, "{product}", id).Replace(path)
			f.Add(method, api.Root+filled, "application/json", `{"on":true,"device":"d","operation":"confirm","devices":["d"]}`)
		}
		f.Add(method, api.Root+path+"?status=upgraded&kind=plan&limit=1&offset=1&key=d&online=true&name=../x",
			"application/octet-stream", pkg)
	}
	f.Add(
		"POST", api.Root+"/plans", "application/json",
		planForm("q", `"white":["d"],"texts":[],"push_hours":{"from":1,"to":2}`),
	)
	f.Add("POST", api.Root+"/plans", "application/json", strings.Repeat(`{"components":[`, 5000))
	f.Add("PUT", api.Root+"/plans/p", "application/json", planForm("q", `"retries":1e999`))
	f.Fuzz(func(t *testing.T, method, path, kind, body string) {
		w := send(t, method, path, kind, body)
		if w == nil {
			return
		}
		assert.Less(t, w.Code, http.StatusInternalServerError, "%s %s: %s", method, path, w.Body)
		if w.Code >= 400 && method != http.MethodHead {
			s.contract.checkBody(t, "Problem", w.Body.Bytes())
		}
		entries, err := os.ReadDir(outside)
		require.NoError(t, err)
		require.Len(t, entries, 1, "something was written outside")
		inside, err := os.ReadDir(state)
		require.NoError(t, err)
		require.Len(t, inside, 2)
		packages, err := os.ReadDir(filepath.Join(state, "packages"))
		require.NoError(t, err)
		require.LessOrEqual(t, len(packages), 10)
	})
}

// streamTime is how long a fuzzed stream of events may go on.
const streamTime = 5 * time.Millisecond
