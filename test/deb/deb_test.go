//go:build deb

// Package deb_test holds the Debian packages against a real Debian: a clean
// root, systemd as its first process, dpkg, and the agent as its service.
//
// One flow through it: the packages are built, a container boots, and the agent
// is installed, configured, upgraded, hung, removed, installed again and purged,
// while a platform in the same container upgrades a component of the device.
//
// It needs root, mmdebstrap and systemd-nspawn, so it is left out of the
// ordinary tests: make test-deb. What the agent does is for other tests; here
// stands what becomes of it in a distribution.
package deb_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/test/harness"
)

// build makes a package of a version for this machine.
func build(t *testing.T, program, version string) string {
	t.Helper()
	arch, err := exec.Command("dpkg", "--print-architecture").Output()
	require.NoError(t, err)
	command := exec.Command("../../packaging/deb.sh", program, strings.TrimSpace(string(arch)), t.TempDir())
	command.Env = append(os.Environ(), "VERSION="+version, "SOURCE_DATE_EPOCH=1750000000")
	command.Stderr = os.Stderr
	path, err := command.Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(path))
}

const configuration = `
product: gw-200
device: gw-0001
broker: {urls: ["mqtt://127.0.0.1:1883"]}
trust: {keys: [/etc/ota-agent/release.pub]}
components: [{id: app, type: module, installer: file, version: 1.0.0, file: {path: /opt/app/app.bin}}]
state_dir: /var/lib/ota-agent
control_socket: /run/ota-agent/agent.sock
`

func TestPackageOfTheAgent(t *testing.T) {
	first, second, sim := build(t, "ota-agent", "v1.0.0"), build(t, "ota-agent", "v1.1.0"), build(t, "ota-sim", "v1.0.0")
	c := boot(t)
	clean := c.files()

	// Installed, it is enabled and does nothing.
	c.install(first, sim)
	assert.Equal(t, "enabled", c.property("UnitFileState"))
	assert.Equal(t, "inactive", c.property("ActiveState"))
	assert.Equal(t, "exec-condition", c.property("Result"))
	assert.Contains(t, c.do("ota-agent", "version"), "ota-agent v1.0.0 ")

	// The configuration is the administrator's: dpkg never asks about it.
	assert.Contains(t, c.read("etc/ota-agent/agent.yaml"), "#product: gw-200")
	assert.Empty(t, strings.TrimSpace(c.do("dpkg-query", "-W", "-f", "${Conffiles}", "ota-agent")))
	assert.Contains(t, c.do("zcat", "/usr/share/doc/ota-agent/NOTICES.gz"), "Eclipse Public License")

	// Configured, it starts, and upgrades what its sandbox allows it to write.
	c.write("opt/app/app.bin", "app 1.0.0")
	c.write("root/app.bin", "app 1.1.0")
	c.write("etc/ota-agent/agent.yaml", configuration)
	c.write("etc/systemd/system/ota-agent.service.d/test.conf",
		"[Service]\nReadWritePaths=/opt/app\nWatchdogSec=2\nTimeoutAbortSec=1\n")
	c.pack("app")
	c.serve("app")
	c.start()
	assert.Equal(t, "active", c.property("ActiveState"))
	harness.Await(t, "the upgrade", func() bool { return c.read("opt/app/app.bin") == "app 1.1.0" })
	harness.Await(t, "its report",
		func() bool { return strings.Contains(c.do("ota-agent", "status"), "upgrade_succeeded") })
	assert.NotEmpty(t, c.property("StatusText"))

	// Upgraded, it goes on with its state.
	c.install(second)
	c.await("ActiveState", "active")
	status := c.do("ota-agent", "status")
	assert.Contains(t, status, "ota-agent/v1.1.0")
	assert.Regexp(t, `app +module +1\.1\.0 +2`, status)
	assert.Equal(t, configuration, c.read("etc/ota-agent/agent.yaml"))

	// Hanging, it begins again.
	assert.Equal(t, "0", c.property("NRestarts"))
	c.do("systemctl", "kill", "--signal=STOP", "ota-agent.service")
	c.await("NRestarts", "1")
	c.await("ActiveState", "active")

	// Removed, it leaves configuration and state; installed again, it goes on.
	c.do("dpkg", "--remove", "ota-agent")
	assert.Equal(t, "inactive", c.property("ActiveState"))
	assert.Equal(t, configuration, c.read("etc/ota-agent/agent.yaml"))
	assert.FileExists(t, filepath.Join(c.root, "var/lib/ota-agent/state.0"))
	c.install(second)
	c.await("ActiveState", "active")
	assert.Regexp(t, `app +module +1\.1\.0 +2`, c.do("ota-agent", "status"))

	// Purged, it leaves what others have put there.
	c.do("dpkg", "--purge", "ota-agent", "ota-sim")
	var left []string
	known := map[string]bool{}
	for _, name := range clean {
		known[name] = true
	}
	for _, name := range c.files() {
		if !known[name] {
			left = append(left, name)
		}
	}
	assert.Equal(t, []string{
		"/etc/ota-agent", "/etc/ota-agent/release.pub", // a key of the administrator's
		"/etc/systemd/system/ota-agent.service.d", "/etc/systemd/system/ota-agent.service.d/test.conf",
		"/opt/app", "/opt/app/app.bin", "/opt/app/app.bin.ota-previous",
		"/root/app.bin", "/root/app.ota", "/root/release.key", "/root/release.pub",
	}, left)
	assert.NoDirExists(t, filepath.Join(c.root, "var/lib/ota-agent"))
}

// pack makes a key that the agent trusts, and a package of a component.
func (c *container) pack(component string) {
	c.t.Helper()
	c.do("ota-sim", "keygen", "/root/release")
	c.do("cp", "/root/release.pub", "/etc/ota-agent/")
	c.do("ota-sim", "pack", "--key", "/root/release.key", "--product", "gw-200", "--component", component,
		"--target", "1.1.0", "--release", "2", "--out", "/root/"+component+".ota", "/root/"+component+".bin")
}

// serve starts a platform with a plan for the package of a component.
func (c *container) serve(component string) {
	c.t.Helper()
	c.do("systemd-run", "--unit=platform", "ota-sim", "platform", "--upgrade", "/root/"+component+".ota")
}

// start starts the agent, as it is configured now.
func (c *container) start() {
	c.t.Helper()
	c.do("systemctl", "daemon-reload")
	c.do("systemctl", "start", "ota-agent")
}

const ownConfiguration = `
product: gw-200
device: gw-0001
broker: {urls: ["mqtt://127.0.0.1:1883"]}
trust: {keys: [/etc/ota-agent/release.pub]}
components:
  - {id: agent, type: module, installer: file, version: 1.0.0, file: {path: /opt/ota-agent/ota-agent, restart: process}}
state_dir: /var/lib/ota-agent
control_socket: /run/ota-agent/agent.sock
`

// The agent as a component of its own, by the lines of installers.conf: one that
// ends a second after its start is rolled back under systemd and its sandbox.
func TestNewAgentThatEndsIsRolledBack(t *testing.T) {
	c := boot(t)
	c.install(build(t, "ota-agent", "v1.0.0"), build(t, "ota-sim", "v1.0.0"))
	examples := c.read("usr/share/doc/ota-agent/examples/installers.conf")
	_, own, found := strings.Cut(examples, "# The agent as a component of its own")
	require.True(t, found)
	_, own, _ = strings.Cut(own, "\n#ReadWritePaths")
	c.write("etc/systemd/system/ota-agent.service.d/installers.conf",
		"[Service]\nReadWritePaths"+strings.ReplaceAll(own, "\n#", "\n"))
	c.write("opt/ota-agent/README", "the agent's own program")
	c.write("root/agent.bin", "#!/bin/sh\n[ \"$1\" = version ] || { sleep 1; exit 1; }\n")
	c.write("etc/ota-agent/agent.yaml", ownConfiguration)
	c.pack("agent")
	c.start()
	assert.True(t, c.read("usr/bin/ota-agent") == c.read("opt/ota-agent/ota-agent"), "a copy runs")
	c.serve("agent")
	harness.Await(t, "the rollback", func() bool {
		history, _ := c.try("ota-agent", "history")
		return strings.Contains(history, "boot_failed")
	})
	c.await("ActiveState", "active")
	assert.True(t, c.read("usr/bin/ota-agent") == c.read("opt/ota-agent/ota-agent"), "the copy runs again")
	assert.NoFileExists(t, filepath.Join(c.root, "opt/ota-agent/ota-agent.ota-trial"))
	assert.Contains(t, c.do("journalctl", "--no-pager", "--unit=ota-agent"),
		"was started 3 times, and not confirmed: rolling back")
}

// Every processor's package is whole, and the same sources give the same bytes.
func TestPackages(t *testing.T) {
	dir := t.TempDir()
	for arch, machine := range map[string]string{"amd64": "x86-64", "arm64": "aarch64", "armhf": "ARM", "mipsel": "MIPS",
		"riscv64": "RISC-V"} {
		var bytes [][]byte
		for range 2 {
			command := exec.Command("../../packaging/deb.sh", "ota-agent", arch, dir)
			command.Env = append(os.Environ(), "VERSION=v1.2.3", "SOURCE_DATE_EPOCH=1750000000")
			path, err := command.Output()
			require.NoError(t, err)
			assert.Equal(t, filepath.Join(dir, "ota-agent_1.2.3_"+arch+".deb"), strings.TrimSpace(string(path)))
			content, err := os.ReadFile(strings.TrimSpace(string(path)))
			require.NoError(t, err)
			bytes = append(bytes, content)
		}
		assert.True(t, string(bytes[0]) == string(bytes[1]), arch)
		root := filepath.Join(dir, arch)
		require.NoError(t,
			exec.Command("dpkg-deb", "--extract", filepath.Join(dir, "ota-agent_1.2.3_"+arch+".deb"), root).Run())
		elf, err := exec.Command("readelf", "--file-header", filepath.Join(root, "usr/bin/ota-agent")).Output()
		require.NoError(t, err)
		assert.Regexp(t, `(?i)Machine:.*`+machine, string(elf), arch)
	}
}

// The unit is one that systemd understands, and its sandbox is what the
// operator's guide says. systemd tells the agent alone to end: a handler that got the
// signal too would have failed before the agent knows why.
func TestUnit(t *testing.T) {
	const path = "../../packaging/systemd/ota-agent.service"
	unit, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Contains(t, string(unit), "\nKillMode=mixed\n")
	out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager", path).Output()
	require.NoError(t, err)
	score := regexp.MustCompile(`exposure level for ota-agent.service: ([0-9.]+)`).FindSubmatch(out)
	require.NotNil(t, score, "%s", out)
	guide, err := os.ReadFile("../../docs/OPERATOR.md")
	require.NoError(t, err)
	words := strings.Join(strings.Fields(string(guide)), " ")
	assert.Contains(t, words, "exposure level of "+string(score[1])+",", "docs/OPERATOR.md")
}
