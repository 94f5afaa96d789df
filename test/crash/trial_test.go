//go:build crash

package crash_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"otafleet/internal/ota"
	"otafleet/simulator/platform"
	"otafleet/test/harness"
)

// trial is one device, its disk and its platform. The agent sees nothing but the
// device's directory, with the disk in it: no /proc, where it could learn that
// the machine has not restarted, and no program that would restart it.
type trial struct {
	*scene
	t        *testing.T
	disk     *disk // nil while there is none
	platform *harness.Platform
	device   *harness.Device
	agent    *harness.Process
}

func newTrial(t *testing.T, s *scene) *trial {
	r := &trial{scene: s, t: t, platform: harness.StartPlatform(t, platform.Config{})}
	r.device = harness.NewDevice(t, harness.Programs{}, r.platform.BrokerURL(), s.key)
	r.device.Settings["state_dir"] = "/disk/state"
	var components []harness.Settings
	for _, p := range s.parts {
		components = append(components, p.settings())
	}
	r.device.Components(components...)
	r.device.Configure()
	require.NoError(t, os.Link(agentProgram, r.device.Path("ota-agent")))
	require.NoError(t, os.Mkdir(r.device.Path("disk"), 0o700))
	r.platform.Offer(harness.Plan{ID: "p", OnFailure: s.onFailure}, s.packages...)
	t.Cleanup(r.remove)
	return r
}

// insert gives the device a disk with a content.
func (r *trial) insert(content []byte) {
	r.disk = newDisk(r.t, content)
	sh(r.t, "mount", "-o", "loop", r.disk.path(), r.device.Path("disk"))
}

// remove takes it away.
func (r *trial) remove() {
	if r.disk == nil {
		return
	}
	// A program that another trial has just begun to start may have inherited
	// what this one had open.
	harness.Await(r.t, "the disk's unmount", func() bool {
		err := unix.Unmount(r.device.Path("disk"), 0)
		require.True(r.t, err == nil || errors.Is(err, unix.EBUSY), "%v", err)
		return err == nil
	})
	r.disk.close()
	r.disk = nil
}

// restartWanted is what an agent says that has no program to restart the system.
const restartWanted = "cannot restart the system"

// live starts the device, and again when its agent wants that, until something
// is over.
func (r *trial) live(over func() bool) {
	r.t.Helper()
	r.start()
	harness.Await(r.t, "the end of "+r.name, func() bool {
		switch {
		case over():
			return true
		case strings.Contains(r.agent.Output(), restartWanted):
			r.agent.Kill()
			r.start()
		}
		return false
	})
	r.agent.Kill()
}

func (r *trial) start() {
	r.t.Helper()
	for _, p := range r.parts {
		if p.place == slots {
			r.boot(p)
		}
	}
	r.agent = harness.Start(r.t, r.device.Dir, "chroot", r.device.Dir, "/ota-agent", "run", "--config", "/agent.yaml")
}

// boot is a boot loader: it starts the slot that the flag names, by the rules of
// docs/OPERATOR.md. What it starts has to be whole.
func (r *trial) boot(p part) {
	r.t.Helper()
	out, err := exec.Command("sh", "-ec", loader(r.t), r.device.Path("disk/flag")).Output()
	if r.disk.isCut() {
		return
	}
	require.NoError(r.t, err)
	slot := strings.TrimSpace(string(out))
	version := map[bool]string{true: to, false: from}[bytes.Equal(r.slot(slot), p.after())]
	assert.True(r.t, version == to || bytes.Equal(r.slot(slot), p.before()), "slot %s starts, and is not whole", slot)
	r.device.Write("running", []byte(slot+"\n"), 0o644)
	r.device.Write("version", []byte(version+"\n"), 0o644)
}

// loader is the script of docs/OPERATOR.md, for one file system of many.
func loader(t *testing.T) string {
	t.Helper()
	guide, err := os.ReadFile("../../docs/OPERATOR.md")
	require.NoError(t, err)
	_, script, found := strings.Cut(string(guide), "<!-- flag-loader -->\n```sh\n")
	script, _, ends := strings.Cut(script, "```")
	require.True(t, found && ends)
	return `flag=$0; sync() { command sync -f "$flag"; }` + "\n" + script + `echo "$slot"`
}

// ended reports whether every component has come to its end, as the platform
// knows it.
func (r *trial) ended() bool {
	for _, p := range r.parts {
		trail := r.platform.Trail("p", p.id)
		if len(trail) == 0 || trail[len(trail)-1] != p.end {
			return false
		}
	}
	return true
}

// whole looks at what a cut has left before anything has put it right.
func (r *trial) whole() {
	for _, p := range r.parts {
		if p.place == file {
			live := r.read(p.id)
			assert.True(r.t, bytes.Equal(live, p.before()) || bytes.Equal(live, p.after()), "%s is whole", p.id)
		}
	}
}

// judge looks at the end.
func (r *trial) judge() {
	r.t.Helper()
	assert.Equal(r.t, r.end, r.platform.Status("p", r.device))
	assert.Empty(r.t, r.platform.Faults("p"))
	for _, p := range r.parts {
		want, slot := p.before(), "a"
		if r.end == ota.DeviceUpgraded {
			want, slot = p.after(), "b"
		}
		live := func() []byte { return r.read(p.id) }
		if p.place == slots {
			assert.Equal(r.t, "slot="+slot+"\ntries=\n", string(r.read("flag")))
			live = func() []byte { return r.slot(slot) }
		}
		assert.True(r.t, bytes.Equal(live(), want), "%s: the right version is live", p.id)
	}
}

func (r *trial) slot(name string) []byte { return r.read(name)[:imageSize] }

func (r *trial) read(name string) []byte {
	r.t.Helper()
	content, err := os.ReadFile(filepath.Join(r.device.Path("disk"), name))
	require.NoError(r.t, err)
	return content
}

func sh(t testing.TB, program string, args ...string) {
	t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	require.NoError(t, err, "%s %q: %s", program, args, out)
}
