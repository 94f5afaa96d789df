//go:build vm

package vm_test

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

//go:embed testdata/loader
var loader string

// modules are those of Debian's kernel that the machine needs, in their order.
var modules = []string{
	"virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_blk",
	"scsi_common", "scsi_mod", "virtio_scsi", "sd_mod",
	"failover", "net_failover", "virtio_net", "watchdog", "softdog",
}

// makeInitramfs makes the initramfs of a machine whose data are on a block
// device. choose is the part of its script that says which slot to start.
func makeInitramfs(t *testing.T, data, choose string) string {
	var archive cpio
	for _, d := range []string{"bin", "proc", "sys", "dev", "data", "slot", "modules"} {
		archive.add(d, 0o40755, nil)
	}
	program, err := os.ReadFile(busybox)
	require.NoError(t, err)
	archive.add("bin/busybox", 0o100755, program)
	archive.add("init", 0o100755, []byte(strings.NewReplacer("@data@", data, "@choose@", choose).Replace(loader)))
	archive.add("modules/order", 0o100644, []byte(strings.Join(modules, "\n")))
	for _, name := range modules {
		content, err := readModule(name)
		require.NoError(t, err)
		archive.add("modules/"+name+".ko", 0o100644, content)
	}
	archive.add("TRAILER!!!", 0, nil)
	path := filepath.Join(t.TempDir(), "initramfs.gz")
	require.NoError(t, os.WriteFile(path, archive.compressed(), 0o600))
	return path
}

// guide is an example of docs/OPERATOR.md, by the name of its mark.
func guide(t *testing.T, name string) string {
	text, err := os.ReadFile("../../docs/OPERATOR.md")
	require.NoError(t, err)
	_, example, _ := strings.Cut(string(text), "<!-- "+name+" -->\n```")
	_, example, _ = strings.Cut(example, "\n") // the language
	example, _, found := strings.Cut(example, "```")
	require.True(t, found, "docs/OPERATOR.md has no example %s", name)
	return example
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
