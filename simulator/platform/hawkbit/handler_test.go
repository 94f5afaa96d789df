package hawkbit_test

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/internal/wire"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/platform/hawkbit"
)

const success = "plan_received, upgrade_confirmed, ready_to_download, downloading, download_succeeded, upgrading, " +
	"upgrade_succeeded"

// of is the trail of one component.
func (f *fixture) of(component string) string {
	var steps []string
	for _, s := range f.trail {
		if step, is := strings.CutPrefix(s, component+" "); is {
			steps = append(steps, step)
		}
	}
	return strings.Join(steps, ", ")
}

func TestDeviceThatClosesAlone(t *testing.T) {
	for _, finished := range []string{"success", "none"} {
		f := newFixture(t, hawkbit.Config{})
		f.offer(engine.PlanSpec{ID: "p"}, "2.0", "app", "motor")
		assert.Equal(t, map[string]string{"configData": "/configData"}, f.links())
		action := f.begins()
		assert.Equal(t, "/deploymentBase/1001", action)
		assert.Equal(t, http.StatusOK, f.says(action, "closed", finished))
		assert.Equal(t, success, f.of("app"))
		assert.Equal(t, success, f.of("motor"))
		assert.Equal(t, ota.DeviceUpgraded, f.status("p"))
		assert.Equal(t, http.StatusGone, f.says(action, "closed", finished))
		assert.Equal(
			t,
			map[string]string{"configData": "/configData"},
			f.links(),
			"after a success the attributes are wanted",
		)
		assert.Empty(t, f.faults)
	}
}

func TestStepsOfOurAgent(t *testing.T) {
	f := newFixture(t, hawkbit.Config{})
	f.offer(engine.PlanSpec{ID: "p"}, "2.0", "app", "motor")
	action := f.begins()
	for _, said := range [][]string{
		{"scheduled", "none", "accepted"}, {"download", "none", "app: downloading"},
		{"downloaded", "none", "app: downloaded and verified"},
		{"proceeding", "none", "app: installing; 1.0 ran before"}, {"proceeding", "none", "app: runs 2.0"},
		{"proceeding", "none", "motor: installing; 1.0 ran before"},
		{"closed", "failure", "app: runs 2.0", "motor: upgrade_failed (health_check_failed: it said (no); runs 3); runs 1.0"},
	} {
		require.Equal(t, http.StatusOK, f.says(action, said[0], said[1], said[2:]...))
	}
	assert.Equal(t, success, f.of("app"))
	assert.Equal(t, "plan_received, upgrade_confirmed, ready_to_download, downloading, download_succeeded, upgrading, "+
		"upgrade_failed health_check_failed: it said (no); runs 3", f.of("motor"))
	assert.Equal(t, ota.DeviceUpgradeFailed, f.status("p"))
	assert.Empty(t, f.faults)
}

func TestFailureIsTriedAgainAsAnotherAction(t *testing.T) {
	f := newFixture(t, hawkbit.Config{})
	f.offer(engine.PlanSpec{ID: "p", Retries: 1}, "2.0", "app", "motor")
	action := f.begins()
	require.Equal(
		t,
		http.StatusOK,
		f.says(action, "closed", "failure", "app: download_failed (http_error: 503); runs 1.0"),
	)
	assert.Equal(t, "plan_received, upgrade_confirmed, ready_to_download, download_failed http_error: 503", f.of("app"))
	assert.Equal(t, "plan_received, upgrade_confirmed, upgrade_failed skipped", f.of("motor"))
	again := f.polls()
	assert.Equal(t, "/deploymentBase/1002", again)
	assert.Equal(t, http.StatusGone, f.says(action, "proceeding", "none"))
	require.Equal(t, http.StatusOK, f.says(again, "closed", "success"))
	assert.Equal(t, ota.DeviceUpgraded, f.status("p"))
	assert.Empty(t, f.faults)
}

// A device that says nothing of components fails in all of them.
func TestFailureWithoutNames(t *testing.T) {
	f := newFixture(t, hawkbit.Config{})
	f.offer(engine.PlanSpec{ID: "p"}, "2.0", "app")
	action := f.begins()
	require.Equal(t, http.StatusOK, f.says(action, "proceeding", "none", "Installing Update Chunk Artifacts."))
	require.Equal(t, http.StatusOK, f.says(action, "closed", "failure", "No suitable .swu image found"))
	assert.Equal(
		t,
		"plan_received, upgrade_confirmed, upgrade_failed installer_failed: No suitable .swu image found",
		f.of("app"),
	)
	assert.Empty(t, f.faults)
}

func TestRefusals(t *testing.T) {
	f := newFixture(t, hawkbit.Config{})
	f.offer(engine.PlanSpec{ID: "p", Retries: 5}, "2.0", "app")
	action := f.begins()
	require.Equal(t, http.StatusOK, f.says(action, "rejected", "none", "refused: battery_low: 12 %"))
	require.Len(t, f.decided, 1)
	assert.Equal(t, ota.ReasonBattery, f.decided[0].Reason)
	assert.Equal(t, "12 %", f.decided[0].Detail)
	assert.Equal(t, action, f.polls(), "it stays open")
	require.Equal(t, http.StatusOK, f.says(action, "closed", "failure", "refused: declined: not today"))
	assert.Equal(t, ota.DeviceUpgradeFailed, f.status("p"))
	assert.Empty(t, f.polls())
	f.order(engine.RetryDevices{Plan: "p"})
	assert.Equal(t, "/deploymentBase/1002", f.polls())
	assert.Empty(t, f.faults)
}

func TestCancel(t *testing.T) {
	f := newFixture(t, hawkbit.Config{})
	f.offer(engine.PlanSpec{ID: "p"}, "2.0", "app")
	action := f.begins()
	assert.Equal(
		t,
		http.StatusMethodNotAllowed,
		f.says("/cancelAction/1001", "closed", "success"),
		"nothing is being cancelled",
	)
	require.Equal(t, http.StatusOK, f.says(action, "download", "none"))
	f.order(engine.Abandon{Plan: "p", Device: key})
	cancel := f.polls()
	assert.Equal(t, "/cancelAction/1001", cancel)
	assert.JSONEq(t, `{"id":"1001","cancelAction":{"stopId":"1001"}}`, f.ask(http.MethodGet, cancel, "").Body.String())
	assert.Equal(t, http.StatusNotFound, f.ask(http.MethodGet, action, "").Code)
	assert.Equal(t, http.StatusNotFound, f.says(action, "proceeding", "none"))
	require.Equal(t, http.StatusOK, f.says(cancel, "proceeding", "none"))
	require.Equal(t, http.StatusOK, f.says(cancel, "rejected", "none"))
	assert.Equal(t, action, f.polls(), "it goes on")
	require.Equal(t, http.StatusOK, f.says(action, "closed", "success"))
	assert.Equal(t, success, f.of("app"))
	assert.Equal(t, http.StatusGone, f.says(cancel, "closed", "success"))
	assert.Empty(t, f.faults)
}

func TestCancelOfWhatWasNotAccepted(t *testing.T) {
	f := newFixture(t, hawkbit.Config{})
	f.offer(engine.PlanSpec{ID: "p"}, "2.0", "app")
	f.begins()
	f.order(engine.Terminate{Plan: "p"})
	cancel := f.polls()
	assert.Equal(t, "/cancelAction/1001", cancel)
	require.Equal(t, http.StatusOK, f.says(cancel, "closed", "success"))
	assert.Equal(t, "plan_received, upgrade_failed plan_terminated", f.of("app"))
	assert.Empty(t, f.polls())
}

func TestUserConfirms(t *testing.T) {
	f := newFixture(t, hawkbit.Config{})
	f.offer(engine.PlanSpec{ID: "p", Mode: ota.Manual}, "2.0", "app")
	f.tells("1.0")
	waiting := f.polls()
	assert.Equal(t, "/confirmationBase/1001", waiting)
	w := f.ask(http.MethodGet, waiting, "")
	assert.Contains(t, w.Body.String(), `"confirmation":{"download":"forced"`)
	assert.Equal(t, http.StatusNotFound, f.says("/deploymentBase/1001", "closed", "success"))
	answers := func(word string) int {
		return f.ask(http.MethodPost, waiting+"/feedback", `{"confirmation":"`+word+`","details":["why"]}`).Code
	}
	assert.Equal(t, http.StatusBadRequest, answers("perhaps"))
	assert.Equal(t, http.StatusOK, answers("denied"))
	assert.Equal(t, waiting, f.polls(), "it goes on waiting")
	assert.Equal(t, http.StatusOK, answers("confirmed"))
	assert.Equal(t, "/deploymentBase/1001", f.polls())
	assert.Equal(t, http.StatusNotFound, answers("confirmed"), "it does not wait")
	require.Equal(t, http.StatusOK, f.says("/deploymentBase/1001", "closed", "success"))
	assert.Equal(t, http.StatusGone, answers("confirmed"))
	assert.Equal(t, success, f.of("app"))
	assert.Empty(t, f.faults)
}

func TestAutoConfirm(t *testing.T) {
	f := newFixture(t, hawkbit.Config{})
	f.offer(engine.PlanSpec{ID: "p", Mode: ota.Manual}, "2.0", "app")
	f.tells("1.0")
	assert.Contains(t, f.ask(http.MethodGet, "/confirmationBase", "").Body.String(), `"active":false`)
	assert.Equal(t, http.StatusOK, f.ask(http.MethodPost, "/confirmationBase/activateAutoConfirm", "").Code)
	assert.Equal(t, http.StatusConflict, f.ask(http.MethodPost, "/confirmationBase/activateAutoConfirm", "{}").Code)
	assert.Contains(t, f.ask(http.MethodGet, "/confirmationBase", "").Body.String(), `"active":true`)
	assert.Equal(t, "/deploymentBase/1001", f.polls())
	assert.Equal(t, http.StatusOK, f.ask(http.MethodPost, "/confirmationBase/deactivateAutoConfirm", "").Code)
}

// A device that says nothing of its versions gets what there is, once.
func TestDeviceWithoutVersions(t *testing.T) {
	f := newFixture(t, hawkbit.Config{Product: product})
	f.offer(engine.PlanSpec{ID: "p"}, "2.0", "app")
	require.Equal(
		t,
		http.StatusOK,
		f.ask(http.MethodPut, "/configData", `{"id":"","time":"x","status":{"execution":"closed"},"data":{}}`).Code,
	)
	action := f.polls()
	require.Equal(t, http.StatusOK, f.says(action, "closed", "success"))
	require.Equal(t, http.StatusOK, f.ask(http.MethodPut, "/configData", `{"data":{}}`).Code)
	assert.Empty(t, f.polls())
	assert.Equal(t, ota.DeviceUpgraded, f.status("p"))
}

func TestDocumentAndArtifacts(t *testing.T) {
	f := newFixture(t, hawkbit.Config{Sleep: 90 * time.Second})
	assert.Contains(t, f.ask(http.MethodGet, "", "").Body.String(), `"sleep":"00:01:30"`)
	f.offer(engine.PlanSpec{ID: "p"}, "2.0", "motor", "app")
	action := f.begins()
	var doc struct {
		Deployment struct {
			Chunks []struct {
				Part, Name, Version string
				Metadata            []struct{ Key, Value string }
				Artifacts           []struct {
					Filename string
					Size     int
					Hashes   map[string]string
					Links    map[string]struct{ Href string } `json:"_links"`
				}
			}
		}
	}
	require.NoError(t, json.Unmarshal(f.ask(http.MethodGet, action, "").Body.Bytes(), &doc))
	require.Len(t, doc.Deployment.Chunks, 2)
	c := doc.Deployment.Chunks[1]
	assert.Equal(t, "bApp app 2.0", c.Part+" "+c.Name+" "+c.Version)
	assert.Equal(t, "ota.order 1", c.Metadata[0].Key+" "+c.Metadata[0].Value)
	require.Len(t, c.Artifacts, 2)
	fetch := func(i int, suffix string, headers ...string) (int, string) {
		path := strings.TrimPrefix(c.Artifacts[i].Links["download-http"].Href, "http://ota.test"+base)
		w := f.ask(http.MethodGet, path+suffix, "", headers...)
		return w.Code, w.Body.String()
	}
	status, content := fetch(0, "")
	assert.Equal(t, http.StatusOK, status)
	assert.Len(t, content, c.Artifacts[0].Size)
	sum := sha1.Sum([]byte(content))
	assert.Equal(t, hex.EncodeToString(sum[:]), c.Artifacts[0].Hashes["sha1"])
	status, part := fetch(0, "", "Range", "bytes=5-14")
	assert.Equal(t, http.StatusPartialContent, status)
	assert.Equal(t, content[5:15], part)
	status, _ = fetch(0, "", "Range", "bytes=99999999-")
	assert.Equal(t, http.StatusRequestedRangeNotSatisfiable, status)
	_, digest := fetch(0, ".MD5SUM")
	assert.Equal(t, c.Artifacts[0].Hashes["md5"]+"  app.img", digest)
	assert.Equal(t, "app"+wire.SidecarSuffix, c.Artifacts[1].Filename)
	_, manifest := fetch(1, "")
	_, err := wire.DecodeEnvelope([]byte(manifest))
	require.NoError(t, err)
	assert.Equal(
		t,
		http.StatusNotFound,
		f.ask(http.MethodGet, "/softwaremodules/0123456789abcdef/artifacts/app.img", "").Code,
	)
	require.Equal(t, http.StatusOK, f.says(action, "closed", "success"))
	status, _ = fetch(0, "")
	assert.Equal(t, http.StatusNotFound, status, "it is no action of the device")
}

func TestTokens(t *testing.T) {
	f := newFixture(t, hawkbit.Config{
		Credentials: func(device, token string) bool { return device == key && token == "own" }, GatewayToken: "all"})
	for header, want := range map[string]int{
		"": 401, "TargetToken own": 200, "targettoken own": 200, "TargetToken all": 401, "GatewayToken all": 200,
		"GatewayToken own": 401,
		"GatewayToken ":    401, "Bearer own": 401,
	} {
		assert.Equal(t, want, f.ask(http.MethodGet, "", "", "Authorization", header).Code, header)
	}
	assert.Empty(t, f.ask(http.MethodGet, "", "").Body.String())
}

func TestBadRequests(t *testing.T) {
	f := newFixture(t, hawkbit.Config{})
	f.offer(engine.PlanSpec{ID: "p"}, "2.0", "app")
	action := f.begins()
	for _, test := range []struct {
		method, path, body string
		want               int
	}{
		{http.MethodGet, "/nothing", "", 404},
		{http.MethodPost, "", "", 405},
		{http.MethodGet, "/deploymentBase/x", "", 404},
		{http.MethodGet, "/deploymentBase/7", "", 404},
		{http.MethodPost, "/deploymentBase/7/feedback", `{"status":{"execution":"closed","result":{"finished":"none"}}}`,
			404},
		{http.MethodPost, action + "/feedback", `{`, 400},
		{http.MethodPost, action + "/feedback", `{}`, 400},
		{http.MethodPost, action + "/feedback", `{"status":{"execution":"closed","result":{"finished":"maybe"}}}`, 400},
		{http.MethodPost, action + "/feedback", strings.Repeat(" ", 1<<20), 400},
		{http.MethodPut, "/configData", `{"data":{"product":"a/b"}}`, 400},
		{http.MethodPut, "/configData", `{"mode":"double"}`, 400},
		{http.MethodPut, "/configData", `{"data":{"":"1"}}`, 400},
	} {
		w := f.ask(test.method, test.path, test.body)
		assert.Equal(t, test.want, w.Code, "%s %s %.40s", test.method, test.path, test.body)
		assert.Contains(t, w.Body.String(), `"errorCode":"hawkbit.server.error.`)
	}
	for range 1000 {
		require.Equal(t, http.StatusOK, f.says(action, "proceeding", "none"))
	}
	assert.Equal(t, http.StatusTooManyRequests, f.says(action, "proceeding", "none"))
	assert.Equal(t, http.StatusOK, f.says(action, "closed", "success"), "its end is taken")
	assert.Empty(t, f.faults)
}

func TestPlatformIsDown(t *testing.T) {
	f := newFixture(t, hawkbit.Config{})
	f.platform.Kill()
	assert.Equal(t, http.StatusServiceUnavailable, f.ask(http.MethodGet, "", "").Code)
	f.platform.Restart()
	assert.Equal(t, http.StatusOK, f.ask(http.MethodGet, "", "").Code)
}

// A handler that is started again shows the same action, and goes on.
func TestAnotherHandlerGoesOn(t *testing.T) {
	f := newFixture(t, hawkbit.Config{})
	f.offer(engine.PlanSpec{ID: "p"}, "2.0", "app")
	action := f.begins()
	require.Equal(t, http.StatusOK, f.says(action, "download", "none", "app: downloading"))
	again, err := hawkbit.New(f.platform, hawkbit.Config{})
	require.NoError(t, err)
	f.handler = again
	assert.Equal(t, map[string]string{"deploymentBase": action, "configData": "/configData"}, f.links())
	require.Equal(t, http.StatusOK, f.says(action, "closed", "success"))
	assert.Equal(t, success, f.of("app"))
	assert.Empty(t, f.faults)
}

// A device that is cut off again and again before it can say what it is, is listened to
// when it does.
func TestDeviceThatIsCutOffAtFirst(t *testing.T) {
	f := newFixture(t, hawkbit.Config{})
	f.offer(engine.PlanSpec{ID: "p"}, "2.0", "app")
	for range 4 {
		assert.Contains(t, f.links(), "configData")
	}
	f.tells("1.0")
	assert.Contains(t, f.links(), "deploymentBase")
}

// Without a server the answers are the same.
func TestAsk(t *testing.T) {
	f := newFixture(t, hawkbit.Config{})
	f.offer(engine.PlanSpec{ID: "p"}, "2.0", "app")
	f.tells("1.0")
	for _, c := range []struct{ method, path, body string }{
		{http.MethodGet, "", ""},
		{http.MethodGet, "/deploymentBase/1001", ""},
		{http.MethodGet, "/deploymentBase/none", ""},
		{http.MethodPost, "/deploymentBase/1001/feedback", "{"},
		{http.MethodPost, "", ""},
	} {
		served := f.ask(c.method, c.path, c.body)
		address, err := url.Parse("http://ota.test" + base + c.path)
		require.NoError(t, err)
		asked := f.handler.(*hawkbit.Handler).Ask(c.method, address, []byte(c.body))
		assert.Equal(t, served.Code, asked.Status, c.path)
		assert.Equal(t, served.Body.String(), string(asked.Body), c.path)
		assert.Equal(t, served.Header(), asked.Header, c.path)
	}
}
