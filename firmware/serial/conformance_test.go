package serial_test

import (
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"otafleet/firmware"
	"otafleet/firmware/firmwaretest"
	"otafleet/firmware/port"
	"otafleet/firmware/serial"
	"otafleet/firmware/serial/serialtest"
	"otafleet/firmware/transfer"
)

// long is a time that ends no test that passes: an emulator beside the installer
// answers at once, on a machine that has time. brief is one that is waited for.
const (
	long  = 20 * time.Second
	brief = 50 * time.Millisecond
)

// whole is a size of content that with its version fills whole blocks, for
// XMODEM, which fills the last one up.
const whole = 4<<10 - len("1.0.0\n")

func TestConformance(t *testing.T) {
	plain := func(version string) firmwaretest.Package {
		return firmwaretest.PlainPackage("motor.bin", firmwaretest.Content(version, whole))
	}
	packed := func(version string) firmwaretest.Package {
		return firmwaretest.ZstdPackage("motor.bin.zst", firmwaretest.Content(version, whole))
	}
	boot := func(version string) firmwaretest.Package {
		return firmwaretest.PlainPackage("motor.bin", serialtest.Image(version, firmwaretest.Content(version, whole)))
	}
	kinds := map[string]struct {
		pack func(version string) firmwaretest.Package
		kind func(w *world, image []byte)
	}{
		"xmodem": {packed, func(w *world, image []byte) { w.attach(serial.XModem, serialtest.New("", image)) }},
		"ymodem": {plain, func(w *world, image []byte) {
			mcu := serialtest.New("", image)
			mcu.Batch = true
			w.attach(serial.YModem, mcu)
		}},
		"pull": {plain, func(w *world, image []byte) {
			mcu := serialtest.New("", image)
			mcu.Pull = 1 << 10
			w.attach(serial.Pull, mcu)
			w.cfg.Enter, w.cfg.Block, w.cfg.StartLimit = nil, 3<<10, 150*time.Millisecond
			w.cfg.Tries = 1 // a port that was cut does not come back by itself
		}},
		"smp": {boot, func(w *world, image []byte) { w.attach(serial.SMP, serialtest.NewBoard("", image)) }},
	}
	for name, kind := range kinds {
		setup := func(t *testing.T, version string) *world {
			w := newWorld(t, kind.pack(version).Live)
			kind.kind(w, kind.pack(version).Live)
			return w
		}
		t.Run(name+", line is cut", func(t *testing.T) {
			t.Parallel()
			firmwaretest.Run(t, firmwaretest.Subject{
				Package: kind.pack, InBubble: true,
				Setup: func(t *testing.T, version string) firmwaretest.World {
					return &cutLine{setup(t, version)}
				},
			})
		})
		if name == "ymodem" || name == "pull" {
			continue // on the device they do nothing that XMODEM does not
		}
		t.Run(name+", device is cut", func(t *testing.T) {
			t.Parallel()
			firmwaretest.Run(t, firmwaretest.Subject{
				Package: kind.pack, InBubble: true,
				Setup: func(t *testing.T, version string) firmwaretest.World {
					return &cutDevice{setup(t, version), firmwaretest.Breaker{}}
				},
			})
		})
	}
}

// emulator is an MCU of package serialtest.
type emulator interface {
	Plug() error
	Dial() (port.Conn, error)
	Close()
	Live() []byte
	CutAt(n int)
	WasCut() bool
	Kill()
}

// world is a device with an MCU.
type world struct {
	dir     string
	mcu     emulator
	cfg     serial.Config
	factory string
}

// newWorld makes a device whose builder knows the image of the MCU.
func newWorld(t *testing.T, image []byte) *world {
	w := &world{dir: firmwaretest.Dir(t)}
	w.factory = filepath.Join(w.dir, "factory.bin")
	require.NoError(t, firmware.Disk{}.WriteFile(w.factory, image))
	t.Cleanup(func() { w.mcu.Close() })
	return w
}

// attach connects an MCU.
func (w *world) attach(protocol serial.Protocol, mcu emulator) {
	w.mcu, w.cfg = mcu, config("port", protocol)
	w.cfg.Port.Dial = mcu.Dial
	w.cfg.StateDir = filepath.Join(w.dir, "state")
	w.cfg.Factory = transfer.Factory{Version: "1.0.0", Path: w.factory}
}

// config is what the emulated MCUs need, with times for tests.
func config(path string, protocol serial.Protocol) serial.Config {
	return serial.Config{
		Component: "motor", Port: port.Config{Path: path, Baud: 115200}, Protocol: protocol,
		Version: port.Exchange{
			Send: "version\r", Expect: regexp.MustCompile(`version (\S+)\r`), Timeout: long, Attempts: 2,
		},
		Enter:   []port.Exchange{{Send: "update\r", Expect: regexp.MustCompile(`ready\r\n`), Timeout: long, Attempts: 2}},
		Timeout: long, Attempts: 5, Tries: 2, StartLimit: time.Millisecond, Pause: time.Millisecond,
	}
}

func (w *world) start(t *testing.T, disk firmware.Disk) firmware.Installer {
	require.NoError(t, w.mcu.Plug())
	cfg := w.cfg
	cfg.Disk = disk
	installer, err := serial.New(cfg)
	require.NoError(t, err)
	return installer
}

func (w *world) Live(*testing.T) []byte { return w.mcu.Live() }

func (w *world) Restart(t *testing.T, scope firmware.Restart) {
	require.Fail(t, "asked for a restart", scope)
}

// cutLine pulls the line at anything that the MCU is about to hear.
type cutLine struct{ *world }

func (w *cutLine) Start(t *testing.T) firmware.Installer { return w.start(t, firmware.Disk{}) }
func (w *cutLine) CutAt(n int)                           { w.mcu.CutAt(n) }
func (w *cutLine) WasCut() bool                          { return w.mcu.WasCut() }

// cutDevice cuts the installer's own changes; the MCU starts anew with it.
type cutDevice struct {
	*world
	firmwaretest.Breaker
}

func (w *cutDevice) Start(t *testing.T) firmware.Installer {
	w.Restore()
	return w.start(t, w.Disk())
}
