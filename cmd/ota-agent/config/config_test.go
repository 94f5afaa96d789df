package config_test

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/agent/host"
	"otafleet/cmd/ota-agent/config"
	"otafleet/firmware"
	"otafleet/firmware/modem"
	"otafleet/firmware/port"
	"otafleet/firmware/serial"
	"otafleet/firmware/transfer"
	"otafleet/internal/ota"
	"otafleet/internal/yamlform"
)

var update = flag.Bool("update", false, "write the golden files")

// place lays a configuration of testdata into a directory of its own, among the
// files to which it refers, and gives its path.
func place(t testing.TB, name string) string {
	t.Helper()
	dir := t.TempDir()
	for file, mode := range map[string]os.FileMode{
		"password": 0o600, "access": 0o600, "secret": 0o600, "key.pem": 0o640, "everybody": 0o644,
		"ca.pem": 0o644, "cert.pem": 0o644, "release.pub": 0o644, "spare.pub": 0o644,
		"capacity": 0o644, "handler": 0o755, "app.bin": 0o644, "slot-a": 0o600, "slot-b": 0o600,
	} {
		path := filepath.Join(dir, file)
		require.NoError(t, os.WriteFile(path, []byte("x"), mode))
		require.NoError(t, os.Chmod(path, mode)) // whatever the umask is
	}
	for _, name := range []string{"web", "run"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o755))
	}
	data, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	path := filepath.Join(dir, "agent.yaml")
	require.NoError(t, os.WriteFile(path, data, 0o644))
	return path
}

func TestEveryKey(t *testing.T) {
	path := place(t, "full.yaml")
	at := func(name string) string { return filepath.Join(filepath.Dir(path), name) }
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	c, err := config.Load(path)
	require.NoError(t, err)
	radio := modem.Quectel()
	radio.Upload = port.Exchange{}
	assert.Equal(t, &config.Config{
		Product: "gw-200", Device: "gw-0001", Hardware: "rev-b",
		Broker: config.Broker{
			URLs:     []*url.URL{{Scheme: "mqtts", Host: "ota.example.com:8883"}, {Scheme: "mqtt", Host: "127.0.0.1:1884"}},
			Username: "gw-0001", PasswordFile: at("password"),
			Certificates: host.Certificates{CAFile: at("ca.pem"), CertFile: at("cert.pem"), KeyFile: at("key.pem")},
			Prefix:       "ota/staging", KeepAlive: 30 * time.Second, SessionExpiry: time.Hour,
		},
		StateDir: at("state"), ControlSocket: at("run/agent.sock"),
		Trust: config.Trust{Keys: []string{at("release.pub"), at("spare.pub")}, Threshold: 2},
		Storage: &config.Storage{Endpoint: "https://oss.example.com", Region: "eu-1", AccessKeyFile: at("access"),
			SecretKeyFile: at("secret"), PathStyle: true,
			Certificates: host.Certificates{CAFile: at("ca.pem"), CertFile: at("cert.pem"), KeyFile: at("key.pem")}},
		Download: config.Download{RateLimit: 1 << 20, StallTimeout: 10 * time.Second, Attempts: 7, Parallel: 3,
			Cache: 64 << 20, LowestRate: 2 << 10, Patience: time.Hour, Deadline: 24 * time.Hour,
			Allow: []string{"oss.lan"}, Deny: []string{"10.0.0.0/8"}, HTTPSOnly: true},
		Confirm: config.ConfirmByCommand, ConfirmCommand: []string{at("handler"), "--plan"},
		Windows: []agent.Window{
			{Days: [7]bool{1: true, 2: true, 3: true, 4: true, 5: true}, From: 60, To: 300, Zone: berlin},
			{Days: [7]bool{0: true, 6: true}, From: 1320, To: 360, Zone: time.UTC},
		},
		Conditions: config.Conditions{BatteryFile: at("capacity"), RSSICommand: []string{at("handler"), "rssi"},
			BusyFile: "/run/busy",
			Least:    ota.Conditions{MinBattery: new(30), MinRSSI: new(-95), Space: 10 << 20}},
		Components: []config.Component{
			{ID: "app", Type: ota.Module, Installer: config.InstallerFile, Version: "1.10", File: &config.FileInstaller{
				Path: at("app.bin"), After: []string{"sh", "-c", "true"}, Mode: 0o750, Restart: firmware.RestartProcess,
			}},
			{ID: "web", Type: ota.Module, Installer: config.InstallerFile, Version: "3_0", File: &config.FileInstaller{
				Path: at("web"), Unpack: true, Restart: firmware.RestartNone,
			}},
			{ID: "rootfs", Type: ota.Module, Installer: config.InstallerSlot, Version: "2.1", Slot: &config.SlotInstaller{
				Devices: [2]string{at("slot-a"), at("slot-b")}, Boot: config.BootFlag, BootFile: at("flag"),
				Running: "/run/slot", Tries: 2, VersionFile: "/etc/version",
			}},
			{ID: "motor", Type: ota.MCU, Installer: config.InstallerCommand, Irreversible: true, Release: 7,
				Trust: &config.Trust{Keys: []string{at("spare.pub")}, Threshold: 1}, Command: &config.CommandInstaller{
					Path: at("handler"), ApplyDeltas: true, Timeout: 5 * time.Minute,
				}},
			{ID: "pump", Type: ota.MCU, Installer: config.InstallerSerial,
				LineInstallers: config.LineInstallers{Serial: &serial.Config{
					Port: port.Config{Path: at("tty"), Baud: 57600}, Protocol: serial.Pull,
					Version: port.Exchange{Send: "version\r", Expect: regexp.MustCompile(`version (\S+)`), Timeout: 3 * time.Second,
						Attempts: 2},
					Enter: []port.Exchange{
						{Send: "update\r", Expect: regexp.MustCompile("ready"), Timeout: 2 * time.Second, Attempts: 3},
						{Send: "yes\r", Timeout: 2 * time.Second, Attempts: 3},
					},
					Start:   []port.Exchange{{Expect: regexp.MustCompile("boot ok"), Timeout: 20 * time.Second, Attempts: 3}},
					Timeout: 5 * time.Second, Attempts: 4, Tries: 2, StartLimit: time.Minute, Block: 64 << 10, Capacity: 1 << 20,
					Factory: transfer.Factory{Version: "3_0", Path: at("app.bin")},
				}}},
			{ID: "fan", Type: ota.MCU, Installer: config.InstallerSerial,
				LineInstallers: config.LineInstallers{Serial: &serial.Config{
					Port: port.Config{Path: "/dev/ttyS1", Baud: 115200}, Protocol: serial.SMP,
					Version: port.Exchange{Timeout: 2 * time.Second, Attempts: 3},
				}}},
			{ID: "modem", Type: ota.Module, Installer: config.InstallerModem,
				LineInstallers: config.LineInstallers{Modem: &modem.Config{
					Port: port.Config{Path: "/dev/ttyUSB2", Baud: 921600}, Full: true, Tries: 1, StallTimeout: 15 * time.Minute,
					StartLimit: 5 * time.Minute, UpgradeLimit: time.Hour,
					Capacity: 64 << 20, Factory: transfer.Factory{Version: "R1", Path: at("app.bin")},
					Profile: modem.Profile{
						Version: port.Exchange{Send: "AT+CGMR\r", Expect: regexp.MustCompile(`(\S+)\r\n\r\nOK`),
							Timeout: 2 * time.Second, Attempts: 3},
						Prepare: []port.Exchange{{Send: "ATE0\r", Expect: regexp.MustCompile("OK"), Timeout: 2 * time.Second,
							Attempts: 3}},
						Upload: port.Exchange{Send: "AT+UP={size}\r", Expect: regexp.MustCompile("CONNECT"), Timeout: 2 * time.Second,
							Attempts: 1},
						Uploaded: regexp.MustCompile(`UP: (\d+)`),
						Trigger: port.Exchange{Send: "AT+GO={name}\r", Expect: regexp.MustCompile("OK"), Timeout: 2 * time.Second,
							Attempts: 1},
						Progress: regexp.MustCompile(`\+GO: (\d+)%`), End: regexp.MustCompile(`\+END: (\d+)`),
						Failed: regexp.MustCompile(`\+FAIL`),
					},
				}}},
			{ID: "radio", Type: ota.Module, Installer: config.InstallerModem,
				LineInstallers: config.LineInstallers{Modem: &modem.Config{
					Port: port.Config{Path: "/dev/ttyUSB3", Baud: 115200}, Profile: radio,
				}}},
		},
		Health: []host.Check{{HTTP: "http://127.0.0.1:8080/healthz"}, {Unit: "app.service"},
			{Command: []string{"sh", "-c", "exit 0"}}},
		SubDeviceParallel: 1,
		SubDevices:        subDevices(at),
		ContactTimeout:    10 * time.Minute,
		GiveWay:           time.Hour,
		Soak:              2 * time.Minute,
		RestartSoak:       2 * time.Minute,
		System:            host.System{RestartCommand: []string{at("handler"), "restart"}, BootIDFile: at("boot_id")},
		Log:               config.Log{Level: slog.LevelDebug, Format: config.LogJSON},
		Warnings:          []string{},
	}, c)
}

func TestDefaults(t *testing.T) {
	path := place(t, "least.yaml")
	c, err := config.Load(path)
	require.NoError(t, err)
	assert.Equal(t, "ota/v1", c.Broker.Prefix)
	assert.Equal(t, time.Minute, c.Broker.KeepAlive)
	assert.Equal(t, 24*time.Hour, c.Broker.SessionExpiry)
	assert.Equal(t, "/var/lib/ota-agent", c.StateDir)
	socket := "/run/ota-agent.sock"
	if _, err := os.Stat("/run/ota-agent"); err == nil { // of an agent that is installed here
		socket = "/run/ota-agent/agent.sock"
	}
	assert.Equal(t, socket, c.ControlSocket)
	assert.Equal(t, 1, c.Trust.Threshold)
	assert.False(t, c.Trust.AllowUnsigned)
	assert.Nil(t, c.Storage)
	assert.Equal(t, config.Download{StallTimeout: 30 * time.Second, Attempts: 5, Parallel: 2, Cache: 256 << 20,
		LowestRate: 4 << 10, Patience: 30 * time.Minute, Deadline: 168 * time.Hour}, c.Download)
	assert.Empty(t, c.SubDevices)
	assert.Equal(t, 2, c.SubDeviceParallel)
	assert.Equal(t, config.ConfirmAuto, c.Confirm)
	assert.Equal(t, 30*time.Minute, c.ContactTimeout)
	assert.Equal(t, config.Log{Level: slog.LevelInfo, Format: config.LogText}, c.Log)
	assert.Nil(t, c.Components[0].Command)
	assert.Equal(t, firmware.RestartNone, c.Components[0].File.Restart)
	assert.Empty(t, c.Health)
	assert.Empty(t, c.Warnings)
}

// golden holds text against a file of testdata; -update writes it anew.
func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), text)
}

func TestEveryMistake(t *testing.T) {
	for _, name := range []string{"mistakes", "mistakes-sub"} {
		path := place(t, name+".yaml")
		c, err := config.Load(path)
		assert.Nil(t, c)
		var all *yamlform.Error
		require.ErrorAs(t, err, &all)
		golden(t, name+".txt", strings.ReplaceAll(err.Error(), filepath.Dir(path)+"/", "")+"\n")
		assert.NotContains(t, err.Error(), "hunter2")
	}
}

func TestWarnings(t *testing.T) {
	path := place(t, "unwise.yaml")
	c, err := config.Load(path)
	require.NoError(t, err)
	golden(t, "unwise.txt", strings.ReplaceAll(strings.Join(c.Warnings, "\n"), filepath.Dir(path)+"/", "")+"\n")
}

// Whoever can change one of these files owns the device.
func TestFilesThatEveryUserCanChange(t *testing.T) {
	for name, key := range map[string]string{"agent.yaml": "", "release.pub": "trust.keys",
		"handler": "components[1].command.path"} {
		path := place(t, "full.yaml")
		file := filepath.Join(filepath.Dir(path), name)
		require.NoError(t, os.Chmod(file, 0o777))
		c, err := config.Load(path)
		require.NoError(t, err)
		warnings := strings.Join(c.Warnings, "\n")
		assert.Contains(t, warnings, file+" can be changed by every user; want chmod o-w", key)
	}
	path := place(t, "full.yaml")
	require.NoError(t, os.Chmod(filepath.Dir(path), 0o777))
	c, err := config.Load(path)
	require.NoError(t, err)
	assert.Contains(t, strings.Join(c.Warnings, "\n"), filepath.Dir(path)+" can be changed by every user")
}

func TestPlacesThatTheAgentMakes(t *testing.T) {
	for text, want := range map[string]string{
		"state_dir: release.pub":            "release.pub is not a directory",
		"state_dir: no/where":               "cannot be made now: ",
		"control_socket: release.pub":       "release.pub is there and is not a socket",
		"control_socket: no/where/a.socket": "cannot be opened now: ",
	} {
		path := place(t, "least.yaml")
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, append(data, "\n"+text+"\n"...), 0o644))
		c, err := config.Load(path)
		if err == nil {
			err = errors.New(strings.Join(c.Warnings, "\n"))
		}
		assert.ErrorContains(t, err, want, text)
	}
}

func TestRelativePathsStartFromTheFile(t *testing.T) {
	path := place(t, "least.yaml")
	t.Chdir(filepath.Dir(path))
	c, err := config.Load("agent.yaml")
	require.NoError(t, err)
	here, err := os.Getwd()
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(here, "release.pub"), c.Trust.Keys[0])
}

func TestFileThatCannotBeRead(t *testing.T) {
	_, err := config.Load(filepath.Join(t.TempDir(), "agent.yaml"))
	require.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, "cannot read the configuration: ")

	_, err = config.Load(t.TempDir())
	require.Error(t, err)

	long := filepath.Join(t.TempDir(), "long.yaml")
	require.NoError(t, os.WriteFile(long, make([]byte, 2<<20), 0o644))
	_, err = config.Load(long)
	assert.ErrorContains(t, err, "at most 1048576 are read")
}

func TestTrustNeedsKeys(t *testing.T) {
	for trust, want := range map[string]string{
		"{}":               "trust.keys: is missing; without a key the device can accept no package",
		"{keys: []}":       "trust.keys: has 0 entries; want 1 to 16",
		"{keys: [absent]}": "trust.keys[0]: cannot be read: ",
		"{keys: [web]}":    "is not a file",
	} {
		path := place(t, "least.yaml")
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		text := strings.Replace(string(data), "{keys: [release.pub]}", trust, 1)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		_, err = config.Load(path)
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "\n")
	}
}

func TestStorageNeedsKeysForObjectsOnly(t *testing.T) {
	const missing = "storage.access_key_file: is missing"
	for storage, want := range map[string]string{
		"{ca_file: ca.pem}":                        "",
		"{cert_file: cert.pem, key_file: key.pem}": "",
		"{ca_file: ca.pem, endpoint: https://oss}": missing,
		"{ca_file: ca.pem, path_style: true}":      missing,
		"{}":                                       missing,
		"{cert_file: cert.pem}":                    "storage.cert_file: needs key_file beside it",
		"{key_file: key.pem, ca_file: ca.pem}":     "storage.key_file: needs cert_file beside it",
		"{ca_file: nowhere.pem}":                   "storage.ca_file: cannot be read: ",
	} {
		path := place(t, "least.yaml")
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, append(data, "\nstorage: "+storage+"\n"...), 0o644))
		c, err := config.Load(path)
		if want != "" {
			require.ErrorContains(t, err, want, storage)
			continue
		}
		require.NoError(t, err, storage)
		assert.Empty(t, c.Storage.Endpoint)
		assert.NotEmpty(t, c.Storage.Certificates)
	}
}

func TestDefaultsOfSlots(t *testing.T) {
	path := place(t, "unwise.yaml")
	c, err := config.Load(path)
	require.NoError(t, err)
	slots := c.Components[len(c.Components)-1].Slot
	assert.Equal(t, &config.SlotInstaller{
		Devices: [2]string{"/dev/no-slot-a", filepath.Join(filepath.Dir(path), "app.bin")},
		Boot:    config.BootGRUB, BootFile: "/boot/grub/grubenv", Running: config.RunningAuto, Tries: 3,
	}, slots)
}

// FuzzLoad loads arbitrary files: what comes out must be complete, anything else
// must be an error that can be printed.
func FuzzLoad(f *testing.F) {
	for _, name := range []string{"full.yaml", "least.yaml", "unwise.yaml", "mistakes.yaml"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		require.NoError(f, err)
		f.Add(data)
	}
	path := place(f, "least.yaml")
	f.Fuzz(func(t *testing.T, data []byte) {
		own := fmt.Sprintf("%s.%d", path, os.Getpid())
		require.NoError(t, os.WriteFile(own, data, 0o600))
		c, err := config.Load(own)
		if err != nil {
			assert.NotEmpty(t, err.Error())
			return
		}
		assert.True(t, ota.ValidKey(c.Product) && ota.ValidKey(c.Device))
		assert.NotEmpty(t, c.Broker.URLs)
		for _, component := range c.Components {
			given := 0
			for _, is := range []bool{component.File != nil, component.Slot != nil, component.Command != nil,
				component.Serial != nil, component.Modem != nil} {
				if is {
					given++
				}
			}
			assert.Equal(t, 1, given)
		}
	})
}

// The system is found in a configuration that cannot be used.
func TestSystemOfAFileWithMistakes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.yaml")
	require.NoError(t, os.WriteFile(path, []byte("restart_command: [sh, -c, exit]\nboot_id_file: id\nunknown: 1\n"),
		0o600))
	want := host.System{RestartCommand: []string{"sh", "-c", "exit"}, BootIDFile: filepath.Join(filepath.Dir(path), "id")}
	assert.Equal(t, want, config.SystemOf(path))
	assert.Zero(t, config.SystemOf(path+".none"))
}
