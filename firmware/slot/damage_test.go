package slot_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"otafleet/firmware/slot"
)

// damages are what may be found in the place of a file.
func damages() map[string]func(t *testing.T, path string) {
	read := func(t *testing.T, path string) []byte {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		return data
	}
	instead := func(make func(path string) error) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			require.NoError(t, os.RemoveAll(path))
			require.NoError(t, make(path))
		}
	}
	return map[string]func(t *testing.T, path string){
		"missing":      instead(func(string) error { return nil }),
		"empty":        func(t *testing.T, path string) { write(t, path, nil) },
		"zeroed":       func(t *testing.T, path string) { write(t, path, make([]byte, len(read(t, path)))) },
		"cut off":      func(t *testing.T, path string) { data := read(t, path); write(t, path, data[:len(data)/2]) },
		"other bytes":  func(t *testing.T, path string) { write(t, path, []byte("\xff\x00{]\\")) },
		"a directory":  instead(func(path string) error { return os.Mkdir(path, 0o700) }),
		"a full one":   instead(func(path string) error { return os.MkdirAll(filepath.Join(path, "x"), 0o700) }),
		"a pipe":       instead(func(path string) error { return unix.Mkfifo(path, 0o600) }),
		"a lost link":  instead(func(path string) error { return os.Symlink("/absent/file", path) }),
		"a link round": instead(func(path string) error { return os.Symlink(path, path) }),
		"a link to a pipe": instead(func(path string) error {
			pipe := path + ".pipe"
			return errors.Join(os.RemoveAll(pipe), unix.Mkfifo(pipe, 0o600), os.Symlink(pipe, path))
		}),
	}
}

// Whatever is in the place of a file that the installer reads, it says what is wrong
// or gets over it; it waits for nothing, and leaves what runs alone.
func TestDamagedFiles(t *testing.T) {
	files := map[string]func(d *device) string{
		"record":      func(d *device) string { return filepath.Join(d.config().StateDir, "record.json") },
		"next record": func(d *device) string { return filepath.Join(d.config().StateDir, "record.json.tmp") },
		"head":        func(d *device) string { return filepath.Join(d.config().StateDir, "head") },
		"flag":        func(d *device) string { return d.path("flag") },
		"grub block":  func(d *device) string { return d.path("grubenv") },
		"version":     func(d *device) string { return d.path("version") },
		"running":     func(d *device) string { return d.path("running") },
		"other slot":  func(d *device) string { return d.Devices[slot.B] },
	}
	for file, path := range files {
		for name, damage := range damages() {
			t.Run(file+" is "+name, func(t *testing.T) {
				t.Parallel()
				d := newDevice(t, world{grub: file == "grub block", versionFile: file == "version"})
				d.fetch(t)
				kept, err := os.ReadFile(path(d))
				if err != nil {
					write(t, path(d), []byte("x"))
				}
				damage(t, path(d))
				if _, err := d.Inspect(t.Context()); err != nil {
					assert.NotEmpty(t, err.Error())
				}
				if err := d.upgrade(t); err != nil {
					assert.Regexp(t, `cannot|is not|has not|does not|neither|digest|not staged|needs 136.0 KiB`, err.Error())
				}
				assert.Equal(t, "1.0.0", d.holds(slot.A))
				require.NoError(t, os.RemoveAll(path(d)))
				write(t, path(d), kept)
				require.NoError(t, d.upgrade(t))
				d.boot()
				d.requireVersion(t, "1.1.0")
			})
		}
	}
}

// upgrade takes the steps up to the restart.
func (d *device) upgrade(t *testing.T) error {
	places, err := d.Open(t.Context(), d.job)
	if err != nil {
		return err
	}
	_, err = places[0].WriteAt(d.packages[d.job.Target].Data[0], 0)
	if err := errors.Join(err, places[0].Sync(), places[0].Close()); err != nil {
		return err
	}
	if err := d.Stage(t.Context(), d.job); err != nil {
		return err
	}
	_, err = d.Activate(t.Context(), d.job)
	return err
}
