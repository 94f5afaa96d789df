package hawkbit_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"otafleet/simulator/platform/engine"
	"otafleet/simulator/platform/hawkbit"
)

// Whatever devices ask and say, line by line as "METHOD path body", the handler
// answers by its own rules, and the ledger gets nothing that the status table forbids.
func FuzzHandler(f *testing.F) {
	const feedback = `/feedback {"status":{"execution":"%E","result":{"finished":"%F"},"details":["%D"]}}`
	said := func(action, execution, finished, details string) string {
		words := strings.NewReplacer("%E", execution, "%F", finished, "%D", details)
		return "POST " + action + words.Replace(feedback) + "\n"
	}
	const config = `PUT /configData {"data":{"product":"gw-200","version.app":"1.0","version.motor":"1.0"}}` + "\nGET \n"
	const one, two = "/deploymentBase/1001", "/deploymentBase/1002"
	f.Add(config + "GET " + one + "\n" + said(one, "closed", "success", ""))
	f.Add(config + said(one, "download", "none", "app: downloading") + said(one, "proceeding", "none", "app: runs 2.0") +
		said(one, "closed", "failure", "motor: upgrade_failed (boot_failed: no); runs 1.0"))
	f.Add(config + said(one, "closed", "failure", "app: download_failed (http_error); runs 1.0") +
		said(two, "closed", "failure", "refused: declined"))
	f.Add(config + said(one, "closed", "failure", "app: upgrade_failed (reverted: x); runs 1.0") +
		said(two, "canceled", "none", ""))
	f.Add(config + said(one, "rejected", "none", "refused: battery_low: 3") +
		"END\n" + said("/cancelAction/1001", "closed", "success", ""))
	f.Add(config + said(one, "downloaded", "success", "motor: x") +
		"END\n" + said("/cancelAction/1001", "rejected", "none", "") +
		said(one, "proceeding", "none", "motor: installing") + said(one, "closed", "none", ""))
	f.Add(`POST /confirmationBase/1001/feedback {"confirmation":"confirmed"}` +
		"\nGET /softwaremodules/a/artifacts/b.MD5SUM\n")
	f.Fuzz(func(t *testing.T, script string) {
		if len(script) > 1<<13 {
			return // it says nothing more
		}
		x := newFixture(t, hawkbit.Config{})
		x.offer(engine.PlanSpec{ID: "p", Retries: 1}, "2.0", "app", "motor")
		for line := range strings.Lines(script) {
			x.plays(strings.TrimSuffix(line, "\n"))
		}
		require.Empty(t, x.faults)
	})
}

// plays makes the request of a line; END ends the plan for the device.
func (f *fixture) plays(line string) {
	method, rest, _ := strings.Cut(line, " ")
	path, body, _ := strings.Cut(rest, " ")
	if method == "END" {
		_ = f.platform.Command(engine.Abandon{Plan: "p", Device: key}) // it may be over
		return
	}
	r, err := http.NewRequest(method, "http://ota.test"+base+path, strings.NewReader(body))
	if err != nil {
		return
	}
	w := &answered{header: http.Header{}}
	f.handler.ServeHTTP(w, r)
	require.NotEqual(f.t, http.StatusInternalServerError, w.status, "%s", w.body)
	if w.status >= http.StatusBadRequest && w.status != http.StatusRequestedRangeNotSatisfiable {
		require.True(f.t, json.Valid(w.body), "%s", w.body)
	}
}

// answered keeps an answer.
type answered struct {
	header http.Header
	status int
	body   []byte
}

func (a *answered) Header() http.Header { return a.header }

func (a *answered) WriteHeader(status int) { a.status = status }

func (a *answered) Write(p []byte) (int, error) {
	a.body = append(a.body, p...)
	return len(p), nil
}
