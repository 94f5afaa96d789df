//go:build real

package command_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/firmware"
	"otafleet/firmware/command"
	"otafleet/firmware/firmwaretest"
	"otafleet/internal/ota"
	"otafleet/internal/programtest"
)

// The handlers of examples/handlers that leave the work to RAUC and SWUpdate,
// with the real programs. Slots are files; a restart is what the boot loader's
// memory says. RAUC mounts bundles, so this needs root and a loop device.

// slots is a device with two slots.
type slots struct {
	*testing.T
	dir     string
	handler string
	first   func() string // the slot that the boot loader's memory names
	booted  func(slot string)
}

func newSlots(t *testing.T, handler, conf string) *slots {
	s := &slots{T: t, dir: t.TempDir()}
	content, err := os.ReadFile(filepath.Join("../../examples/handlers", handler))
	require.NoError(t, err)
	s.handler = s.write("handler", string(content))
	s.write("handler.conf", strings.ReplaceAll(conf, "@DIR@", s.dir))
	for slot, version := range map[string]string{"a": "1.0.0", "b": "0.9.0"} {
		path := s.write(slot+".img", string(firmwaretest.Content(version, 100<<10)))
		require.NoError(t, os.Truncate(path, 1<<20))
	}
	return s
}

func (s *slots) path(name string) string { return filepath.Join(s.dir, name) }

func (s *slots) write(name, content string) string {
	require.NoError(s, os.MkdirAll(filepath.Dir(s.path(name)), 0o755))
	programtest.Write(s, s.path(name), []byte(strings.ReplaceAll(content, "@DIR@", s.dir)), 0o755)
	return s.path(name)
}

// run runs a program in the device's directory.
func (s *slots) run(name string, args ...string) {
	s.Helper()
	c := exec.Command(name, args...)
	c.Dir = s.dir
	out, err := c.CombinedOutput()
	require.NoError(s, err, "%s: %s", name, out)
}

// boot starts the slot that is to start.
func (s *slots) boot() {
	slot := s.first()
	content, err := os.ReadFile(s.path(slot + ".img"))
	require.NoError(s, err)
	version, _, _ := bytes.Cut(content, []byte("\n"))
	s.write("version", string(version)+"\n")
	s.write("running", slot+"\n")
	s.booted(slot)
}

// try upgrades the device and takes it back, each step twice, then refuses a
// package and goes on.
func (s *slots) try(pack func(version string) []byte, bad []byte) {
	s.boot()
	installer, err := command.New(command.Config{Component: "rootfs", Path: s.handler, StateDir: s.path("state")})
	require.NoError(s, err)
	jobOf := func(target string, content []byte) firmware.Job {
		return firmware.Job{
			Component: "rootfs", Source: "1.0.0", Target: target, Files: firmwaretest.PlainPackage("package", content).Files,
		}
	}
	content := pack("1.1.0")
	job := jobOf("1.1.0", content)
	twice := func(step string, do func() error) {
		s.Helper()
		require.NoError(s, do(), step)
		require.NoError(s, do(), step+" again")
	}
	runs := func(want string) {
		s.Helper()
		found, err := installer.Inspect(s.Context())
		require.NoError(s, err)
		require.Equal(s, want, found.Version)
	}
	restart := func(want firmware.Restart, do func() (firmware.Restart, error)) func() error {
		return func() error {
			found, err := do()
			assert.Equal(s, want, found)
			return err
		}
	}
	activate := func() (firmware.Restart, error) { return installer.Activate(s.Context(), job) }
	revert := func() (firmware.Restart, error) { return installer.Revert(s.Context(), job) }

	runs("1.0.0")
	s.fetch(installer, job, content)
	twice("stage", func() error { return installer.Stage(s.Context(), job) })
	twice("activate", restart(firmware.RestartSystem, activate))
	runs("1.0.0")
	s.boot()
	runs("1.1.0")
	require.NoError(s, restart(firmware.RestartSystem, activate)(), "activate after a cut that started the new version")
	s.boot()
	runs("1.1.0")
	twice("confirm", func() error { return installer.Commit(s.Context(), job) })
	twice("revert", restart(firmware.RestartSystem, revert))
	s.boot()
	runs("1.0.0")
	twice("revert when it is back", restart(firmware.RestartNone, revert))
	s.boot()
	runs("1.0.0")

	job = jobOf("1.2.0", bad)
	s.fetch(installer, job, bad)
	var failure *ota.Failure
	require.ErrorAs(s, installer.Stage(s.Context(), job), &failure)
	assert.Equal(s, ota.InstallerFailed, failure.Code)
	s.Logf("refused: %s", failure.Detail)
	require.NoError(s, restart(firmware.RestartNone, revert)())
	runs("1.0.0")
}

func (s *slots) fetch(installer firmware.Installer, job firmware.Job, content []byte) {
	places, err := installer.Open(s.Context(), job)
	require.NoError(s, err)
	_, err = places[0].WriteAt(content, 0)
	require.NoError(s, err)
	require.NoError(s, places[0].Sync())
	require.NoError(s, places[0].Close())
}

const raucSystem = `[system]
compatible=gw-200
bootloader=grub
grubenv=@DIR@/grubenv
mountprefix=@DIR@/mnt
statusfile=@DIR@/status

[keyring]
path=@DIR@/a.crt

[slot.rootfs.0]
device=@DIR@/a.img
type=raw
bootname=A

[slot.rootfs.1]
device=@DIR@/b.img
type=raw
bootname=B
`

const bus = `<busconfig><type>system</type><listen>unix:path=@DIR@/bus</listen><auth>EXTERNAL</auth>
<policy context="default">
<allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
</policy></busconfig>`

func TestToolsRAUC(t *testing.T) {
	s := newSlots(t, "rauc",
		"export DBUS_SYSTEM_BUS_ADDRESS=unix:path=@DIR@/bus\nversion_file=@DIR@/version\n"+
			"rauc() { command rauc -c @DIR@/system.conf \"$@\"; }\n",
	)
	s.write("system.conf", raucSystem)
	s.start("dbus-daemon", "--nofork", "--nopidfile", "--config-file="+s.write("bus.conf", bus))
	s.await("bus")
	require.NoError(t, os.MkdirAll(s.path("mnt"), 0o755))
	s.run("grub-editenv", "grubenv", "create")
	s.run("grub-editenv", "grubenv", "set", "ORDER=A B", "A_OK=1", "A_TRY=0", "B_OK=1", "B_TRY=0")
	s.certificates()

	s.first = func() string {
		content, err := os.ReadFile(s.path("grubenv"))
		require.NoError(t, err)
		_, order, found := strings.Cut(string(content), "\nORDER=")
		require.True(t, found)
		return strings.ToLower(order[:1])
	}
	var service *exec.Cmd
	s.booted = func(slot string) {
		if service != nil {
			s.stop(service)
		}
		require.NoError(t, os.RemoveAll(s.path("up")))
		service = s.start("sh", "-c", `export DBUS_SYSTEM_BUS_ADDRESS=unix:path=bus
rauc -c system.conf --override-boot-slot="$1" service & pid=$!
trap 'kill $pid; wait; exit' TERM
until rauc -c system.conf status >/dev/null 2>&1; do sleep 0.05; done
touch up; wait`, "sh", strings.ToUpper(slot))
		s.await("up")
	}
	bundle := func(version, key string) []byte {
		dir, path := "bundle-"+version+key, "bundle-"+version+key+".raucb"
		s.write(dir+"/root.img", string(firmwaretest.Content(version, 100<<10)))
		s.write(dir+"/manifest.raucm",
			"[update]\ncompatible=gw-200\nversion="+version+"\n\n[bundle]\nformat=plain\n\n[image.rootfs]\nfilename=root.img\n")
		s.run("rauc", "--cert", key+".crt", "--key", key+".key", "--keyring", key+".crt", "bundle", dir, path)
		content, err := os.ReadFile(s.path(path))
		require.NoError(t, err)
		return content
	}
	s.try(func(version string) []byte { return bundle(version, "a") }, bundle("1.2.0", "b"))
}

func TestToolsSWUpdate(t *testing.T) {
	s := newSlots(t, "swupdate", `export TMPDIR=@DIR@/tmp
version_file=@DIR@/version
options="-k @DIR@/a.crt -H gw-200:rev-b"
fw_env=@DIR@/fw_env.config
slot() { cat @DIR@/running; }
`)
	require.NoError(t, os.MkdirAll(s.path("tmp"), 0o755))
	s.write("fw_env.config", "@DIR@/env.0 0x0 0x4000\n@DIR@/env.1 0x0 0x4000\n")
	for _, name := range []string{"env.0", "env.1"} {
		s.write(name, strings.Repeat("\xff", 0x4000))
	}
	s.run("fw_setenv", "--config", "fw_env.config", "--defenv", s.write("env", "ota_slot=a\n"), "--script", "env")
	s.certificates()

	s.first = func() string {
		out, err := exec.Command("fw_printenv", "--config", s.path("fw_env.config"), "ota_slot").Output()
		require.NoError(t, err)
		return strings.TrimPrefix(strings.TrimSpace(string(out)), "ota_slot=")
	}
	s.booted = func(string) {}
	swu := func(version, key string) []byte {
		image := firmwaretest.Content(version, 100<<10)
		mode := `%s = { images: ( { filename = "root.img"; type = "raw"; device = "@DIR@/%s.img"; sha256 = "%x";
			installed-directly = true; } ); };`
		digest := sha256.Sum256(image)
		s.write("swu/root.img", string(image))
		s.write("swu/sw-description",
			fmt.Sprintf(`software = { version = "%s"; hardware-compatibility: [ "rev-b" ]; stable = { `+mode+mode+` }; }`,
				version, "a", "a", digest, "b", "b", digest))
		s.run("openssl", "cms", "-sign", "-in", "swu/sw-description", "-out", "swu/sw-description.sig",
			"-signer", key+".crt", "-inkey", key+".key", "-outform", "DER", "-nosmimecap", "-binary")
		s.run("sh", "-c", `cd swu && printf 'sw-description\nsw-description.sig\nroot.img\n' |
			busybox cpio -o -H newc >../update.swu 2>/dev/null`)
		content, err := os.ReadFile(s.path("update.swu"))
		require.NoError(t, err)
		return content
	}
	s.try(func(version string) []byte { return swu(version, "a") }, swu("1.2.0", "b"))
}

// certificates makes a.crt, which the device trusts, and b.crt, which it does not.
func (s *slots) certificates() {
	for _, name := range []string{"a", "b"} {
		s.run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", name+".key", "-out", name+".crt",
			"-days", "3650", "-subj", "/CN="+name, "-addext", "extendedKeyUsage=emailProtection")
	}
}

// start starts a program that ends with the test at the latest.
func (s *slots) start(name string, args ...string) *exec.Cmd {
	c := exec.Command(name, args...)
	c.Dir = s.dir
	require.NoError(s, c.Start())
	s.Cleanup(func() { s.stop(c) })
	return c
}

func (s *slots) stop(c *exec.Cmd) {
	if c.ProcessState == nil {
		_ = c.Process.Signal(syscall.SIGTERM)
		_ = c.Wait() // it was asked to end
	}
}

// await waits for a file.
func (s *slots) await(name string) {
	s.Helper()
	require.Eventually(s, func() bool {
		_, err := os.Stat(s.path(name))
		return err == nil
	}, time.Minute, 10*time.Millisecond, name)
}
