package e2e_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/test/harness"
)

// everything is a configuration that has every key.
func everything(t *testing.T) *harness.Device {
	t.Helper()
	d := harness.NewDevice(t, programs, "mqtts://ota.example.com", harness.NewKey(t))
	for _, name := range []string{"password", "access", "secret", "capacity", "app.bin", "motor", "a.img", "b.img"} {
		d.Write(name, nil, 0o700)
	}
	authority, certificate, key := certificates(t)
	d.Write("ca.pem", authority, 0o600)
	d.Write("device.pem", certificate, 0o600)
	d.Write("device.key", key, 0o600)
	for name, value := range (harness.Settings{
		"hardware": "rev-b",
		"broker": harness.Settings{"urls": []any{"mqtts://ota.example.com"}, "username": "gw-0001",
			"password_file": "password", "ca_file": "ca.pem",
			"cert_file": "device.pem", "key_file": "device.key", "prefix": "ota/v1", "keep_alive": "60s",
			"session_expiry": "24h"},
		"trust": aTrust(),
		"storage": harness.Settings{"endpoint": "https://oss.example.com", "region": "eu-1", "access_key_file": "access",
			"secret_key_file": "secret",
			"path_style":      true, "ca_file": "ca.pem", "cert_file": "device.pem", "key_file": "device.key"},
		"download": harness.Settings{"rate_limit": "2MiB/s", "stall_timeout": "30s", "lowest_rate": "4KiB/s", "attempts": 5,
			"patience": "30m",
			"deadline": "168h", "allow": []any{"10.0.0.0/8"}, "deny": []any{"*.example.org"}, "https_only": true, "parallel": 2,
			"cache": "64MiB"},
		"confirm": "command", "confirm_command": []any{"true"},
		"windows": []any{"mon-fri 01:00-05:00 UTC"},
		"conditions": harness.Settings{"battery_file": "capacity", "rssi_command": []any{"echo", "-71"}, "busy_file": "busy",
			"min_battery": 30, "min_rssi": -95, "space": "10MiB"},
		"components": []any{
			harness.Settings{"id": "app", "type": "module", "installer": "file", "version": "1.0.0",
				"file": harness.Settings{"path": "app.bin", "unpack": false, "after": []any{"true"}, "check": []any{"true"},
					"mode": "0755", "restart": "none"}},
			harness.Settings{"id": "rootfs", "type": "module", "installer": "slot", "version": "1.0.0",
				"slot": harness.Settings{"devices": []any{"a.img", "b.img"}, "boot": "flag", "boot_file": "flag", "running": "auto",
					"tries": 3, "version_file": "version"}},
			harness.Settings{"id": "motor", "type": "mcu", "irreversible": true, "release": 3, "trust": aTrust(),
				"installer": "command",
				"command":   harness.Settings{"path": "motor", "timeout": "10m", "apply_deltas": true}},
			harness.Settings{"id": "pump", "type": "mcu", "installer": "serial", "serial": harness.Settings{
				"port": "tty0", "baud": 115200, "protocol": "pull", "version": anExchange(), "enter": []any{anExchange()},
				"start":   []any{anExchange()},
				"timeout": "1m", "attempts": 3, "tries": 3, "start_timeout": "1m", "block": "64KiB", "max_size": "1MiB",
				"factory": harness.Settings{"version": "1.0.0", "image": "app.bin"}}},
			harness.Settings{"id": "modem", "type": "module", "installer": "modem", "modem": harness.Settings{
				"port": "tty1", "baud": 115200, "profile": "custom", "version": anExchange(), "prepare": []any{anExchange()},
				"uploads": true, "upload": anUpload(), "trigger": anExchange(), "progress": "a", "end": "(a)", "failed": "a",
				"full": true, "tries": 2, "stall_timeout": "10m", "start_timeout": "3m", "upgrade_timeout": "2h",
				"max_size": "64MiB",
				"factory":  harness.Settings{"version": "R1", "image": "app.bin"}}},
		},
		"health": []any{harness.Settings{"http": "http://127.0.0.1/"}, harness.Settings{"unit": "app.service"},
			harness.Settings{"command": []any{"true"}}},
		"sub_device_parallel": 1,
		"sub_devices": []any{
			harness.Settings{"device": "valve-1", "product": "valve", "hardware": "rev-a", "trust": aTrust(),
				"conditions": harness.Settings{"battery_file": "capacity", "rssi_command": []any{"echo", "-71"},
					"busy_file": "busy", "min_battery": 30, "min_rssi": -95, "space": "10MiB"},
				"components": []any{
					harness.Settings{"id": "table", "type": "module", "installer": "file", "version": "1",
						"file": harness.Settings{"path": "valve-1.bin", "unpack": false, "after": []any{"true"}, "check": []any{"true"},
							"mode": "0644", "restart": "none"}},
					harness.Settings{"id": "fw", "type": "module", "installer": "command",
						"command": harness.Settings{"path": "motor", "timeout": "10m"}},
				},
				"health": []any{harness.Settings{"http": "http://127.0.0.1/"}, harness.Settings{"unit": "valve.service"},
					harness.Settings{"command": []any{"true"}}}},
			harness.Settings{"devices": []any{"meter-1", "meter-2"}, "product": "meter", "components": []any{
				harness.Settings{"id": "fw", "type": "module", "installer": "command",
					"command": harness.Settings{"path": "motor"}}}},
		},
		"contact_timeout": "30m",
		"give_way":        "1h",
		"soak":            "1m",
		"restart_command": []any{"true"},
		"boot_id_file":    "boot_id",
		"log":             harness.Settings{"level": "info", "format": "text"},
	}) {
		d.Settings[name] = value
	}
	return d
}

// onHawkBit is everything on another platform, with the tenant's token, or with that
// of the device alone.
func onHawkBit(t *testing.T, token string) *harness.Device {
	d := everything(t)
	d.Write("token", []byte("secret"), 0o600)
	delete(d.Settings, "broker")
	if token == "token_file" {
		delete(d.Settings, "sub_devices")
		delete(d.Settings, "sub_device_parallel")
		delete(d.Settings["download"].(harness.Settings), "cache")
	}
	d.Settings["platform"] = harness.Settings{"hawkbit": harness.Settings{"url": "https://hawkbit.example.com",
		"tenant": "DEFAULT", token: "token",
		"ca_file": "ca.pem", "cert_file": "device.pem", "key_file": "device.key", "on_failure": "stop",
		"manifest": "platform", "allow_weak_digest": false, "versions": "any", "modules": []any{"os=rootfs"}}}
	return d
}

// onQuecThing is everything on a third one.
func onQuecThing(t *testing.T) *harness.Device {
	d := everything(t)
	d.Write("product-secret", []byte("0123456789abcdef"), 0o600)
	delete(d.Settings, "broker")
	delete(d.Settings, "sub_devices")
	delete(d.Settings, "sub_device_parallel")
	delete(d.Settings["download"].(harness.Settings), "cache")
	d.Settings["platform"] = harness.Settings{"quecthing": harness.Settings{"url": "mqtts://iot.example.com",
		"product_secret_file": "product-secret", "username": "gw", "session_key": true, "model": "EC200U", "iccid": "89860",
		"ca_file": "ca.pem", "cert_file": "device.pem", "key_file": "device.key", "on_failure": "stop",
		"manifest": "platform", "allow_weak_digest": true, "versions": "any"}}
	return d
}

func aTrust() harness.Settings {
	return harness.Settings{"keys": []any{"release.pub"}, "threshold": 1, "allow_unsigned": false}
}

func anExchange() harness.Settings {
	return harness.Settings{"send": "a", "expect": "(b)", "timeout": "2s", "attempts": 3}
}

func anUpload() harness.Settings {
	upload := anExchange()
	upload["done"] = "c"
	return upload
}

// badValues has for each key a value that the agent must not take, and a part of
// what it says about it. The key must be named in the same line.
var badValues = map[string]struct {
	value any
	says  string
}{
	"broker.ca_file":                         {"none.pem", "cannot be read"},
	"broker.cert_file":                       {"none.pem", "cannot be read"},
	"broker.keep_alive":                      {"100ms", "out of bounds"},
	"broker.key_file":                        {"none.key", "cannot be read"},
	"broker.password_file":                   {"nowhere", "cannot be read"},
	"broker.prefix":                          {"ota/#", "is not a topic prefix"},
	"broker.session_expiry":                  {"24", "is not a duration"},
	"broker.urls":                            {[]any{"http://ota.example.com"}, "is not a scheme of a broker"},
	"broker.username":                        {"a\nb", "line"},
	"components.command.apply_deltas":        {"maybe", "is neither true nor false"},
	"components.release":                     {-1, "is not a release counter"},
	"components.irreversible":                {"maybe", "is neither true nor false"},
	"components.command.path":                {"app.yaml", "cannot be run"},
	"components.command.timeout":             {"10", "is not a duration"},
	"components.file.after":                  {[]any{"./none"}, "cannot be run"},
	"components.file.check":                  {[]any{"./none"}, "cannot be run"},
	"components.file.mode":                   {"0888", "is not a file mode"},
	"components.file.path":                   {"none/app.bin", "is not a directory"},
	"components.file.restart":                {"modem", "want one of none, process, system"},
	"components.file.unpack":                 {"perhaps", "is neither true nor false"},
	"components.id":                          {"a b", "want 1 to 32 characters"},
	"components.installer":                   {"floppy", "is not an installer"},
	"components.serial.version.send":         {"", "has 0 bytes"},
	"components.serial.version.expect":       {"(", "is not a regular expression"},
	"components.serial.version.timeout":      {"2", "is not a duration"},
	"components.serial.version.attempts":     {0, "want 1 to 100"},
	"components.serial.enter.send":           {"", "has 0 bytes"},
	"components.serial.enter.expect":         {"(", "is not a regular expression"},
	"components.serial.enter.timeout":        {"2", "is not a duration"},
	"components.serial.enter.attempts":       {0, "want 1 to 100"},
	"components.serial.start.send":           {"", "has 0 bytes"},
	"components.serial.start.expect":         {"(", "is not a regular expression"},
	"components.serial.start.timeout":        {"2", "is not a duration"},
	"components.serial.start.attempts":       {0, "want 1 to 100"},
	"components.modem.version.send":          {"", "has 0 bytes"},
	"components.modem.version.expect":        {"(", "is not a regular expression"},
	"components.modem.version.timeout":       {"2", "is not a duration"},
	"components.modem.version.attempts":      {0, "want 1 to 100"},
	"components.modem.prepare.send":          {"", "has 0 bytes"},
	"components.modem.prepare.expect":        {"(", "is not a regular expression"},
	"components.modem.prepare.timeout":       {"2", "is not a duration"},
	"components.modem.prepare.attempts":      {0, "want 1 to 100"},
	"components.modem.upload.send":           {"", "has 0 bytes"},
	"components.modem.upload.expect":         {"(", "is not a regular expression"},
	"components.modem.upload.timeout":        {"2", "is not a duration"},
	"components.modem.upload.attempts":       {0, "want 1 to 100"},
	"components.modem.trigger.send":          {"", "has 0 bytes"},
	"components.modem.trigger.expect":        {"(", "is not a regular expression"},
	"components.modem.trigger.timeout":       {"2", "is not a duration"},
	"components.modem.trigger.attempts":      {0, "want 1 to 100"},
	"components.modem.upload.done":           {"(", "is not a regular expression"},
	"components.serial.port":                 {"", "want one line"},
	"components.serial.baud":                 {9, "want 50 to 4000000"},
	"components.serial.tries":                {0, "want 1 to 100"},
	"components.serial.start_timeout":        {"1", "is not a duration"},
	"components.serial.max_size":             {"big", "is not a size"},
	"components.serial.factory.version":      {"", "want 1 to 64 printable characters"},
	"components.serial.factory.image":        {"none.bin", "cannot be read"},
	"components.modem.port":                  {"", "want one line"},
	"components.modem.baud":                  {9, "want 50 to 4000000"},
	"components.modem.tries":                 {0, "want 1 to 100"},
	"components.modem.start_timeout":         {"1", "is not a duration"},
	"components.modem.upgrade_timeout":       {"1", "is not a duration"},
	"components.modem.max_size":              {"big", "is not a size"},
	"components.modem.factory.version":       {"", "want 1 to 64 printable characters"},
	"components.modem.factory.image":         {"none.bin", "cannot be read"},
	"components.serial.protocol":             {"zmodem", "did you mean"},
	"components.serial.timeout":              {"1", "is not a duration"},
	"components.serial.attempts":             {0, "want 1 to 1000"},
	"components.serial.block":                {0, "out of bounds"},
	"components.modem.profile":               {"telit", "want one of quectel, custom"},
	"components.modem.uploads":               {"maybe", "is neither true nor false"},
	"components.modem.full":                  {"maybe", "is neither true nor false"},
	"components.modem.stall_timeout":         {"1", "is not a duration"},
	"components.modem.progress":              {"(", "is not a regular expression"},
	"components.modem.end":                   {"a", "has no group"},
	"components.modem.failed":                {"(", "is not a regular expression"},
	"components.slot.boot":                   {"lilo", "want one of uboot, grub, flag"},
	"components.slot.boot_file":              {[]any{"a"}, "want a single value"},
	"components.slot.devices":                {[]any{"a.img", "a.img"}, "want two slots"},
	"components.slot.running":                {"here", "want auto, root, cmdline or a path with a / in it"},
	"components.slot.tries":                  {0, "want 1 to 99"},
	"components.slot.version_file":           {[]any{"a"}, "want a single value"},
	"components.trust.allow_unsigned":        {"maybe", "is neither true nor false"},
	"components.trust.keys":                  {[]any{"none.pub"}, "cannot be read"},
	"components.trust.threshold":             {2, "wants 2 signatures of 1 key;"},
	"components.type":                        {"software", "want one of module, mcu"},
	"components.version":                     {"", "want 1 to 64 printable characters"},
	"conditions.battery_file":                {[]any{"a"}, "want a single value"},
	"conditions.busy_file":                   {[]any{"a"}, "want a single value"},
	"conditions.min_battery":                 {101, "want 0 to 100"},
	"conditions.min_rssi":                    {-201, "want -200 to 100"},
	"conditions.space":                       {"much", "is not a size"},
	"conditions.rssi_command":                {[]any{"./none"}, "cannot be run"},
	"confirm":                                {"always", "want one of auto, ask, command"},
	"confirm_command":                        {[]any{"./none"}, "cannot be run"},
	"contact_timeout":                        {"900h", "out of bounds"},
	"restart_command":                        {"", "want a list"},
	"boot_id_file":                           {"", "want one line"},
	"soak":                                   {"48h", "out of bounds"},
	"give_way":                               {"1s", "out of bounds"},
	"control_socket":                         {strings.Repeat("x", 108), "a socket's path has at most 107"},
	"device":                                 {"gw 1", "want 1 to 64 characters"},
	"download.allow":                         {[]any{"10.0.0.0/33"}, "is neither a host nor a network"},
	"download.attempts":                      {0, "want 1 to 1000"},
	"download.cache":                         {"much", "is not a size"},
	"download.deadline":                      {"1s", "out of bounds"},
	"download.deny":                          {[]any{"https://example.com"}, "is neither a host nor a network"},
	"download.https_only":                    {"maybe", "is neither true nor false"},
	"download.lowest_rate":                   {"slow", "is not a rate"},
	"download.parallel":                      {17, "want 1 to 16"},
	"download.patience":                      {"1ms", "out of bounds"},
	"download.rate_limit":                    {"fast", "is not a rate"},
	"download.stall_timeout":                 {"1ms", "out of bounds"},
	"hardware":                               {"", "want 1 to 64 printable characters"},
	"health.command":                         {[]any{"./none"}, "cannot be run"},
	"health.http":                            {"127.0.0.1", "is not an address"},
	"health.unit":                            {"app", "want the full name of a systemd unit"},
	"log.format":                             {"xml", "want one of text, json"},
	"log.level":                              {"loud", "is not a level"},
	"product":                                {"gw/200", "want 1 to 64 characters"},
	"state_dir":                              {[]any{"a"}, "want a single value"},
	"storage.access_key_file":                {"nowhere", "cannot be read"},
	"storage.ca_file":                        {"none.pem", "cannot be read"},
	"storage.cert_file":                      {"none.pem", "cannot be read"},
	"storage.key_file":                       {"none.key", "cannot be read"},
	"storage.endpoint":                       {"s3://bucket", "is not an endpoint"},
	"storage.path_style":                     {1, "is neither true nor false"},
	"storage.region":                         {"", "want 1 to 64 printable characters"},
	"storage.secret_key_file":                {"nowhere", "cannot be read"},
	"sub_device_parallel":                    {0, "want 1 to 64"},
	"sub_devices.device":                     {"valve 1", "want 1 to 64 characters"},
	"sub_devices.devices":                    {[]any{"meter 1"}, "want 1 to 64 characters"},
	"sub_devices.hardware":                   {"", "want 1 to 64 printable characters"},
	"sub_devices.product":                    {"valve/1", "want 1 to 64 characters"},
	"trust.allow_unsigned":                   {"maybe", "is neither true nor false"},
	"trust.keys":                             {[]any{"none.pub"}, "cannot be read"},
	"trust.threshold":                        {2, "wants 2 signatures of 1 key;"},
	"platform.hawkbit.allow_weak_digest":     {"perhaps", "is neither true nor false"},
	"platform.hawkbit.manifest":              {"signed", "want one of sidecar, platform"},
	"platform.hawkbit.modules":               {[]any{"rootfs"}, "want MODULE=COMPONENT"},
	"platform.hawkbit.versions":              {"higher", "want one of any, semver"},
	"platform.hawkbit.ca_file":               {"none.pem", "cannot be read"},
	"platform.hawkbit.cert_file":             {"none.pem", "cannot be read"},
	"platform.hawkbit.gateway_token_file":    {"nowhere", "cannot be read"},
	"platform.hawkbit.key_file":              {"none.key", "cannot be read"},
	"platform.hawkbit.on_failure":            {"perhaps", "want one of stop, continue, revert"},
	"platform.hawkbit.tenant":                {"a/b", "want a name without"},
	"platform.hawkbit.token_file":            {"nowhere", "cannot be read"},
	"platform.hawkbit.url":                   {"mqtt://hawkbit.example.com", "is not a scheme of hawkBit"},
	"platform.quecthing.allow_weak_digest":   {"perhaps", "is neither true nor false"},
	"platform.quecthing.ca_file":             {"none.pem", "cannot be read"},
	"platform.quecthing.cert_file":           {"none.pem", "cannot be read"},
	"platform.quecthing.iccid":               {"a\nb", "line"},
	"platform.quecthing.key_file":            {"none.key", "cannot be read"},
	"platform.quecthing.manifest":            {"sidecar", "must be platform"},
	"platform.quecthing.model":               {"a\nb", "line"},
	"platform.quecthing.on_failure":          {"perhaps", "want one of stop, continue, revert"},
	"platform.quecthing.product_secret_file": {"nowhere", "cannot be read"},
	"platform.quecthing.session_key":         {"perhaps", "is neither true nor false"},
	"platform.quecthing.url":                 {"https://iot.example.com", "is not a scheme of a broker"},
	"platform.quecthing.username":            {"a\nb", "line"},
	"platform.quecthing.versions":            {"higher", "want one of any, semver"},
	"windows":                                {[]any{"mon-fri 1am-5am UTC"}, "is not a time of day"},
}

// TestEveryKey walks the list of keys that the program itself gives: each of them
// stands in a configuration that is valid, and is refused, by its name, with a
// value that is not.
func TestEveryKey(t *testing.T) {
	t.Parallel()
	native, gateway, single := everything(t), onHawkBit(t, "gateway_token_file"), onHawkBit(t, "token_file")
	quecthing := onQuecThing(t)
	validate := func(d *harness.Device, args ...string) harness.Outcome {
		d.Configure()
		return harness.Run(t, d.Dir, programs.Agent, append([]string{"validate", "--config", "agent.yaml"}, args...)...)
	}
	for _, d := range []*harness.Device{native, gateway, single, quecthing} {
		valid := validate(d)
		require.Equal(t, 0, valid.Code, valid.Err)
	}
	keys := strings.Fields(validate(native, "--keys").Out)
	require.Greater(t, len(keys), 45)
	for _, key := range keys {
		if _, same := badValues[strings.TrimPrefix(key, "sub_devices.")]; same && strings.Count(key, ".") > 1 &&
			strings.HasPrefix(key, "sub_devices.") {
			continue // the components, conditions and checks of a sub-device are as those of the gateway
		}
		t.Run(key, func(t *testing.T) {
			bad, found := badValues[key]
			require.True(t, found, "the table has no bad value for the key %s", key)
			d, path := native, strings.Split(key, ".")
			switch {
			case key == "platform.hawkbit.token_file":
				d = single
			case strings.HasPrefix(key, "platform.quecthing."):
				d = quecthing
			case path[0] == "platform":
				d = gateway
			}
			before, name, found := swap(d.Settings, path, bad.value)
			require.True(t, found, "the configuration of this test does not have the key %s", key)
			outcome := validate(d)
			swap(d.Settings, path, before)
			assert.Equal(t, 2, outcome.Code)
			named := false
			for _, line := range strings.Split(outcome.Err, "\n") {
				named = named || strings.Contains(line, ": "+name) && strings.Contains(line, bad.says)
			}
			assert.True(t, named, "%s: no line names it and says %q:\n%s", name, bad.says, outcome.Err)
		})
	}
	guide, err := os.ReadFile("../../docs/OPERATOR.md")
	require.NoError(t, err)
	for _, key := range keys {
		short := strings.TrimPrefix(key, "sub_devices.")
		short = strings.TrimPrefix(strings.TrimPrefix(short, "components."), "health.")
		for _, part := range []string{".send", ".expect", ".timeout", ".attempts"} {
			if exchange := strings.TrimSuffix(short, part); strings.Contains(exchange, ".") {
				short = exchange // what an exchange has is explained once
			}
		}
		assert.Contains(t, string(guide), "`"+short, "docs/OPERATOR.md does not explain the key %s", key)
	}
	for key := range badValues {
		assert.Contains(t, keys, key, "the table has a key that the program does not know")
	}
}

// swap puts a value at the first place of the settings that has a key, and gives
// the value that was there and the key's name in messages.
func swap(in any, path []string, value any) (before any, name string, found bool) {
	switch in := in.(type) {
	case harness.Settings:
		old, is := in[path[0]]
		if !is {
			return nil, "", false
		}
		if len(path) == 1 {
			in[path[0]] = value
			return old, path[0], true
		}
		before, name, found = swap(old, path[1:], value)
		if strings.HasPrefix(name, "[") {
			return before, path[0] + name, found
		}
		return before, path[0] + "." + name, found
	case []any:
		for i, entry := range in {
			if before, name, found := swap(entry, path, value); found {
				return before, "[" + string(rune('0'+i)) + "]." + name, true
			}
		}
	}
	return nil, "", false
}

// certificates makes an authority, and a certificate of its own for this machine with
// its key.
func certificates(t *testing.T) (authority, certificate, key []byte) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return certificate, certificate, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}
