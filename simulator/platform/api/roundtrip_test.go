package api_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/platform/api"
)

// TestPlanComesBack: a plan as GET gives it can be sent back by PUT, and stays the
// same.
func TestPlanComesBack(t *testing.T) {
	s := start(t)
	must[api.Package](s, "POST", "/packages?name=x", packageFile(t, "A", "2"))
	plan := must[api.PlanDetails](s, "POST", "/plans", planForm("Spring", `"black":["d1"]`))
	for _, fields := range []string{
		`{"push":false,"rejection_minutes":null}`,
		`{"push":true,"rejection_minutes":60,"push_hours":{"from":22,"to":2}}`,
		`{"mode":"manual","push":false,"rejection_minutes":null,"texts":[{"language":"en","text":"Better."}]}`,
		`{"mode":"manual","texts":[],"push_hours":null,"min_battery":30,"min_rssi":-95,"retries":0,"on_failure":"revert"}`,
		`{"white":["d2","d3"],"black":[],"time_zone":"Europe/Berlin","start":"2026-01-01T00:00:00.5Z"}`,
	} {
		form := map[string]any{}
		text, err := json.Marshal(plan)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &form))
		require.NoError(t, json.Unmarshal([]byte(fields), &form))
		text, err = json.Marshal(form)
		require.NoError(t, err)
		plan = must[api.PlanDetails](s, "PUT", "/plans/spring", string(text))
		shown, err := json.Marshal(must[api.PlanDetails](s, "GET", "/plans/spring", ""))
		require.NoError(t, err)
		assert.Equal(t, plan, must[api.PlanDetails](s, "PUT", "/plans/spring", string(shown)), fields)
	}
}
