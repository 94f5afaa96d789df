package slot_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/firmware"
	"otafleet/firmware/firmwaretest"
	"otafleet/firmware/slot"
)

const (
	size  = 136 << 10 // of an image: more than is kept out of a slot
	chunk = 46 << 10
)

// plain and packed make the packages of all versions.
func plain() map[string]firmwaretest.Package { return packages(firmwaretest.PlainPackage) }

func packed() map[string]firmwaretest.Package { return packages(firmwaretest.ZstdPackage) }

func packages(pack func(string, []byte) firmwaretest.Package) map[string]firmwaretest.Package {
	all := make(map[string]firmwaretest.Package)
	for _, version := range []string{"1.0.0", "1.1.0", "1.2.0"} {
		all[version] = chunked(pack("root.img", content(version)))
	}
	return all
}

// content is the image of a version, half of which all of them have.
func content(version string) []byte {
	image := firmwaretest.Content(version, size)
	copy(image[size/2:], firmwaretest.Content("common", size))
	return image
}

// delta makes the patch that leads from one version to another.
func delta(source, target string) firmwaretest.Package {
	return chunked(firmwaretest.DeltaPackage("root.bsdiff", content(source), content(target)))
}

// chunked gives the package larger chunks: the suite's own are so small that
// cutting at each would take minutes.
func chunked(pkg firmwaretest.Package) firmwaretest.Package {
	pkg.Files[0].Chunk, pkg.Files[0].Chunks = chunk, nil
	for piece := range slices.Chunk(pkg.Data[0], chunk) {
		pkg.Files[0].Chunks = append(pkg.Files[0].Chunks, sha256.Sum256(piece))
	}
	return pkg
}

// deltas gives delta a memory: making a patch takes longer than the suite's use
// of it.
func deltas() func(source, target string) firmwaretest.Package {
	made := make(map[[2]string]firmwaretest.Package)
	return func(source, target string) firmwaretest.Package {
		key := [2]string{source, target}
		if _, is := made[key]; !is {
			made[key] = delta(source, target)
		}
		return made[key]
	}
}

func TestConformance(t *testing.T) {
	subjects := map[string]struct {
		packages map[string]firmwaretest.Package
		kind     world
		delta    func(source, target string) firmwaretest.Package
	}{
		"flag":                             {plain(), world{capacity: size + 10<<10}, nil},
		"grub, encoded, waits in the slot": {packed(), world{capacity: 2*size + 10<<10, grub: true, versionFile: true}, nil},
		"encoded, waits beside the slot":   {packed(), world{capacity: size + 10<<10}, nil},
		"patch, waits in the slot":         {plain(), world{capacity: 2 * size}, deltas()},
	}
	for name, subject := range subjects {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			firmwaretest.Run(t, firmwaretest.Subject{
				Package: func(version string) firmwaretest.Package { return subject.packages[version] },
				Delta:   subject.delta,
				Setup: func(t *testing.T, version string) firmwaretest.World {
					return newWorld(t, subject.packages, subject.kind, version)
				},
				KeepsBlocks: true,
			})
		})
	}
}

// world is a device with two slots, which are files, and a boot loader.
type world struct {
	*firmwaretest.Breaker
	t           *testing.T
	dir         string
	packages    map[string]firmwaretest.Package
	capacity    int64
	grub        bool
	versionFile bool
	tries       int
}

func newWorld(t *testing.T, packages map[string]firmwaretest.Package, kind world, version string) *world {
	w := kind
	w.t, w.dir, w.packages = t, firmwaretest.Dir(t), packages
	w.Breaker = &firmwaretest.Breaker{Devices: []string{w.path("slot-a"), w.path("slot-b")}}
	if w.tries == 0 {
		// The suite cuts the power more often in a row than a trial would bear.
		w.tries = slot.MaxTries
	}
	for _, device := range w.Devices {
		require.NoError(t, os.WriteFile(device, nil, 0o600))
		require.NoError(t, os.Truncate(device, w.capacity))
	}
	w.flash(slot.A, packages[version].Live)
	makeBlock(t, w.path("grubenv"))
	require.NoError(t, w.loader().Choose(t.Context(), slot.Choice{Slot: slot.A}))
	w.boot()
	return &w
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) flash(s slot.Slot, image []byte) {
	f, err := os.OpenFile(w.Devices[s], os.O_WRONLY, 0)
	require.NoError(w.t, err)
	_, err = f.WriteAt(image, 0)
	require.NoError(w.t, err)
	require.NoError(w.t, f.Close())
}

// loader is the boot loader's own access to its memory, which no power cut stops.
func (w *world) loader() slot.Boot { return w.memory(firmware.Disk{}) }

func (w *world) memory(disk firmware.Disk) slot.Boot {
	if w.grub {
		return slot.GRUB{Path: w.path("grubenv"), Disk: sectors(disk)}
	}
	return slot.Flag{Path: w.path("flag"), Disk: disk}
}

// boot is what slot.Boot asks of a boot loader.
func (w *world) boot() {
	choice, err := w.loader().Choice(context.Background())
	require.NoError(w.t, err)
	switch before := choice; {
	case choice.Trial && choice.Tries == 0:
		choice = slot.Choice{Slot: choice.Slot.Other()}
		fallthrough
	case choice.Trial && before.Tries > 0:
		choice.Tries = max(0, choice.Tries-1)
		require.NoError(w.t, w.loader().Choose(context.Background(), choice))
	}
	version := w.holds(choice.Slot)
	require.NotEmpty(w.t, version, "slot %s is started and holds no whole image", choice.Slot)
	require.NoError(w.t, os.WriteFile(w.path("running"), []byte(choice.Slot.String()+"\n"), 0o600))
	require.NoError(w.t, os.WriteFile(w.path("version"), []byte(version+"\n"), 0o600))
}

// holds is the version of a slot's image; empty if it is not whole.
func (w *world) holds(s slot.Slot) string {
	found := w.read(s, size+len("1.0.0\n"))
	for version, pkg := range w.packages {
		if bytes.Equal(found, pkg.Live) {
			return version
		}
	}
	return ""
}

// read gives the first bytes of a slot.
func (w *world) read(s slot.Slot, length int) []byte {
	f, err := os.Open(w.Devices[s])
	require.NoError(w.t, err)
	defer f.Close()
	found := make([]byte, length)
	_, err = io.ReadFull(f, found)
	require.NoError(w.t, err)
	return found
}

func (w *world) Start(t *testing.T) firmware.Installer {
	w.t = t
	cut := w.WasCut()
	w.Restore()
	for _, s := range []slot.Slot{slot.A, slot.B} {
		if bootable := !bytes.Equal(w.read(s, 32), make([]byte, 32)); bootable {
			assert.NotEmpty(t, w.holds(s), "slot %s can be booted and is not whole", s)
		}
	}
	if cut {
		w.boot()
	}
	installer, err := slot.New(w.config())
	require.NoError(t, err)
	return installer
}

func (w *world) config() slot.Config {
	cfg := slot.Config{
		Devices: [2]string(w.Devices), Boot: w.memory(w.Disk()), Running: slot.NamedIn(w.path("running")), Tries: w.tries,
		Version: "1.0.0", StateDir: w.path("state"), Disk: w.Disk(),
	}
	if w.versionFile {
		cfg.Version, cfg.VersionFile = "", w.path("version")
	}
	return cfg
}

func (w *world) Restart(t *testing.T, scope firmware.Restart) {
	require.Equal(t, firmware.RestartSystem, scope)
	w.boot()
}

// Live reads the image in the running slot.
func (w *world) Live(t *testing.T) []byte {
	s, err := slot.NamedIn(w.path("running")).Running()
	require.NoError(t, err)
	return w.read(s, len(w.packages["1.0.0"].Live))
}
