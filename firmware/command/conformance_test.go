package command_test

import (
	_ "embed"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"otafleet/firmware"
	"otafleet/firmware/command"
	"otafleet/firmware/firmwaretest"
	"otafleet/internal/programtest"
)

// handler is a handler whose component is a file.
//
//go:embed testdata/handler.sh
var handler string

func TestConformance(t *testing.T) {
	plain := func(version string) firmwaretest.Package {
		return firmwaretest.PlainPackage("motor.bin", firmwaretest.Content(version, 10<<10))
	}
	packed := func(version string) firmwaretest.Package {
		return firmwaretest.ZstdPackage("motor.bin.zst", firmwaretest.Content(version, 10<<10))
	}
	delta := func(source, target string) firmwaretest.Package {
		return firmwaretest.DeltaPackage("motor.bsdiff", firmwaretest.Content(source, 10<<10),
			firmwaretest.Content(target, 10<<10))
	}
	subjects := map[string]firmwaretest.Subject{
		"installer is cut": {Package: packed, Setup: func(t *testing.T, version string) firmwaretest.World {
			return &cutInstaller{newComponent(t, packed(version).Live), firmwaretest.Breaker{}, false}
		}},
		"patches are applied": {Package: plain, Delta: delta, Setup: func(t *testing.T, version string) firmwaretest.World {
			return &cutInstaller{newComponent(t, plain(version).Live), firmwaretest.Breaker{}, true}
		}},
		"handler is cut": {Package: plain, Setup: func(t *testing.T, version string) firmwaretest.World {
			return &cutHandler{newComponent(t, plain(version).Live)}
		}},
	}
	for name, subject := range subjects {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			firmwaretest.Run(t, subject)
		})
	}
}

// component is a component with its handler.
type component struct{ dir string }

func newComponent(t *testing.T, content []byte) component {
	c := component{firmwaretest.Dir(t)}
	script := strings.ReplaceAll(handler, "@ROOT@", c.dir)
	programtest.Write(t, c.path("handler"), []byte(script), 0o755)
	require.NoError(t, os.WriteFile(c.path("live"), content, 0o644))
	return c
}

func (c component) path(name string) string { return filepath.Join(c.dir, name) }

func (c component) installer(t *testing.T, disk firmware.Disk, patch bool) firmware.Installer {
	installer, err := command.New(command.Config{
		Component: "motor", Path: c.path("handler"), StateDir: c.path("state"), Disk: disk, Patch: patch,
	})
	require.NoError(t, err)
	return installer
}

func (c component) Live(t *testing.T) []byte {
	content, err := os.ReadFile(c.path("live"))
	require.NoError(t, err)
	return content
}

func (c component) Restart(t *testing.T, scope firmware.Restart) {
	require.Fail(t, "asked for a restart", scope)
}

// cutInstaller cuts the installer's own changes.
type cutInstaller struct {
	component
	firmwaretest.Breaker
	patch bool
}

func (w *cutInstaller) Start(t *testing.T) firmware.Installer {
	w.Restore()
	return w.installer(t, w.Disk(), w.patch)
}

// cutHandler kills the handler between its operations, which it counts down in
// the file "cut".
type cutHandler struct{ component }

func (w *cutHandler) Start(t *testing.T) firmware.Installer {
	w.CutAt(0)
	require.NoError(t, os.RemoveAll(w.path("fired")))
	return w.installer(t, firmware.Disk{}, false)
}

func (w *cutHandler) CutAt(n int) {
	if err := os.WriteFile(w.path("cut"), []byte(strconv.Itoa(n)), 0o644); err != nil {
		panic(err) // the test's own directory is gone
	}
}

func (w *cutHandler) WasCut() bool {
	_, err := os.Stat(w.path("fired"))
	return err == nil
}
