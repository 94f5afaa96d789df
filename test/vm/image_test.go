//go:build vm

package vm_test

import (
	_ "embed"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
)

const (
	busybox  = "/bin/busybox" // Debian's busybox-static
	dataSize = 64 << 20
	tries    = 2 // starts on trial
	// filler is what differs between versions beside a few lines, in bytes. What
	// does not differ is not downloaded.
	filler = 2 << 20
)

//go:embed testdata/init
var initScript string

//go:embed testdata/reboot
var rebootScript string

// defect is what is wrong with an image.
type defect struct {
	name   string
	script string // of its init
	health string
	code   ota.Code // that the upgrade fails with
}

var defects = []defect{
	{name: "panics", script: "exit 1", code: ota.BootFailed},
	{name: "is no file system", code: ota.BootFailed},
	{name: "hangs", script: "while :; do sleep 1; done", code: ota.BootFailed},
	{name: "is not healthy", health: "echo not well >&2; exit 1", code: ota.HealthCheckFailed},
}

func defectOf(name string) defect {
	for _, d := range defects {
		if d.name == name {
			return d
		}
	}
	return defect{}
}

// noise makes size bytes that differ with the name.
func noise(name string, size int) []byte {
	var seed [32]byte
	copy(seed[:], name)
	content := make([]byte, size)
	_, _ = rand.NewChaCha8(seed).Read(content)
	return content
}

// makeImage makes the root file system of a version for machines with a boot loader.
func makeImage(t *testing.T, boot bootLoader, name string, d defect) []byte {
	if d.name == "is no file system" {
		return noise(name, boot.slotSize)
	}
	root := t.TempDir()
	for _, dir := range []string{"bin", "boot", "sbin", "etc", "proc", "sys", "dev", "data"} {
		require.NoError(t, os.Mkdir(filepath.Join(root, dir), 0o755))
	}
	write := func(path, content string, mode fs.FileMode) {
		require.NoError(t, os.WriteFile(filepath.Join(root, path), []byte(content), mode))
	}
	health := d.health
	if health == "" {
		health = "exit 0"
	}
	write("etc/version", name+"\n", 0o644)
	write("etc/filler", string(noise(name, filler)), 0o644)
	write("bin/health", "#!/bin/sh\n"+health+"\n", 0o755)
	write("sbin/init", strings.Replace(initScript, "@defect@", d.script, 1), 0o755)
	write("sbin/reboot", rebootScript, 0o755)
	files := map[string]string{"bin/busybox": busybox, "bin/ota-agent": programs.Agent}
	maps.Copy(files, boot.files)
	for to, from := range files {
		content, err := os.ReadFile(from)
		require.NoError(t, err)
		write(to, string(content), 0o755)
	}
	for _, applet := range []string{"sh", "cat", "sed", "sleep", "ip", "watchdog", "echo"} {
		require.NoError(t, os.Symlink("busybox", filepath.Join(root, "bin", applet)))
	}
	path := filepath.Join(t.TempDir(), "slot.img")
	mkfs(t, path, root, boot.slotSize, "-O", "^has_journal")
	image, err := os.ReadFile(path)
	require.NoError(t, err)
	return image
}

// mkfs makes an ext4 file system that holds what is in dir.
func mkfs(t *testing.T, path, dir string, size int, more ...string) {
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.NoError(t, os.Truncate(path, int64(size)))
	// The same numbers in each image, so that they differ in what they hold only.
	const id = "0f1a9f6e-3c65-4e0c-9d3c-0c7a5a6b6f10"
	args := append(
		[]string{"-q", "-F", "-t", "ext4", "-b", "4096", "-m", "0", "-U", id, "-E", "hash_seed=" + id, "-d", dir},
		more...)
	out, err := exec.Command("/sbin/mke2fs", append(args, path)...).CombinedOutput()
	require.NoError(t, err, string(out))
}
