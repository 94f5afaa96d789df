package file_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"otafleet/firmware"
	"otafleet/firmware/file"
	"otafleet/firmware/firmwaretest"
	"otafleet/internal/ota"
)

const size = 20 << 10

func TestConformance(t *testing.T) {
	plain := func(version string) firmwaretest.Package {
		return firmwaretest.PlainPackage("app.bin", firmwaretest.Content(version, size))
	}
	packed := func(version string) firmwaretest.Package {
		return firmwaretest.ZstdPackage("app.bin.zst", firmwaretest.Content(version, size))
	}
	missing := func(version string) firmwaretest.Package {
		if version == "1.0.0" {
			return firmwaretest.Package{}
		}
		return plain(version)
	}
	delta := func(source, target string) firmwaretest.Package {
		return firmwaretest.DeltaPackage("app.bin", firmwaretest.Content(source, size), firmwaretest.Content(target, size))
	}
	subjects := map[string]firmwaretest.Subject{
		"plain file":       {Package: plain, Setup: setup(plain, world{})},
		"encoded file":     {Package: packed, Setup: setup(packed, world{})},
		"patched file":     {Package: plain, Delta: delta, Setup: setup(plain, world{})},
		"directory":        {Package: bundles, Setup: setup(bundles, world{unpack: true})},
		"without exchange": {Package: plain, Setup: setup(plain, world{noExchange: true, restart: firmware.RestartProcess})},
		"nothing at first": {Package: missing, Setup: setup(missing, world{})},
	}
	for name, subject := range subjects {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			firmwaretest.Run(t, subject)
		})
	}
}

// world is a component that is a file or directory of its own.
type world struct {
	*firmwaretest.Breaker
	dir        string
	unpack     bool
	noExchange bool
	restart    firmware.Restart
}

func setup(pack func(string) firmwaretest.Package, kind world) func(*testing.T, string) firmwaretest.World {
	return func(t *testing.T, version string) firmwaretest.World {
		w := kind
		w.Breaker, w.dir = &firmwaretest.Breaker{}, firmwaretest.Dir(t)
		switch live := pack(version).Live; {
		case w.unpack:
			require.NoError(t, os.Mkdir(w.path(), 0o755))
			require.NoError(t, unbundle(w.path(), live, firmware.Disk{}))
		case live != nil:
			require.NoError(t, os.WriteFile(w.path(), live, 0o755))
		}
		return &w
	}
}

func (w *world) path() string { return filepath.Join(w.dir, "app") }

func (w *world) Start(t *testing.T) firmware.Installer {
	w.Restore()
	disk := w.Disk()
	if w.noExchange {
		cut := disk.Before
		disk.Before = func(c firmware.Change) error {
			if c.Op == firmware.OpExchange {
				return unix.EINVAL
			}
			return cut(c)
		}
	}
	cfg := file.Config{
		Path: w.path(), Version: "1.0.0", StateDir: filepath.Join(w.dir, "state"), Disk: disk, Restart: w.restart,
	}
	if w.unpack {
		cfg.Unpack, cfg.Unpacker = true, unpacker{disk}
	}
	installer, err := file.New(cfg)
	require.NoError(t, err)
	return installer
}

func (w *world) Restart(t *testing.T, scope firmware.Restart) {
	require.Equal(t, w.restart, scope)
}

// Live reads the file, or the directory as a bundle.
func (w *world) Live(t *testing.T) []byte {
	info, err := os.Stat(w.path())
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(t, err)
	if !info.IsDir() {
		content, err := os.ReadFile(w.path())
		require.NoError(t, err)
		return content
	}
	entries, err := os.ReadDir(w.path())
	require.NoError(t, err)
	var all [][]byte
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(w.path(), e.Name()))
		require.NoError(t, err)
		all = append(all, fmt.Appendf(nil, "%s=%x", e.Name(), content))
	}
	return bytes.Join(all, []byte("\n"))
}

// bundles makes packages of two archives, the second one encoded, in the
// simplest format: lines of "name=hex".
func bundles(version string) firmwaretest.Package {
	content := firmwaretest.Content(version, size/4)
	half := len(content) / 2
	one := fmt.Appendf(nil, "a=%x\nb=%x", content[:100], content[:half])
	two := fmt.Appendf(nil, "c=%x", content[half:])
	encoded, packed := firmwaretest.Zstd("two.bundle.zst", two)
	return firmwaretest.Package{
		Files: []ota.File{firmwaretest.Plain("one.bundle", one), encoded},
		Data:  [][]byte{one, packed},
		Live:  bytes.Join([][]byte{one, two}, []byte("\n")),
	}
}

// unpacker unpacks bundles.
type unpacker struct{ disk firmware.Disk }

func (u unpacker) Unpack(_ context.Context, archive, name, dir string) error {
	if !strings.HasSuffix(name, ".bundle") {
		return fmt.Errorf("%s is not a bundle", name)
	}
	if err := u.disk.MkdirAll(dir); err != nil {
		return err
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		return fmt.Errorf("%s is not empty: %w", dir, err)
	}
	content, err := os.ReadFile(archive)
	if err != nil {
		return err
	}
	return unbundle(dir, content, u.disk)
}

func unbundle(dir string, bundle []byte, disk firmware.Disk) error {
	for line := range bytes.SplitSeq(bundle, []byte("\n")) {
		name, digits, _ := strings.Cut(string(line), "=")
		var content []byte
		if _, err := fmt.Sscanf(digits, "%x", &content); err != nil {
			return fmt.Errorf("bad bundle: %w", err)
		}
		f, err := disk.Create(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if _, err := f.WriteAt(content, 0); err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}
