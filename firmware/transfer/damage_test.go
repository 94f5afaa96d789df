package transfer_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"otafleet/firmware/firmwaretest"
)

// Whatever is in the place of a file that the installer reads, it says what is wrong
// or gets over it, waits for nothing, and the next job is done.
func TestDamagedFiles(t *testing.T) {
	damages := map[string]func(path string) error{
		"missing":      func(string) error { return nil },
		"empty":        func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"zeroed":       func(path string) error { return os.WriteFile(path, make([]byte, 100), 0o600) },
		"other bytes":  func(path string) error { return os.WriteFile(path, []byte("{]"), 0o600) },
		"another form": func(path string) error { return os.WriteFile(path, []byte(`{"step":7,"kept":[]}`), 0o600) },
		"too long":     func(path string) error { return os.WriteFile(path, make([]byte, 1<<20), 0o600) },
		"a directory":  func(path string) error { return os.MkdirAll(filepath.Join(path, "x"), 0o700) },
		"a pipe":       func(path string) error { return unix.Mkfifo(path, 0o600) },
		"a lost link":  func(path string) error { return os.Symlink("/absent/file", path) },
		"a link round": func(path string) error { return os.Symlink(path, path) },
	}
	for _, file := range []string{"transfer.json", "transfer.json.tmp", "job.json", "files/motor.bin", "kept.img",
		"factory"} {
		for name, damage := range damages {
			t.Run(file+" is "+name, func(t *testing.T) {
				t.Parallel()
				d := newDevice(t)
				require.NoError(t, d.activate(t, d.stage(t, "1.0.0", "1.1.0")))
				job := d.stage(t, "1.1.0", "1.2.0")
				path := filepath.Join(d.cfg.StateDir, file)
				if file == "factory" {
					path = d.cfg.Factory.Path
				}
				require.NoError(t, os.RemoveAll(path))
				require.NoError(t, damage(path))
				if err := d.activate(t, job); err != nil {
					assert.NotEmpty(t, err.Error())
				}
				if err := d.revert(t, job); err != nil {
					assert.NotEmpty(t, err.Error())
				}
				if name == "too long" || name == "a link round" { // said, and left to who made it
					require.NoError(t, os.RemoveAll(path))
				}
				require.NoError(t, d.activate(t, d.stage(t, "", "1.3.0")))
				assert.Equal(t, firmwaretest.Content("1.3.0", 100), d.live)
				assert.Equal(t, "1.3.0", d.sent[len(d.sent)-1])
			})
		}
	}
}
