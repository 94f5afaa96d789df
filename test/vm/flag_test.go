//go:build vm

package vm_test

import (
	_ "embed"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

//go:embed testdata/choose-flag
var chooseFlag string

// flagFile is a machine whose boot loader is its initramfs, which obeys a flag
// file. The emulator starts the kernel; slots and data are disks of their own.
func flagFile(t *testing.T) bootLoader {
	initramfs := makeInitramfs(t, "/dev/vdc", strings.Replace(chooseFlag, "@guide@", guide(t, "flag-loader"), 1))
	return bootLoader{
		name:     "flag",
		memory:   "/data/flag",
		devices:  [2]string{"/dev/vda", "/dev/vdb"},
		slotSize: 20 << 20,
		data:     map[string]string{"flag": "slot=a\ntries=\n"},
		disks: func(data string, image []byte) disks {
			dir := t.TempDir()
			path := func(name string) string { return filepath.Join(dir, name+".img") }
			mkfs(t, path("data"), data, dataSize)
			require.NoError(t, os.WriteFile(path("a"), image, 0o600))
			require.NoError(t, os.WriteFile(path("b"), make([]byte, len(image)), 0o600))
			made := disks{
				arguments: []string{
					"-kernel",
					kernel(t),
					"-initrd",
					initramfs,
					"-append",
					"console=ttyS0 panic=1 quiet loglevel=4",
				},
				slots: [2]place{{path: path("a")}, {path: path("b")}},
			}
			for _, disk := range []string{"a", "b", "data"} {
				made.arguments = append(made.arguments, drive(disk, path(disk))...)
				made.arguments = append(made.arguments, "-device", "virtio-blk-pci,drive="+disk)
			}
			return made
		},
	}
}
