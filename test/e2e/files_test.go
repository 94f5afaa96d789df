package e2e_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/test/harness"
)

// damage is what may become of a file. Where nothing is left to read, every reader
// says so in the same words.
type damage struct {
	name string
	says string // empty where there is something to read
	put  func(path string, whole []byte) error
}

func damages() []damage {
	write := func(change func([]byte) []byte) func(string, []byte) error {
		return func(path string, whole []byte) error { return os.WriteFile(path, change(whole), 0o755) }
	}
	return []damage{
		{"half", "", write(func(b []byte) []byte { return b[:len(b)/2] })},
		{"empty", "", write(func([]byte) []byte { return nil })},
		{"zeroed", "", write(func(b []byte) []byte { return make([]byte, len(b)) })},
		{"noise", "", write(func(b []byte) []byte { return harness.Image(uint64(len(b)), len(b)) })},
		{"swapped", "", write(func([]byte) []byte { return []byte(`{"name":"of another kind","size":7}` + "\n") })},
		{"endless", "", func(path string, whole []byte) error {
			return errors.Join(os.WriteFile(path, whole, 0o755), os.Truncate(path, 1<<40))
		}},
		{"link", "", func(path string, whole []byte) error { // to what it was
			return errors.Join(os.WriteFile(path+".moved", whole, 0o755), os.Symlink(filepath.Base(path)+".moved", path))
		}},
		{"closed", "permission denied", func(path string, whole []byte) error {
			return errors.Join(os.WriteFile(path, whole, 0o600), os.Chmod(path, 0))
		}},
		{"directory", "not", func(path string, _ []byte) error { return os.MkdirAll(filepath.Join(path, "in it"), 0o755) }},
		{"pipe", "not", func(path string, _ []byte) error { return syscall.Mkfifo(path, 0o666) }},
		{"dangling", "no such file", func(path string, _ []byte) error { return os.Symlink("nothing", path) }},
		{"circle", "", func(path string, _ []byte) error { return os.Symlink(filepath.Base(path), path) }},
	}
}

// does damages a file of a directory, and gives it to whoever the program runs as.
func (d damage) does(t *testing.T, dir, name string) {
	t.Helper()
	path := filepath.Join(dir, name)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.Remove(path))
	require.NoError(t, d.put(path, whole))
	harness.Own(t, dir)
}

// ends says how a program that met a damage ended: in order.
func ends(t *testing.T, outcome harness.Outcome, code int, says ...string) {
	t.Helper()
	for _, end := range []string{"panic", "goroutine ", "fatal error"} {
		assert.NotContains(t, outcome.Err, end)
	}
	assert.Equal(t, code, outcome.Code, outcome.Err+outcome.Out)
	for _, text := range says {
		assert.Contains(t, outcome.Err, text)
	}
}

// notFile is what is said where links are followed nowhere.
func notFile(says string) string {
	if says == "permission denied" {
		return says
	}
	return "is not a file"
}

// TestDamagedConfiguration puts every damage in the place of every file that the
// configuration is, or names: validate says what is wrong, and with which key.
func TestDamagedConfiguration(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		file, key string
		fine      string // damages that leave something that can be used
	}{
		{"agent.yaml", "agent.yaml", "link"},
		{"release.pub", "trust.keys", "link"},
		{"ca.pem", "broker.ca_file", "link"},
		{"cert.pem", "broker.cert_file", "link"},
		{"key.pem", "broker.key_file", "link"},
		{"password", "broker.password_file", "half empty zeroed noise swapped endless link"}, // any text may be one
		{"secret", "storage.secret_key_file", "half empty zeroed noise swapped endless link"},
		{"access", "storage.access_key_file", "half empty zeroed noise swapped endless link"},
		{"mcu/handler", "command.path", "half empty zeroed noise swapped endless link"}, // the system judges programs
		{"battery", "conditions.battery_file",
			"half empty zeroed noise swapped endless link closed directory pipe dangling circle"},
	} {
		for _, d := range damages() {
			t.Run(row.file+" "+d.name, func(t *testing.T) {
				t.Parallel()
				dir := configured(t)
				d.does(t, dir, row.file)
				outcome := harness.RunAsNobody(t, dir, programs.Agent, "validate", "--config", "agent.yaml")
				if strings.Contains(row.fine, d.name) {
					ends(t, outcome, 0)
					return
				}
				if row.file == "mcu/handler" {
					d.says = "cannot be run"
				}
				ends(t, outcome, 2, row.key, d.says)
			})
		}
	}
}

// configured lays out a device whose configuration names files of every kind.
func configured(t *testing.T) string {
	t.Helper()
	key := harness.NewKey(t)
	d := harness.NewDevice(t, programs, "mqtts://127.0.0.1:1", key)
	broker := d.Settings["broker"].(harness.Settings)
	broker["username"], broker["password_file"], broker["ca_file"] = "gw-1", "password", "ca.pem"
	broker["cert_file"], broker["key_file"] = "cert.pem", "key.pem"
	d.Settings["storage"] = harness.Settings{
		"endpoint":        "https://oss.example.com",
		"access_key_file": "access",
		"secret_key_file": "secret",
	}
	d.Settings["conditions"] = harness.Settings{"battery_file": "battery"}
	d.Components(harness.FileComponent("app", "1.0.0", nil), harness.CommandComponent("mcu", "mcu/handler"))
	d.Write("app.bin", []byte("old"), 0o755)
	d.Write("mcu/handler", handler, 0o755)
	for name, content := range map[string]string{"password": "secret word\n", "access": "AKIA1\n", "secret": "hidden\n",
		"battery": "80\n"} {
		d.Write(name, []byte(content), 0o600)
	}
	authority, cert, private := certificates(t)
	d.Write("ca.pem", authority, 0o644)
	d.Write("cert.pem", cert, 0o644)
	d.Write("key.pem", private, 0o600)
	d.Configure()
	return d.Dir
}

// copyOf copies a directory to a path that is short, for a socket's sake.
func copyOf(t *testing.T, dir string) string {
	t.Helper()
	to, err := os.MkdirTemp("", "ota-")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(to) })
	require.NoError(t, os.CopyFS(to, os.DirFS(dir)))
	return to
}

// TestDamagedFiles puts every damage in the place of every file that a device which
// has been upgraded keeps. The agent starts, or says which file keeps it from that;
// and a device that is started can be upgraded again.
func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	s := newSetting(t)
	s.device.Components(harness.FileComponent("app", "1.0.0", nil), s.addHandler("mcu"), s.addSlots())
	agent := s.device.Start()
	s.upgrade(harness.Plan{ID: "p"}, ota.DeviceUpgraded, s.pack("1.1.0", 1, "new"), s.packMCU("mcu", "1.1.0", 1))
	for _, verb := range []string{"pause", "resume"} { // each is saved, so that both states know the end of the plan
		require.Equal(t, 0, s.device.Do(verb).Code)
	}
	require.Equal(t, 0, agent.Stop())
	s.device.Write("state/events.jsonl.1", s.device.Read("state/events.jsonl"), 0o640)
	s.device.Write("state/rescues", []byte("1"), 0o600)
	s.device.Write("state/package-app.json", []byte(`{}`), 0o600)
	s.device.Write("state/components/mcu/run", []byte("of another start\n"), 0o600)
	s.bundleFile("next.ota", "1.2.0", 2, "newer", nil, s.key)
	s.device.Settings["broker"] = harness.Settings{"urls": []string{"mqtt://127.0.0.1:1"}} // no broker there
	for _, row := range []struct {
		file    string
		stops   string // damages that keep the agent from starting
		refuses string // damages with which app is not upgraded
	}{
		{"state/state.0", "closed", ""},
		{"state/state.1", "closed", ""},
		{"state/lock", "closed directory pipe dangling circle link", ""},
		{"state/events.jsonl", "", ""},
		{"state/events.jsonl.1", "", ""},
		{"state/rescues", "", ""},
		{"state/package-app.json", "", ""},
		{"state/components/app/record.json", "", "closed"},
		{"state/components/app/job.json", "", "closed"},
		{"state/components/mcu/handler.json", "", ""},
		{"state/components/mcu/job.json", "", ""},
		{"state/components/mcu/run", "", ""},
		{"boot/flag", "", ""},
		{"boot/running", "", ""},
		{"boot/version", "", ""},
	} {
		for _, d := range damages() {
			t.Run(row.file+" "+d.name, func(t *testing.T) {
				t.Parallel()
				copied := *s.device
				copied.Dir = copyOf(t, s.device.Dir)
				copied.Configure()
				d.does(t, copied.Dir, row.file)
				agent := harness.StartAsNobody(t, copied.Dir, programs.Agent, "run", "--config", "agent.yaml")
				if strings.Contains(row.stops, d.name) {
					code := agent.Wait()
					ends(t, harness.Outcome{Code: code, Err: agent.Output()}, 1, "cannot ", row.file, notFile(d.says))
					return
				}
				agent.AwaitOutput("control socket is open")
				// The state before the last one is of a paused device.
				harness.Await(t, "the end of the pause", func() bool { return copied.Do("resume").Code == 4 })
				outcome := copied.Do("install", copied.Path("usb/next.ota"))
				if strings.Contains(row.refuses, d.name) {
					ends(t, outcome, 1, row.file, d.says)
					return
				}
				ends(t, outcome, 0)
				assert.Equal(t, "newer", string(copied.Read("app.bin")))
				ends(t, harness.Outcome{Code: agent.Stop(), Err: agent.Output()}, 0)
				if strings.HasPrefix(row.file, "boot/version") {
					assert.Contains(t, agent.Output(), readable(d, row.file), "the component is not silently another one")
				}
			})
		}
	}
}

// readable is what a log says of a file that gives nothing to read.
func readable(d damage, file string) string {
	if d.says == "" {
		return ""
	}
	return file
}

// addSlots is a component of two image files, of which the boot process says that
// the first one runs.
func (s *setting) addSlots() harness.Settings {
	for name, content := range map[string]string{"a.img": "image a", "b.img": "image b", "flag": "slot=a\ntries=\n",
		"running": "a\n", "version": "1.0.0\n"} {
		s.device.Write("boot/"+name, []byte(content), 0o644)
	}
	return harness.Settings{"id": "os", "type": "module", "installer": "slot", "slot": harness.Settings{
		"devices": []string{
			"boot/a.img",
			"boot/b.img",
		},
		"boot":         "flag",
		"boot_file":    "boot/flag",
		"running":      "boot/running",
		"version_file": "boot/version",
	}}
}

// TestDamagedPackageFile puts every damage in the place of a package that an
// operator brings: it is said before anything is asked of the device.
func TestDamagedPackageFile(t *testing.T) {
	t.Parallel()
	s := newSetting(t)
	s.bundleFile("next.ota", "1.1.0", 2, string(harness.Image(5, 50_000)), nil, s.key)
	s.device.Configure()
	for _, d := range damages() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			dir := copyOf(t, s.device.Dir)
			d.does(t, dir, "usb/next.ota")
			outcome := harness.RunAsNobody(t, dir, programs.Agent, "rehearse", "--config", "agent.yaml", "usb/next.ota")
			switch d.name {
			case "link":
				ends(t, outcome, 3, "is ota-agent running?")
			case "half":
				ends(t, outcome, 1)
				assert.Contains(t, outcome.Out, "damaged")
			default:
				ends(t, outcome, 1, "usb/next.ota", d.says)
			}
		})
	}
}

// TestDamagedDownload puts every damage in the place of what a device has on the
// disk in the middle of a download. It goes on, or begins the download anew.
func TestDamagedDownload(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"state/package-app.json", "state/components/app/job.json", "app.bin.ota-next"} {
		for _, d := range damages() {
			if d.name == "closed" {
				continue // the agent of this test may be root's
			}
			t.Run(file+" "+d.name, func(t *testing.T) {
				t.Parallel()
				s := newSetting(t)
				s.device.Settings["download"] = harness.Settings{"rate_limit": "512KiB/s", "allow": []any{"127.0.0.0/8"}}
				agent := s.device.Start()
				image := string(harness.Image(3, 512<<10))
				s.platform.Offer(harness.Plan{ID: "p"}, s.pack("1.1.0", 1, image))
				harness.Await(t, "the first bytes", func() bool {
					info, err := os.Stat(s.device.Path("app.bin.ota-next"))
					return err == nil && info.Size() > 0
				})
				agent.Kill()
				path := s.device.Path(file)
				whole, err := os.ReadFile(path)
				require.NoError(t, err)
				require.NoError(t, os.Remove(path))
				require.NoError(t, d.put(path, whole))
				s.device.Start()
				s.platform.AwaitStatus("p", s.device, ota.DeviceUpgraded)
				assert.Equal(t, image, string(s.device.Read("app.bin")))
			})
		}
	}
}

// TestDamagedZone puts every damage in the place of the data of a time zone.
func TestDamagedZone(t *testing.T) {
	t.Parallel()
	s := newSetting(t)
	s.device.Settings["windows"] = []string{"01:00-05:00 Test/Zone"}
	s.device.Configure()
	s.device.Write("zones/Test/Zone", []byte("TZif2 and no more"), 0o644)
	for _, d := range damages() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			dir := copyOf(t, s.device.Dir)
			d.does(t, dir, "zones/Test/Zone")
			outcome := harness.RunAsNobody(t, dir, "env", "ZONEINFO="+filepath.Join(dir, "zones"), programs.Agent, "validate",
				"--config", "agent.yaml")
			ends(t, outcome, 2, `the time zone "Test/Zone" is not known on this device`)
		})
	}
}
