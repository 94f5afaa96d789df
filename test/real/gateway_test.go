//go:build real

package real_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/wire"
	"otafleet/test/harness"
)

// gatewayACL allows the gateway to speak for the devices behind it.
const gatewayACL = acl + `topic write ota/v1/meter/meter-1/up/+
topic read ota/v1/meter/meter-1/down/+
topic write ota/v1/meter/meter-2/up/+
topic read ota/v1/meter/meter-2/down/+
`

// Devices behind a gateway are upgraded over its one session, through a broker
// that keeps an eye on each topic.
func TestBehindAGateway(t *testing.T) {
	t.Parallel()
	broker := startMosquitto(t, "allow_anonymous false", "acl_file "+write(t, "acl", gatewayACL),
		"password_file "+passwords(t, map[string]string{"platform": "p-secret", "gw-0001": "d-secret"}))
	j := newJourney(t, broker, harness.Settings{
		"urls": []string{broker.url()}, "username": "gw-0001", "password_file": write(t, "password", "d-secret\n"),
	})
	j.device.Write("meter", []byte(`#!/bin/sh
f="$(dirname "$0")/$OTA_DEVICE.version"
case $1 in
inspect) echo "{\"version\":\"$(cat "$f")\"}" ;;
activate) echo "$OTA_TARGET" >"$f"; echo '{"restart":"none"}' ;;
revert) echo "$OTA_SOURCE" >"$f" ;;
esac
`), 0o755)
	keys := []string{"meter-1", "meter-2"}
	firmware := harness.CommandComponent("fw", "meter")
	firmware["type"] = "module"
	j.device.Settings["sub_devices"] = []harness.Settings{
		{"devices": keys, "product": "meter", "components": []harness.Settings{firmware}},
	}
	for _, key := range keys {
		j.device.Write(key+".version", []byte("1.0.0\n"), 0o644)
	}

	private, err := wire.MarshalPrivateKey(j.key.PrivateKey)
	require.NoError(t, err)
	dir := t.TempDir()
	out := harness.Run(t, dir, programs.Sim, "pack", "--key", write(t, "release.key", string(private)), "--product",
		"meter", "--type", "module", "--component", "fw", "--target", "1.1.0", "--release", "1", "--out", "fw.ota",
		write(t, "fw.bin", "firmware 1.1.0"))
	require.Zero(t, out.Code, out.Err)
	platform := harness.ServePlatform(t, programs, dir, "--broker", broker.url(), "--upgrade", "fw.ota", "--until-done",
		"2", "--username", "platform", "--password-file", write(t, "password", "p-secret\n"))
	agent := j.device.Start()
	platform.AwaitOutput("meter-1  is now: Upgraded")
	platform.AwaitOutput("meter-2  is now: Upgraded")
	assert.Zero(t, platform.Wait(), "both were upgraded")
	for _, key := range keys {
		assert.Equal(t, "1.1.0\n", string(j.device.Read(key+".version")))
		assert.Regexp(t, `(?m)^`+key+` +meter +fw 1\.1\.0`, j.device.Do("status").Out)
	}
	assert.NotContains(t, agent.Output(), "not connected to the broker", "one session was enough")
	assert.Zero(t, agent.Stop())
}
