//go:build platforms

package platforms_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/test/harness"
)

var programs harness.Programs

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "ota-programs-")
		if err == nil {
			defer os.RemoveAll(dir)
			programs, err = harness.Build(dir, "1.0.0")
		}
		if err == nil && os.Getenv("GOOSEBIT") == "" {
			err = fmt.Errorf("GOOSEBIT must name the Python that has goosebit: run make test-platforms")
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

// goosebit is a running server, and an operator of it.
type goosebit struct {
	t     *testing.T
	url   string
	token string
}

// schema makes the tables of a new data base.
const schema = `
from tortoise import Tortoise, run_async
from goosebit.db.config import TORTOISE_CONF
async def make():
    await Tortoise.init(config=TORTOISE_CONF)
    await Tortoise.generate_schemas()
    await Tortoise.close_connections()
run_async(make())
`

func newGoosebit(t *testing.T) *goosebit {
	t.Helper()
	dir := t.TempDir()
	python, address := os.Getenv("GOOSEBIT"), harness.FreeAddress(t)
	host, port, _ := strings.Cut(address, ":")
	settings := []string{"GOOSEBIT_DB_URI=sqlite:///" + filepath.Join(dir, "db.sqlite3"),
		"GOOSEBIT_ARTIFACTS_DIR=" + filepath.Join(dir, "artifacts"), "GOOSEBIT_POLL_TIME=00:00:01",
		"GOOSEBIT_DEVICE_AUTH__ENABLE=true", "GOOSEBIT_DEVICE_AUTH__MODE=strict"}
	made := harness.Run(t, dir, "env", append(settings, python, "-c", schema)...)
	require.Equal(t, 0, made.Code, "%s", made.Err)
	harness.Start(t, dir, "env",
		append(settings, python, "-m", "uvicorn", "goosebit:app", "--host", host, "--port", port)...)
	g := &goosebit{t: t, url: "http://" + address}
	harness.Await(t, "goosebit answers", func() bool {
		answer, err := http.Get(g.url + "/setup")
		return err == nil && answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
	})
	var login struct {
		Token string `json:"access_token"`
	}
	g.ask(http.MethodPost, "/setup", "application/x-www-form-urlencoded",
		[]byte(url.Values{"username": {"a@example.com"}, "password": {"secret"}}.Encode()), &login)
	g.token = login.Token
	g.order(http.MethodPut, "/api/v1/devices", map[string]any{"devices": []string{harness.DeviceName},
		"auth_token": harness.HawkBitToken})
	return g
}

func (g *goosebit) ask(method, path, kind string, body []byte, into any) {
	g.t.Helper()
	request, err := http.NewRequest(method, g.url+path, bytes.NewReader(body))
	require.NoError(g.t, err)
	request.Header.Set("Content-Type", kind)
	if g.token != "" {
		request.Header.Set("Authorization", "bearer "+g.token)
	}
	answer, err := http.DefaultClient.Do(request)
	require.NoError(g.t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(g.t, err)
	require.Equal(g.t, http.StatusOK, answer.StatusCode, "%s %s: %s", method, path, text)
	require.NoError(g.t, json.Unmarshal(text, into), "%s", text)
}

func (g *goosebit) order(method, path string, body any) {
	g.t.Helper()
	text, err := json.Marshal(body)
	require.NoError(g.t, err)
	var done any
	g.ask(method, path, "application/json", text, &done)
}

// assign uploads an image and gives it to the device, also after one that failed.
func (g *goosebit) assign(version string, image []byte) {
	g.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", "app-"+version+".swu")
	require.NoError(g.t, err)
	_, err = part.Write(image)
	require.NoError(g.t, err)
	require.NoError(g.t, form.Close())
	var made struct{ ID int }
	g.ask(http.MethodPut, "/api/v1/software", form.FormDataContentType(), body.Bytes(), &made)
	g.order(http.MethodPatch, "/api/v1/devices", map[string]any{"devices": []string{harness.DeviceName},
		"software": fmt.Sprint(made.ID), "force_update": true})
}

// awaits waits until the server says that the device is in a state, and runs a version.
func (g *goosebit) awaits(state, version string) {
	g.t.Helper()
	harness.Await(g.t, "goosebit calls the device "+state+", of "+version, func() bool {
		var all struct {
			Devices []struct {
				State   string `json:"last_state"`
				Version string `json:"sw_version"`
			}
		}
		g.ask(http.MethodGet, "/api/v1/devices", "", nil, &all)
		return all.Devices[0].State == state && all.Devices[0].Version == version
	})
}

// image is an image of which goosebit reads the description: a cpio archive. The agent
// installs it as it is.
func image(version, content string) []byte {
	description := fmt.Sprintf("software = { version = %q; %s = { hardware-compatibility = [ \"default\" ]; }; }\n",
		version, harness.Product)
	var archive bytes.Buffer
	for _, file := range [][2]string{{"sw-description", description}, {"app.txt", content}, {"TRAILER!!!", ""}} {
		fmt.Fprintf(&archive, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
			1, 0o100644, 0, 0, 1, 0, len(file[1]), 0, 0, 0, 0, len(file[0])+1, 0)
		archive.WriteString(file[0] + "\x00")
		archive.Write(make([]byte, (4-archive.Len()%4)%4))
		archive.WriteString(file[1])
		archive.Write(make([]byte, (4-archive.Len()%4)%4))
	}
	return archive.Bytes()
}

// newDevice is a device with a file that must not say that it is broken.
func newDevice(t *testing.T, g *goosebit) *harness.Device {
	t.Helper()
	d := harness.NewDevice(t, programs, "", harness.NewKey(t))
	d.Components(harness.FileComponent("app", "1.0.0", nil))
	d.Write("app.bin", []byte("old"), 0o644)
	d.Settings["health"] = []harness.Settings{{"command": []string{"sh", "-c", "! grep -q broken " + d.Path("app.bin")}}}
	delete(d.Settings, "trust")
	d.SpeakHawkBit(g.url, harness.Settings{"manifest": "platform", "allow_weak_digest": true, "versions": "semver",
		"modules": []string{"os=app"}})
	return d
}

// The agent installs what goosebit has for it; goosebit hears that it succeeded, with
// the version that runs.
func TestGoosebit(t *testing.T) {
	t.Parallel()
	g := newGoosebit(t)
	d := newDevice(t, g)
	d.Start()
	g.awaits("Registered", "1.0.0")
	good := image("1.1.0", strings.Repeat("new ", 100_000))
	g.assign("1.1.0", good)
	g.awaits("Finished", "1.1.0")
	assert.True(t, bytes.Equal(good, d.Read("app.bin")), "the image is installed as it is")
	next := image("1.2.0", "newer")
	g.assign("1.2.0", next)
	g.awaits("Finished", "1.2.0")
	assert.Equal(t, next, d.Read("app.bin"))
}

// A version that is not healthy is rolled back, and goosebit hears that it failed; a
// later one is installed, after the agent was killed in the middle.
func TestGoosebitFailure(t *testing.T) {
	t.Parallel()
	g := newGoosebit(t)
	d := newDevice(t, g)
	agent := d.Start()
	g.awaits("Registered", "1.0.0")
	g.assign("1.1.0", image("1.1.0", "broken"))
	g.awaits("Error", "1.0.0")
	assert.Equal(t, "old", string(d.Read("app.bin")))
	good := image("1.2.0", "mended")
	g.assign("1.2.0", good)
	agent.AwaitOutput("plan=2 component=app step=downloading")
	agent.Kill()
	d.Start()
	g.awaits("Finished", "1.2.0")
	assert.Equal(t, good, d.Read("app.bin"))
}
