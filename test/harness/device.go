package harness

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"otafleet/internal/ota"
	"otafleet/internal/programtest"
	"otafleet/internal/shell"
)

// The identity of a Device, unless its settings say otherwise.
const (
	Product    = "gw-200"
	DeviceName = "gw-0001"
)

// Settings is a configuration file, or a part of one.
type Settings = map[string]any

// Device is an installation of ota-agent.
type Device struct {
	Dir      string // holds everything of it; short, for the socket's sake
	Programs Programs
	Settings Settings // written to agent.yaml at every start

	t testing.TB
}

// NewDevice lays out a device that trusts key and connects to the broker. It
// has no component yet: give it some with Components.
func NewDevice(t testing.TB, programs Programs, brokerURL string, key Key) *Device {
	t.Helper()
	dir, err := os.MkdirTemp("", "ota-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	d := &Device{Dir: dir, Programs: programs, t: t, Settings: Settings{
		"product": Product, "device": DeviceName,
		"broker":         Settings{"urls": []string{brokerURL}},
		"state_dir":      "state",
		"soak":           "0s", // what the version needs of time, its test says
		"control_socket": "agent.sock",
		"trust":          Settings{"keys": []string{"release.pub"}},
		"download":       Settings{"allow": []any{"127.0.0.0/8", "::1"}}, // the platforms of tests are on this machine
	}}
	d.Write("release.pub", key.Public(t), 0o644)
	return d
}

// Identity is what the platform calls the device.
func (d *Device) Identity() ota.Identity {
	return ota.Identity{Product: d.Settings["product"].(string), Device: d.Settings["device"].(string)}
}

// Components configures the device's components.
func (d *Device) Components(components ...Settings) { d.Settings["components"] = components }

// FileComponent is a component that is a file of the device, "<id>.bin", with
// further settings of its installer.
func FileComponent(id, version string, more Settings) Settings {
	file := Settings{"path": id + ".bin"}
	for key, value := range more {
		file[key] = value
	}
	return Settings{"id": id, "type": "module", "installer": "file", "version": version, "file": file}
}

// CommandComponent is a component with a handler: a program of the device.
func CommandComponent(id, handler string) Settings {
	return Settings{"id": id, "type": "mcu", "installer": "command", "command": Settings{"path": handler}}
}

// Path is the path of one of the device's files.
func (d *Device) Path(name string) string { return filepath.Join(d.Dir, name) }

// Write puts a file onto the device.
func (d *Device) Write(name string, content []byte, mode os.FileMode) {
	d.t.Helper()
	if err := os.MkdirAll(filepath.Dir(d.Path(name)), 0o755); err != nil {
		d.t.Fatal(err)
	}
	programtest.Write(d.t, d.Path(name), content, mode) // it may be one
}

// Read gives the content of one of the device's files.
func (d *Device) Read(name string) []byte {
	d.t.Helper()
	content, err := os.ReadFile(d.Path(name))
	if err != nil {
		d.t.Fatal(err)
	}
	return content
}

// Start writes the configuration and starts the agent.
func (d *Device) Start() *Process {
	d.t.Helper()
	d.Configure()
	return Start(d.t, d.Dir, d.Programs.Agent, "run", "--config", d.Path("agent.yaml"))
}

// Configure writes the configuration. JSON is YAML too.
func (d *Device) Configure() {
	d.t.Helper()
	content, err := json.MarshalIndent(d.Settings, "", "  ")
	if err != nil {
		d.t.Fatal(err)
	}
	d.Write("agent.yaml", content, 0o644)
}

// Shown is how the agent's answers to Do tell to type a verb.
func (d *Device) Shown(verb string) string {
	return shell.Line(d.Programs.Agent, verb, "--socket", d.Path("agent.sock"))
}

// Do runs a verb of ota-agent that talks to the running one.
func (d *Device) Do(verb string, args ...string) Outcome {
	d.t.Helper()
	return Run(d.t, d.Dir, d.Programs.Agent, append([]string{verb, "--socket", d.Path("agent.sock")}, args...)...)
}
