//go:build real

package real_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/wire"
	"otafleet/test/harness"
)

// acl allows everything to the platform, and to the device what is its own.
const acl = `user platform
topic readwrite ota/v1/#

user gw-0001
topic write ota/v1/gw-200/gw-0001/up/+
topic read ota/v1/gw-200/gw-0001/down/+
`

// The way of the README through the built programs, with each way in which a
// device may prove to the broker who it is.
func TestOnADevice(t *testing.T) {
	t.Parallel()
	t.Run("anybody", func(t *testing.T) {
		t.Parallel()
		broker := startMosquitto(t)
		newJourney(t, broker, harness.Settings{"urls": []string{broker.url()}}).travel()
	})
	t.Run("password", func(t *testing.T) {
		t.Parallel()
		broker := startMosquitto(t, "allow_anonymous false", "acl_file "+write(t, "acl", acl),
			"password_file "+passwords(t, map[string]string{"platform": "p-secret", "gw-0001": "d-secret"}))
		j := newJourney(t, broker, harness.Settings{
			"urls": []string{broker.url()}, "username": "gw-0001", "password_file": write(t, "password", "d-secret\n"),
		})
		j.platformArgs = []string{"--username", "platform", "--password-file", write(t, "password", "p-secret\n")}
		j.restricted = true
		j.travel()
	})
	t.Run("certificate", func(t *testing.T) {
		t.Parallel()
		certFile, keyFile := ca.issue(t, "broker")
		deviceCert, deviceKey := ca.issue(t, "gw-0001")
		secure, aclFile := harness.FreeAddress(t), write(t, "acl", acl)
		broker := startMosquitto(t, "allow_anonymous false", "acl_file "+aclFile,
			"password_file "+passwords(t, map[string]string{"platform": "p-secret"}),
			listener(secure), "acl_file "+aclFile, "cafile "+ca.file, "certfile "+certFile, "keyfile "+keyFile,
			"require_certificate true", "use_identity_as_username true")
		j := newJourney(t, broker, harness.Settings{
			"urls": []string{"mqtts://" + secure}, "ca_file": ca.file, "cert_file": deviceCert, "key_file": deviceKey,
		})
		j.platformArgs = []string{"--username", "platform", "--password-file", write(t, "password", "p-secret\n")}
		j.restricted = true
		j.travel()
	})
}

// journey is one upgrade of one device by the programs alone.
type journey struct {
	t            *testing.T
	broker       *server
	device       *harness.Device
	key          harness.Key
	platformArgs []string // beside the broker
	environment  []string // of the agent, beside the test's
	restricted   bool     // whether the broker keeps devices apart
}

// newJourney lays out a device that runs app 1.0.0. access is how it reaches the
// broker.
func newJourney(t *testing.T, broker *server, access harness.Settings) *journey {
	t.Helper()
	j := &journey{t: t, broker: broker, key: harness.NewKey(t)}
	j.device = harness.NewDevice(t, programs, broker.url(), j.key)
	j.device.Settings["broker"] = access
	j.device.Components(harness.FileComponent("app", "1.0.0", nil))
	j.device.Write("app.bin", []byte("app 1.0.0"), 0o755)
	return j
}

// pack makes the package of app 1.1.0 with the program that is for it.
func (j *journey) pack(content string) (file string) {
	j.t.Helper()
	private, err := wire.MarshalPrivateKey(j.key.PrivateKey)
	require.NoError(j.t, err)
	dir := j.t.TempDir()
	out := harness.Run(j.t, dir, programs.Sim, "pack", "--key", write(j.t, "release.key", string(private)), "--product",
		harness.Product, "--component", "app", "--target", "1.1.0", "--release", "2", "--out", "app.ota",
		write(j.t, "app.bin", content))
	require.Zero(j.t, out.Code, out.Err)
	return filepath.Join(dir, "app.ota")
}

// serve starts the platform with an upgrade to content; it ends when the device
// is through.
func (j *journey) serve(content string) *harness.Served {
	j.t.Helper()
	args := append(
		[]string{"--broker", j.broker.url(), "--upgrade", j.pack(content), "--until-done", "1"},
		j.platformArgs...)
	return harness.ServePlatform(j.t, programs, j.t.TempDir(), args...)
}

func (j *journey) travel() {
	t := j.t
	platform := j.serve("app 1.1.0")
	j.device.Configure()
	valid := harness.Run(t, j.device.Dir, programs.Agent, "validate", "--config", j.device.Path("agent.yaml"))
	require.Zero(t, valid.Code, valid.Err)
	if j.restricted {
		j.keepOut(platform)
	}
	agent := harness.Start(
		t,
		j.device.Dir,
		"env",
		append(j.environment, programs.Agent, "run", "--config", "agent.yaml")...)
	platform.AwaitOutput("gw-0001  is now: Upgraded")
	assert.Equal(t, "app 1.1.0", string(j.device.Read("app.bin")), "the file is replaced")
	status := j.device.Do("status")
	assert.Zero(t, status.Code)
	assert.Regexp(t, `app +module +1\.1\.0 +2`, status.Out)
	assert.Zero(t, platform.Wait(), "every device was upgraded")
	assert.Zero(t, agent.Stop())
}

// keepOut has the device try to be another one. The broker does not allow it,
// the agent says so, and the platform hears nothing.
func (j *journey) keepOut(platform *harness.Served) {
	settings := j.device.Settings
	defer func() {
		settings["device"] = harness.DeviceName
		j.device.Configure()
	}()
	settings["device"] = "gw-0002"
	agent := j.device.Start()
	agent.AwaitOutput("not authorized")
	assert.Zero(j.t, agent.Stop())
	assert.NotContains(j.t, platform.Output(), "gw-0002")
}
