//go:build deb

package deb_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"otafleet/test/harness"
)

// container is a Debian system of its own, with systemd as its first process.
type container struct {
	t      testing.TB
	root   string
	leader string // process id of its systemd, seen from here
}

// boot unpacks a clean Debian and starts it. It has no network but its own
// loopback.
func boot(t testing.TB) *container {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test starts a container and needs root")
	}
	c := &container{t: t, root: filepath.Join(t.TempDir(), "root")}
	require.NoError(t, os.Mkdir(c.root, 0o755))
	c.outside("tar", "-C", c.root, "--exclude=./dev/*", "-xf", cleanRoot(t))
	log, err := os.Create(filepath.Join(t.TempDir(), "boot.log"))
	require.NoError(t, err)
	defer log.Close()
	nspawn := exec.Command("systemd-nspawn", "--quiet", "--boot", "--directory", c.root, "--register=no", "--keep-unit",
		"--private-network", "--link-journal=no", "--console=pipe")
	nspawn.Stdout, nspawn.Stderr = log, log
	require.NoError(t, nspawn.Start())
	t.Cleanup(func() {
		c.shutDown()
		_ = nspawn.Wait()
	})
	harness.Await(t, "systemd in the container", func() bool {
		pid := fmt.Sprint(nspawn.Process.Pid)
		children, _ := os.ReadFile(filepath.Join("/proc", pid, "task", pid, "children"))
		c.leader = strings.TrimSpace(string(children))
		if c.leader == "" {
			return false
		}
		state, _ := c.try("systemctl", "is-system-running")
		return strings.TrimSpace(state) == "running"
	})
	return c
}

// shutDown halts the container; systemd-nspawn ends with it.
func (c *container) shutDown() {
	if c.leader != "" {
		_, _ = c.try("systemctl", "poweroff", "--force", "--force")
	}
}

// cleanRoot is an archive of a minimal Debian, made once.
func cleanRoot(t testing.TB) string {
	t.Helper()
	path, err := filepath.Abs("../../.cache/debian-root.tar")
	require.NoError(t, err)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	part := path + ".part.tar"
	out, err := exec.Command("mmdebstrap", "--variant=minbase", "--include=systemd,systemd-sysv,dbus,init-system-helpers",
		"bookworm", part).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoError(t, os.Rename(part, path))
	return path
}

// outside runs a program on the host.
func (c *container) outside(program string, args ...string) string {
	c.t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	require.NoError(c.t, err, "%s %q: %s", program, args, out)
	return string(out)
}

// try runs a program in the container.
func (c *container) try(args ...string) (string, error) {
	var out bytes.Buffer
	command := exec.Command("nsenter", append([]string{"--target", c.leader, "--all", "--"}, args...)...)
	command.Stdout, command.Stderr = &out, &out
	err := command.Run()
	return out.String(), err
}

// do runs a program in the container, and ends the test if it fails.
func (c *container) do(args ...string) string {
	c.t.Helper()
	out, err := c.try(args...)
	if err != nil {
		logs, _ := c.try("journalctl", "--no-pager", "--lines=30")
		require.NoError(c.t, err, "%q: %s\n%s", args, out, logs)
	}
	return strings.TrimSpace(out)
}

// property is what systemd says of the agent's unit.
func (c *container) property(name string) string {
	c.t.Helper()
	return c.do("systemctl", "show", "--value", "--property="+name, "ota-agent.service")
}

// await waits for a property.
func (c *container) await(name, value string) {
	c.t.Helper()
	harness.Await(c.t, name+"="+value, func() bool { return c.property(name) == value })
}

func (c *container) write(path, content string) {
	c.t.Helper()
	path = filepath.Join(c.root, path)
	require.NoError(c.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(c.t, os.WriteFile(path, []byte(content), 0o644))
}

func (c *container) read(path string) string {
	c.t.Helper()
	content, err := os.ReadFile(filepath.Join(c.root, path))
	require.NoError(c.t, err)
	return string(content)
}

// install hands packages to dpkg.
func (c *container) install(packages ...string) {
	c.t.Helper()
	args := []string{"dpkg", "--install"}
	for _, file := range packages {
		c.outside("cp", file, filepath.Join(c.root, "root"))
		args = append(args, "/root/"+filepath.Base(file))
	}
	c.do(args...)
	for _, file := range packages {
		require.NoError(c.t, os.Remove(filepath.Join(c.root, "root", filepath.Base(file))))
	}
}

// files lists what lies in the container, but for what running it changes.
func (c *container) files() []string {
	c.t.Helper()
	var list []string
	require.NoError(c.t, filepath.WalkDir(c.root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, c.root)
		for _, changes := range []string{"/dev", "/proc", "/run", "/sys", "/tmp", "/var/cache", "/var/lib/dpkg",
			"/var/lib/systemd", "/var/log", "/var/tmp"} {
			if name == changes && entry.IsDir() {
				return fs.SkipDir
			}
		}
		list = append(list, name)
		return nil
	}))
	return list
}
