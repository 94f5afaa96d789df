package api_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/api"
)

// TestWholeRollout plays the operator's day, and at its end every operation of
// docs/openapi.yaml has been used and answered as it says.
func TestWholeRollout(t *testing.T) {
	s := start(t)
	p := must[api.Package](s, "POST", "/packages?name=spring+system&remarks=with+love", packageFile(t, "A", "2"))
	assert.Equal(t, "spring system", p.Name)
	assert.Equal(t, "A.bin", p.Files[0].Name)
	assert.FileExists(t, filepath.Join(s.state, "packages", p.ID+".ota"))
	assert.Equal(t, p, must[api.Packages](s, "GET", "/packages", "").Packages[0])

	s.asks("tester", "1")
	checked := must[api.Package](s, "POST", "/packages/"+p.ID+"/verify", `{"device":"tester"}`)
	assert.Equal(t, "verifying", checked.Verification.Outcome)
	s.upgrades(verificationPlan(p.ID), "tester", ota.UpgradeSucceeded)
	checked = must[api.Package](s, "GET", "/packages/"+p.ID, "")
	assert.True(t, checked.Verified)
	assert.Equal(t, "succeeded", checked.Verification.Outcome)
	assert.Equal(t, "upgraded", checked.Verification.Details.Status)

	plan := must[api.PlanDetails](s, "POST", "/plans", planForm("Spring 2026", `"black":["tester"]`))
	assert.Equal(t, "spring-2026", plan.ID)
	assert.Equal(t, "inactivated", plan.Status)
	assert.Equal(t, 5, plan.Retries)
	assert.Equal(t, 120, *plan.RejectionMinutes)
	assert.Equal(t, p.ID, plan.Components[0].PackageID)
	plan = must[api.PlanDetails](
		s, "PUT", "/plans/spring-2026",
		planForm("Spring!", `"black":["tester"],"retries":0,"push_hours":{"from":0,"to":24}`),
	)
	assert.Equal(t, "Spring!", plan.Name)
	assert.Equal(t, 0, plan.Retries)
	must[api.PlanDetails](s, "POST", "/plans/spring-2026/activate", "")
	must[api.PlanDetails](s, "POST", "/plans/spring-2026/suspend", "")
	must[api.PlanDetails](s, "POST", "/plans/spring-2026/resume", "")

	for key, end := range map[string]ota.Status{"gw-1": ota.UpgradeSucceeded, "gw-2": ota.UpgradeSucceeded,
		"gw-3": ota.UpgradeFailed} {
		s.upgrades("spring-2026", key, end)
	}
	s.asks("gw-4", "2")
	s.says("gw-5", &ota.Offline{})
	plans := must[api.Plans](s, "GET", "/plans", "")
	assert.Equal(t,
		api.Counts{NotUpgraded: 1, Upgraded: 2, UpgradeFailed: 1, NoUpdateRequired: 1, Total: 5, SuccessRate: 66.67},
		plans.Plans[0].Devices)
	assert.Equal(t, plans.Plans[0].Devices, plans.Totals)

	table := must[api.Devices](s, "GET", "/plans/spring-2026/devices?status=upgraded&online=true&key=gw-&limit=1&offset=1",
		"")
	assert.Equal(t, 2, table.Total)
	assert.Len(t, table.Devices, 1)
	_, csv := s.call("GET", "/plans/spring-2026/devices.csv?status=upgrade_failed", "")
	lines := strings.Split(strings.TrimSpace(csv), "\n")
	assert.Equal(t,
		"DeviceKey,Upgrade start time,Upgrade end time,Upgrade status,Device online status,Attempt,Failure,Earlier failure",
		lines[0])
	assert.Regexp(t, `^gw-3,\d.*Z,\d.*Z,Upgrade Failed,Online,1,A: boot_failed: no sign of life \(attempt 1\),$`, lines[1])
	assert.Equal(t, "upgrading", must[api.PlanDetails](s, "GET", "/plans/spring-2026", "").Status)
	assert.NotEmpty(t, must[api.Series](s, "GET", "/plans/spring-2026/series", "").Samples)

	device := must[api.DeviceDetails](s, "GET", "/plans/spring-2026/devices/gw-3", "")
	assert.Equal(t, &api.FieldCause{Code: "boot_failed", Detail: "no sign of life"}, device.Components[0].Error)
	assert.True(t, device.Retry.Allowed)
	retried := must[api.Retried](s, "POST", "/plans/spring-2026/retry", `{"devices":["gw-1","gw-3","nobody"]}`)
	assert.Equal(t, 1, retried.Retried)
	assert.Equal(t,
		[]api.FieldError{{Field: "gw-1", Reason: "it has not failed"}, {Field: "nobody", Reason: "it is not known"}},
		retried.Refused)
	assert.Equal(t, "it has not failed",
		must[api.DeviceDetails](s, "GET", "/plans/spring-2026/devices/gw-1", "").Retry.Reason)
	s.refused(409, "POST", "/plans/spring-2026/devices/gw-1/retry", "")

	must[api.PlanDetails](s, "POST", "/plans/spring-2026/terminate", "")
	s.refused(409, "POST", "/plans/spring-2026/activate", "")
	s.refused(409, "DELETE", "/plans/spring-2026", "")
	s.manualPlan()
	s.fleet()
	s.deletions(p.ID)
	reports := must[api.Platform](s, "GET", "/platform", "").Reports
	assert.Zero(t, reports["illegal"]+reports["conflicting"]+reports["unknown"], "%v", reports)
	s.firstEvents()

	for pattern := range s.contract.at("paths") {
		for method := range s.contract.at("paths", pattern) {
			if name := strings.ToUpper(method) + " " + pattern; method != "parameters" {
				assert.True(t, s.contract.seen[name], "%s is never used", name)
			}
		}
	}
}

func verificationPlan(id string) string { return "verify-" + id + "-1" }

// manualPlan lets users answer.
func (s *stand) manualPlan() {
	text := `"mode":"manual","texts":[{"language":"en","text":"Better in every way."}]`
	must[api.PlanDetails](s, "POST", "/plans", strings.Replace(planForm("by hand", ""), `"mode":"silent"`, text, 1))
	must[api.PlanDetails](s, "POST", "/plans/by-hand/activate", "")
	s.asks("gw-6", "1")
	start, end := time.Now().
		UTC().
		Add(time.Hour).
		Format(time.RFC3339),
		time.Now().
			UTC().
			Add(3*time.Hour).
			Format(time.RFC3339)
	d := must[api.DeviceDetails](
		s, "POST", "/plans/by-hand/devices/gw-6/answer", `{"operation":"appoint","start":"`+start+`","end":"`+end+`"}`,
	)
	assert.Equal(s.t, start, d.User.Start.Format(time.RFC3339))
	d = must[api.DeviceDetails](s, "POST", "/plans/by-hand/devices/gw-6/answer", `{"operation":"confirm"}`)
	assert.True(s.t, d.User.Confirmed)
	assert.True(s.t, must[api.Switch](s, "PUT", "/products/gw/devices/gw-6/auto-confirm", `{"on":true}`).On)
	assert.True(s.t, must[api.DeviceDetails](s, "GET", "/plans/by-hand/devices/gw-6", "").AutoConfirm)
	d = must[api.DeviceDetails](s, "POST", "/plans/by-hand/devices/gw-6/answer", `{"operation":"cancel"}`)
	assert.Equal(s.t, "upgrade_failed", d.Status)
	d = must[api.DeviceDetails](s, "POST", "/plans/by-hand/devices/gw-6/answer", `{"operation":"retry"}`)
	assert.Equal(s.t, "not_upgraded", d.Status)
	s.says("gw-6", &ota.Offline{})
	must[api.DeviceDetails](s, "POST", "/plans/by-hand/devices/gw-6/answer", `{"operation":"cancel"}`)
	s.refused(409, "POST", "/plans/by-hand/retry", `{}`)
	s.refused(404, "POST", "/plans/by-hand/devices/nobody/answer", `{"operation":"confirm"}`)
	s.refused(404, "PUT", "/products/gw/devices/nobody/auto-confirm", `{"on":true}`)
	s.refused(409, "POST", "/plans/by-hand/devices/gw-6/answer", `{"operation":"dance"}`)
}

// deletions take away what is not needed, and nothing else.
func (s *stand) deletions(needed string) {
	s.refused(409, "DELETE", "/packages/"+needed, "")
	outside := s.refused(422, "POST", "/packages", packageFile(s.t, "B", "../../1"))
	assert.Equal(
		s.t, []api.FieldError{{Field: "target", Reason: `target "../../1": must be letters, digits, _, - and .`}},
		outside.Errors,
	)
	p := must[api.Package](s, "POST", "/packages", packageFile(s.t, "B", "1"))
	must[api.PlanDetails](s, "POST", "/plans", planForm("draft", ""))
	must[any](s, "DELETE", "/plans/draft", "")
	must[any](s, "DELETE", "/packages/"+p.ID, "")
	s.refused(404, "GET", "/packages/"+p.ID, "")
	assert.NoFileExists(s.t, filepath.Join(s.state, "packages", p.ID+".ota"))
	must[api.PlanDetails](s, "POST", "/plans", planForm("retrying", ""))
	must[api.PlanDetails](s, "POST", "/plans/retrying/activate", "")
	s.platformRetry()
}

// platformRetry tries one device again.
func (s *stand) platformRetry() {
	must[api.PlanDetails](s, "POST", "/plans/by-hand/terminate", "")
	s.upgrades("retrying", "gw-9", ota.UpgradeFailed)
	for n := 2; n <= 6; n++ {
		s.reports("retrying", "gw-9", ota.ReadyToDownload, ota.Downloading, ota.DownloadSucceeded, ota.Upgrading,
			ota.UpgradeFailed)
	}
	d := must[api.DeviceDetails](s, "POST", "/plans/retrying/devices/gw-9/retry", "")
	assert.NotEqual(s.t, "upgrade_failed", d.Status)
	assert.Equal(s.t, 7, d.Attempt)
	d = must[api.DeviceDetails](s, "POST", "/plans/retrying/devices/gw-9/end", "")
	assert.Equal(s.t, "upgrade_failed", d.Status)
}

// firstEvents reads the beginning of the stream.
func (s *stand) firstEvents() {
	r, err := http.NewRequestWithContext(s.t.Context(), "GET",
		s.server.URL+api.Root+"/events?kind=plan,device,report,decision&device=gw-7", nil)
	require.NoError(s.t, err)
	answer, err := http.DefaultClient.Do(r)
	require.NoError(s.t, err)
	defer answer.Body.Close()
	assert.Equal(s.t, "text/event-stream", answer.Header.Get("Content-Type"))
	s.contract.check(s.t, "GET", "/events", answer.StatusCode, answer.Header, nil)
	schemas := map[string]string{
		"plan": "Plan", "device": "DeviceEvent", "report": "ReportEvent", "decision": "DecisionEvent",
	}
	seen := map[string]int{}
	lines := bufio.NewScanner(answer.Body)
	kind := ""
	for len(seen) < len(schemas) || seen["plan"] < 4 {
		require.True(s.t, lines.Scan(), "the stream ended: %v", seen)
		if k, is := strings.CutPrefix(lines.Text(), "event: "); is {
			kind = k
		}
		if data, is := strings.CutPrefix(lines.Text(), "data: "); is {
			s.contract.checkBody(s.t, schemas[kind], []byte(data))
			seen[kind]++
			if seen["plan"] == 3 && kind == "plan" {
				s.upgrades("retrying", "gw-7", ota.UpgradeFailed)
			}
		}
	}
}

func TestRoutesAndContractAreTheSame(t *testing.T) {
	c := readContract(t)
	documented := map[string]bool{}
	for pattern := range c.at("paths") {
		for method := range c.at("paths", pattern) {
			if method != "parameters" {
				documented[strings.ToUpper(method)+" "+pattern] = true
			}
		}
	}
	served := map[string]bool{}
	for _, name := range api.Routes() {
		served[name] = true
	}
	assert.Equal(t, documented, served)
}

func TestProblemsNameTheFields(t *testing.T) {
	s := start(t)
	must[api.Package](s, "POST", "/packages", packageFile(t, "A", "2"))
	for _, c := range []struct {
		body   string
		status int
		field  string
	}{
		{planForm("", ""), 422, "name"},
		{planForm("x", `"retries":6`), 422, "retries"},
		{planForm("x", `"min_rssi":-114`), 422, "min_rssi"},
		{planForm("x", `"min_battery":101`), 422, "min_battery"},
		{planForm("x", `"rejection_minutes":9`), 422, "rejection_minutes"},
		{planForm("x", `"rejection_minutes":9223372036854775807`), 422, "rejection_minutes"},
		{planForm("x", `"push_hours":{"from":3,"to":3}`), 422, "push_hours"},
		{planForm("x", `"time_zone":"../../etc/passwd"`), 422, "time_zone"},
		{planForm("x", `"time_zone":"Local"`), 422, "time_zone"},
		{planForm("x", `"start":"tomorrow"`), 422, "start"},
		{planForm("x", `"white":["a/b"]`), 422, "white[0]"},
		{planForm("x", `"id":"../x"`), 422, "id"},
		{planForm("x", `"texts":[{"language":"en","text":"x"}]`), 422, "texts"},
		{planForm("x", `"components":[]`), 422, "components"},
		{planForm("x", `"components":[{"id":"A","type":"module","package":"full","target":"9"}]`), 422,
			"components[0].target"},
		{planForm("x", `"components":[{"id":"A","type":"module","package":"delta","target":"2"}]`), 422,
			"components[0].sources"},
		{planForm("x", `"retries":"five"`), 400, "retries"},
		{planForm("x", `"components":[{"id":7}]`), 400, "components.id"},
	} {
		p := s.refused(c.status, "POST", "/plans", c.body)
		require.NotEmpty(t, p.Errors, "%s: %s", c.body, p.Detail)
		assert.Equal(t, c.field, p.Errors[0].Field, "%s", c.body)
	}
	for _, body := range []string{`{`, `{}{}`, `{"nmae":"x"}`, `{"name":"\u0000"`} {
		s.refused(400, "POST", "/plans", body)
	}
	status, _ := s.send("POST", "/plans", "text/plain", strings.NewReader("{}"))
	assert.Equal(t, 415, status)
	s.refused(413, "POST", "/plans", `{"name":"`+strings.Repeat("x", 17<<20)+`"}`)
	s.refused(405, "PATCH", "/plans", `{}`)
	s.refused(404, "GET", "/nothing", "")
	s.refused(404, "GET", "/plans/x", "")
	s.refused(422, "GET", "/events?kind=gossip", "")
	must[api.PlanDetails](s, "POST", "/plans", planForm("p", ""))
	for field, query := range map[string]string{"status": "status=odd", "online": "online=maybe", "limit": "limit=0",
		"offset": "offset=-1", "key": "key=" + strings.Repeat("x", 65)} {
		assert.Equal(t, field, s.refused(422, "GET", "/plans/p/devices?"+query, "").Errors[0].Field)
	}
	assert.Equal(t, "id", s.refused(422, "POST", "/plans", planForm("P!", "")).Errors[0].Field,
		"an id made of the name is taken")
}

func TestUploadsAreChecked(t *testing.T) {
	s := start(t)
	good := packageFile(t, "A", "2")
	at := strings.Index(good, "A 2 A 2")
	require.Positive(t, at)
	for _, c := range []struct {
		what, body string
		status     int
	}{
		{"nothing", "", 422},
		{"not a package", "hello", 422},
		{"cut", good[:len(good)/2], 422},
		{"another byte", good[:at] + "X" + good[at+1:], 422},
	} {
		p := s.refused(c.status, "POST", "/packages", c.body)
		assert.Equal(t, "file", p.Errors[0].Field, c.what)
		assert.NotContains(t, p.Detail, s.state, "no path of the machine")
	}
	must[api.Package](s, "POST", "/packages?name=x", good)
	s.refused(422, "POST", "/packages?name=y", good)
	assert.Equal(t, "name", s.refused(422, "POST", "/packages?name=x", packageFile(t, "B", "1")).Errors[0].Field)
	s.refused(422, "POST", "/packages?remarks="+strings.Repeat("x", 201), packageFile(t, "B", "1"))
	status, _ := s.send("POST", "/packages", "application/json", strings.NewReader(good))
	assert.Equal(t, 415, status)
	entries, err := os.ReadDir(filepath.Join(s.state, "packages"))
	require.NoError(t, err)
	assert.Len(t, entries, 1, "what was refused is gone")
}

func TestGuard(t *testing.T) {
	for address, token := range map[string]string{"0.0.0.0:80": "", "192.0.2.1:80": "", ":80": "", "127.0.0.1:80": "short",
		"nonsense": ""} {
		_, err := api.NewGuard(address, token)
		assert.Error(t, err, address)
	}
	const token = "correct horse battery"
	open, err := api.NewGuard("127.0.0.1:80", "")
	require.NoError(t, err)
	closed, err := api.NewGuard("0.0.0.0:80", token)
	require.NoError(t, err)
	for _, c := range []struct {
		what   string
		guard  *api.Guard
		method string
		host   string
		header map[string]string
		passes bool
	}{
		{"by address", open, "GET", "127.0.0.1:80", nil, true},
		{"by name", open, "POST", "localhost:80", nil, true},
		{"by a name of the internet", open, "GET", "evil.example:80", nil, false},
		{"from another site", open, "POST", "127.0.0.1:80", map[string]string{"Sec-Fetch-Site": "cross-site"}, false},
		{"from another origin", open, "POST", "127.0.0.1:80", map[string]string{"Origin": "http://evil.example"}, false},
		{"from the page itself", open, "POST", "127.0.0.1:80", map[string]string{"Sec-Fetch-Site": "same-origin"}, true},
		{"reading from another site", open, "GET", "127.0.0.1:80", map[string]string{"Sec-Fetch-Site": "cross-site"}, true},
		{"without the token", closed, "GET", "ota.example", nil, false},
		{"with the token", closed, "GET", "ota.example", map[string]string{"Authorization": "Bearer " + token}, true},
		{"with the scheme in lower case", closed, "GET", "ota.example", map[string]string{"Authorization": "bearer  " +
			token}, true},
		{"with another scheme", closed, "GET", "ota.example", map[string]string{"Authorization": "Basic " + token}, false},
		{"with another", closed, "GET", "ota.example", map[string]string{"Authorization": "Bearer guess"}, false},
		{"with a made-up cookie", closed, "GET", "ota.example", map[string]string{"Cookie": "ota-sim-session=x"}, false},
	} {
		r, err := http.NewRequest(c.method, "http://"+c.host+"/", nil)
		require.NoError(t, err)
		for k, v := range c.header {
			r.Header.Set(k, v)
		}
		assert.Equal(t, c.passes, c.guard.Check(r) == nil, c.what)
	}
}

func TestProblemHasNoSecrets(t *testing.T) {
	p := api.ProblemOf(&os.PathError{Op: "open", Path: "/secret/place", Err: os.ErrPermission})
	text, err := json.Marshal(p)
	require.NoError(t, err)
	assert.Equal(t, 500, p.Status)
	assert.NotContains(t, string(text), "secret")
}
