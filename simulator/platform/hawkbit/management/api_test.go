package management_test

import (
	"bytes"
	"encoding/json"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/platform/hawkbit/management"
)

// script is an operator's.
type script struct {
	t     testing.TB
	store *management.Store
	api   *management.API
}

func newScript(t testing.TB) *script {
	s := management.NewStore(time.Minute)
	return &script{t, s, management.NewAPI(s, func(user, password string) bool {
		return user == "admin" && password == "secret"
	}, nil)}
}

func (s *script) send(method, path, kind, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, management.Root+path, strings.NewReader(body))
	r.SetBasicAuth("admin", "secret")
	r.Header.Set("Content-Type", kind)
	w := httptest.NewRecorder()
	s.api.ServeHTTP(w, r)
	return w
}

// does asserts the status of an answer, and gives its document.
func (s *script) does(status int, method, path, body string) any {
	s.t.Helper()
	w := s.send(method, path, "application/json", body)
	require.Equal(s.t, status, w.Code, "%s %s: %s", method, path, w.Body)
	var document any
	if w.Body.Len() > 0 {
		require.NoError(s.t, json.Unmarshal(w.Body.Bytes(), &document))
	}
	return document
}

// total is how many a query finds.
func (s *script) total(path string) int {
	s.t.Helper()
	return int(s.does(http.StatusOK, http.MethodGet, path, "").(map[string]any)["total"].(float64))
}

func (s *script) upload(path, name, content string) *httptest.ResponseRecorder {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", name)
	require.NoError(s.t, err)
	_, err = part.Write([]byte(content))
	require.NoError(s.t, err)
	require.NoError(s.t, form.Close())
	return s.send(http.MethodPost, path, form.FormDataContentType(), body.String())
}

// prepared has two targets and a set of one module: target numbers 1 and 2, module 3, its
// artifact 4, set 5.
func prepared(t testing.TB) *script {
	s := newScript(t)
	s.does(201, "POST", "targets", `[{"controllerId":"a","securityToken":"ta"},{"controllerId":"b","name":"B"}]`)
	s.does(201, "POST", "softwaremodules", `[{"name":"app","version":"2","type":"application"}]`)
	require.Equal(t, 201, s.upload("softwaremodules/3/artifacts", "app.bin", "new").Code)
	s.does(201, "POST", "softwaremodules/3/metadata", `[{"key":"ota.order","value":"0","targetVisible":true}]`)
	s.does(201, "POST", "distributionsets", `[{"name":"spring","version":"1","type":"app","modules":[{"id":3}]}]`)
	return s
}

func feedback(execution, finished string) management.Feedback {
	return management.Feedback{Execution: execution, Finished: finished, Messages: []string{"said"}}
}

func TestAssignment(t *testing.T) {
	s := prepared(t)
	done := s.does(200, "POST", "distributionsets/5/assignedTargets", `[{"id":"a"},{"id":"b","type":"soft"},{"id":"c"}]`)
	assert.InDelta(t, 2, done.(map[string]any)["assigned"], 0)
	done = s.does(200, "POST", "targets/a/assignedDS", `{"id":5}`)
	assert.InDelta(t, 1, done.(map[string]any)["alreadyAssigned"], 0, "a set is assigned once")
	device, known := s.store.Target("a")
	require.True(t, known)
	assert.True(t, device.LetsIn("ta"))
	assert.False(t, device.LetsIn("tb"))
	shown := device.Poll()
	require.Equal(t, "deploymentBase", shown.Kind)
	order, is := device.Read(shown.Kind, shown.Action)
	require.True(t, is)
	assert.Equal(t, "forced", order.Force)
	assert.Equal(t, [][2]string{{"ota.order", "0"}}, order.Modules[0].Metadata)
	assert.Equal(t, int64(3), order.Modules[0].Artifacts[0].Size)
	assert.Equal(t, 1, s.total("actions?q=status==retrieved;target.controllerId==a"))
	verdict, err := device.Feedback("deploymentBase", shown.Action, feedback("closed", "success"))
	require.NoError(t, err)
	assert.Equal(t, management.Taken, verdict)
	verdict, _ = device.Feedback("deploymentBase", shown.Action, feedback("closed", "success"))
	assert.Equal(t, management.Gone, verdict)
	assert.Empty(t, device.Poll().Action)
	assert.Equal(t, 1, s.total("targets?q=updateStatus==in_sync%20and%20installedds.name==spring"))
	assert.Equal(t, 3, s.total("targets/a/actions/"+shown.Action+"/status"))
	assert.Equal(t, 1, s.total("actions?q=active==true"))
}

// An operator may cancel; the device accepts that or does not, and hears of another
// assignment as a cancellation.
func TestCancellation(t *testing.T) {
	s := prepared(t)
	s.does(200, "POST", "targets/a/assignedDS", `{"id":5}`)
	device, _ := s.store.Target("a")
	id := device.Poll().Action
	s.does(204, "DELETE", "targets/a/actions/"+id, "")
	s.does(405, "DELETE", "targets/a/actions/"+id, "")
	require.Equal(t, "cancelAction", device.Poll().Kind)
	_, err := device.Feedback("cancelAction", id, feedback("rejected", "none"))
	require.NoError(t, err)
	require.Equal(t, "deploymentBase", device.Poll().Kind)
	s.does(201, "POST", "distributionsets", `[{"name":"spring","version":"2","type":"app","modules":[{"id":3}]}]`)
	second := s.does(200, "GET", "distributionsets?q=version==2", "").(map[string]any)["content"].([]any)[0]
	body, err := json.Marshal(map[string]any{"id": second.(map[string]any)["id"]})
	require.NoError(t, err)
	s.does(200, "POST", "targets/a/assignedDS", string(body))
	require.Equal(t, management.Shown{Action: id, Kind: "cancelAction", Ask: true}, device.Poll())
	_, err = device.Feedback("cancelAction", id, feedback("closed", "success"))
	require.NoError(t, err)
	next := device.Poll()
	assert.NotEqual(t, id, next.Action)
	s.does(204, "DELETE", "targets/a/actions/"+next.Action+"?force=true", "")
	assert.Empty(t, device.Poll().Action)
	assert.Equal(t, 2, s.total("actions?q=status==canceled"))
}

func TestConfirmation(t *testing.T) {
	s := prepared(t)
	s.does(200, "PUT", "system/configs/user.confirmation.flow.enabled", `{"value":true}`)
	s.does(200, "POST", "targets/a/assignedDS", `{"id":5}`)
	device, _ := s.store.Target("a")
	shown := device.Poll()
	require.Equal(t, "confirmationBase", shown.Kind)
	assert.Equal(t, management.Taken, device.Confirm(shown.Action, false, nil))
	assert.Equal(t, "confirmationBase", device.Poll().Kind)
	assert.Equal(t, management.Taken, device.Confirm(shown.Action, true, nil))
	assert.Equal(t, "deploymentBase", device.Poll().Kind)
	assert.Equal(t, management.Missing, device.Confirm(shown.Action, true, nil))
}

func TestRollout(t *testing.T) {
	s := prepared(t)
	made := s.does(201, "POST", "rollouts",
		`{"name":"r","targetFilterQuery":"id==*","distributionSetId":5,"amountGroups":1}`)
	require.Equal(t, "ready", made.(map[string]any)["status"])
	require.Equal(t, 0, s.total("actions"))
	path := "rollouts/6"
	s.does(200, "POST", path+"/start", "")
	s.does(400, "POST", path+"/start", "")
	for _, key := range []string{"a", "b"} {
		device, _ := s.store.Target(key)
		_, err := device.Feedback("deploymentBase", device.Poll().Action, feedback("closed", "failure"))
		require.NoError(t, err)
	}
	shown := s.does(200, "GET", path, "").(map[string]any)
	assert.Equal(t, "finished", shown["status"])
	assert.InDelta(t, 2, shown["totalTargetsPerStatus"].(map[string]any)["error"], 0)
	s.does(204, "DELETE", path, "")
}

// What is not there, not right or there already is refused in hawkBit's words.
func TestRefusals(t *testing.T) {
	s := prepared(t)
	for _, tt := range []struct {
		status             int
		method, path, body string
		code               string
	}{
		{404, "GET", "targets/c", "", "repo.entityNotFound"},
		{404, "GET", "nothing", "", "repo.entityNotFound"},
		{409, "POST", "targets", `[{"controllerId":"a"}]`, "repo.entityAlreadyExists"},
		{409, "POST", "targets", `[{"controllerId":"z"},{"controllerId":"z"}]`, "repo.entityAlreadyExists"},
		{400, "POST", "targets", `[{"controllerId":"a b"}]`, "repo.constraintViolation"},
		{400, "POST", "targets", `no`, "rest.body.notReadable"},
		{409, "POST", "softwaremodules", `[{"name":"APP","version":"2","type":"application"}]`, "repo.entityAlreadyExists"},
		{404, "POST", "softwaremodules", `[{"name":"x","version":"2","type":"x"}]`, "repo.entityNotFound"},
		{404, "POST", "distributionsets", `[{"name":"x","version":"2","type":"app","modules":[{"id":99}]}]`,
			"repo.entityNotFound"},
		{400, "POST", "softwaremodules/3/artifacts", "{}", "repo.constraintViolation"},
		{409, "POST", "softwaremodules/3/metadata", `[{"key":"ota.order"}]`, "repo.entityAlreadyExists"},
		{400, "POST", "distributionsets/5/assignedTargets", `[{"id":"a","type":"never"}]`, "repo.constraintViolation"},
		{400, "GET", "targets?q=name=gt=3", "", "rest.param.rsqlParamSyntax"},
		{400, "GET", "targets?q=shoe==3", "", "rest.param.rsqlInvalidField"},
		{403, "GET", "system/configs/shoe", "", "configKeyInvalid"},
		{400, "PUT", "system/configs/pollingTime", `{"value":true}`, "repo.constraintViolation"},
		{400, "POST", "rollouts", `{"name":"r","targetFilterQuery":"id==*","distributionSetId":5,"amountGroups":3}`,
			"repo.constraintViolation"},
	} {
		document := s.does(tt.status, tt.method, tt.path, tt.body)
		assert.Equal(t, "hawkbit.server.error."+tt.code, document.(map[string]any)["errorCode"], "%s %s", tt.method, tt.path)
	}
	assert.Equal(t, 409, s.upload("softwaremodules/3/artifacts", "app.bin", "other").Code)
	assert.Equal(t, 2, s.total("targets"))
	stranger := httptest.NewRequest(http.MethodGet, management.Root+"targets", http.NoBody)
	w := httptest.NewRecorder()
	s.api.ServeHTTP(w, stranger)
	assert.Equal(t, 401, w.Code)
}

// FuzzAPI: whatever a script sends is answered, and never by an internal error.
func FuzzAPI(f *testing.F) {
	f.Add("POST", "targets", `[{"controllerId":"c"}]`)
	f.Add("GET", "targets?q=id==a*;name!='x'&offset=1&limit=2", "")
	f.Add("GET", "actions?q=status=in=(error,finished)&representation=full&sort=id:DESC", "")
	f.Add("POST", "distributionsets/5/assignedTargets", `[{"id":"a","type":"soft"}]`)
	f.Add("PUT", "system/configs/authentication.targettoken.enabled", `{"value":false}`)
	f.Add("DELETE", "softwaremodules/3", "")
	f.Fuzz(func(t *testing.T, method, path, body string) {
		s := prepared(t)
		r, err := http.NewRequest(method, "http://x"+management.Root+path, strings.NewReader(body))
		if err != nil {
			return // no client sends it
		}
		r.SetBasicAuth("admin", "secret")
		w := httptest.NewRecorder()
		s.api.ServeHTTP(w, r)
		assert.Less(t, w.Code, 500, "%s %s", method, path)
	})
}
