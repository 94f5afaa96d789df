package real_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator"
	"otafleet/simulator/model"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/hawkbit"
	"otafleet/simulator/platform/hawkbit/management"
	"otafleet/simulator/real"
	"otafleet/simulator/selection"
	target "otafleet/simulator/target/hawkbit"
)

// staging is a hawkBit on which a run is prepared; says changes what it answers of
// actions.
func staging(t *testing.T, says func(actions []byte) []byte) *real.World {
	t.Helper()
	service, err := platform.New(platform.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, service.Close()) })
	handler, err := hawkbit.New(service, hawkbit.Config{Sleep: time.Second, Targets: management.NewStore(time.Second),
		Operators: func(_, password string) bool { return password == "secret" }})
	require.NoError(t, err)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if says == nil || r.URL.Path != management.Root+"actions" {
			handler.ServeHTTP(w, r)
			return
		}
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r)
		_, _ = w.Write(says(answer.Body.Bytes()))
	}))
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	operator, err := target.New(target.Config{URL: u, User: "admin", Password: "secret"})
	require.NoError(t, err)
	return &real.World{HawkBit: &real.Staging{Operator: operator, Name: "ota-sim-test"}}
}

// A hawkBit that believes something else than the devices have reported fails the run,
// which names it.
func TestStagedDisagreement(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{"error": "is error, and the device has reported upgraded",
		"running": "is running, and the device has reported upgraded"} {
		t.Run(said, func(t *testing.T) {
			t.Parallel()
			world := staging(t, func(actions []byte) []byte {
				return bytes.ReplaceAll(actions, []byte(`"status":"finished"`), []byte(`"status":"`+said+`"`))
			})
			v, err := simulator.Simulate(t.Context(), world,
				simulator.Options{Scenario: parse(t, base), Dialect: model.HawkBit})
			require.NoError(t, err)
			assert.False(t, v.Held)
			assert.Equal(t, 20, v.Figures.Violations)
			text := strings.Join(v.Figures.FirstViolations(), "\n")
			assert.Contains(t, text, want)
			assert.Contains(t, text, "of plan spring")
		})
	}
}

// What a run does not prepare on a hawkBit is refused before anything is made there.
func TestNotStaged(t *testing.T) {
	t.Parallel()
	world := staging(t, nil)
	for text, want := range map[string]string{
		base + "    ends: 1m\n": "plans.spring.ends",
		site:                    "fleet sensor, behind",
		base + "events: [{at: 1s, do: terminate_plan, plan: spring}]\n": "needs the simulator's own platform",
	} {
		s := parse(t, text)
		err := world.Validate(&simulator.Options{Scenario: s, Devices: pick(t, s, selection.Shard{}), Dialect: model.HawkBit})
		require.ErrorContains(t, err, want)
	}
}
