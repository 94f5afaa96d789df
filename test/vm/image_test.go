//go:build vm

package vm_test

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"io/fs"
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
	slotSize = 20 << 20       // of an image, in bytes; all of a slot
	dataSize = 32 << 20
	tries    = 2 // starts on trial
	// filler is what differs between versions beside a few lines, in bytes. What
	// does not differ is not downloaded.
	filler = 2 << 20
)

//go:embed testdata/loader
var loader string

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

// makeImage makes the root file system of a version.
func makeImage(t *testing.T, name string, d defect) []byte {
	if d.name == "is no file system" {
		return noise(name, slotSize)
	}
	root := t.TempDir()
	for _, dir := range []string{"bin", "sbin", "etc", "proc", "sys", "dev", "data"} {
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
	for from, to := range map[string]string{busybox: "bin/busybox", programs.Agent: "bin/ota-agent"} {
		content, err := os.ReadFile(from)
		require.NoError(t, err)
		write(to, string(content), 0o755)
	}
	for _, applet := range []string{"sh", "cat", "sed", "sleep", "ip", "watchdog", "echo"} {
		require.NoError(t, os.Symlink("busybox", filepath.Join(root, "bin", applet)))
	}
	path := filepath.Join(t.TempDir(), "slot.img")
	mkfs(t, path, root, slotSize, "-O", "^has_journal")
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
	args := append([]string{"-q", "-F", "-t", "ext4", "-b", "4096", "-m", "0", "-U", id, "-E", "hash_seed=" + id, "-d", dir}, more...)
	out, err := exec.Command("/sbin/mke2fs", append(args, path)...).CombinedOutput()
	require.NoError(t, err, string(out))
}

// modules are those of Debian's kernel that the machine needs, in their order.
var modules = []string{
	"virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_blk",
	"failover", "net_failover", "virtio_net", "watchdog", "softdog",
}

// makeInitramfs makes the boot loader.
func makeInitramfs(dir string) (string, error) {
	guide, err := os.ReadFile("../../docs/OPERATOR.md")
	if err != nil {
		return "", err
	}
	_, script, _ := strings.Cut(string(guide), "<!-- flag-loader -->\n```sh\n")
	script, _, found := strings.Cut(script, "```")
	if !found {
		return "", fmt.Errorf("docs/OPERATOR.md has no loader of a flag")
	}
	var archive cpio
	for _, d := range []string{"bin", "proc", "sys", "dev", "data", "slot", "modules"} {
		archive.add(d, 0o40755, nil)
	}
	program, err := os.ReadFile(busybox)
	if err != nil {
		return "", fmt.Errorf("%w: install busybox-static", err)
	}
	archive.add("bin/busybox", 0o100755, program)
	archive.add("init", 0o100755, []byte(strings.Replace(loader, "@flag-loader@", script, 1)))
	archive.add("modules/order", 0o100644, []byte(strings.Join(modules, "\n")))
	for _, name := range modules {
		content, err := readModule(name)
		if err != nil {
			return "", err
		}
		archive.add("modules/"+name+".ko", 0o100644, content)
	}
	archive.add("TRAILER!!!", 0, nil)
	path := filepath.Join(dir, "initramfs.gz")
	return path, os.WriteFile(path, archive.compressed(), 0o600)
}

func readModule(name string) ([]byte, error) {
	var found string
	err := filepath.WalkDir(filepath.Join(kernelDir(), "lib/modules"), func(path string, _ fs.DirEntry, err error) error {
		if filepath.Base(path) == name+".ko" {
			found = path
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return os.ReadFile(found)
}

// cpio is an archive in the format of an initramfs: the kernel's
// Documentation/driver-api/early-userspace/buffer-format.rst, "newc".
type cpio struct {
	bytes.Buffer
	inode int
}

func (c *cpio) add(name string, mode uint32, content []byte) {
	c.inode++
	fmt.Fprintf(c, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		c.inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name)+1, 0)
	c.WriteString(name + "\x00")
	c.pad()
	c.Write(content)
	c.pad()
}

func (c *cpio) pad() { c.Write(make([]byte, (4-c.Len()%4)%4)) }

func (c *cpio) compressed() []byte {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err == nil {
		_, err = w.Write(c.Bytes())
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err) // a buffer takes every write
	}
	return out.Bytes()
}
