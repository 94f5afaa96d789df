package modem_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/firmware"
	"otafleet/firmware/firmwaretest"
	"otafleet/firmware/modem"
	"otafleet/firmware/modem/modemtest"
	"otafleet/firmware/port"
	"otafleet/firmware/transfer"
	"otafleet/internal/ota"
)

const (
	long  = 20 * time.Second      // ends no test that passes
	brief = 50 * time.Millisecond // is waited for
)

func pack(version string) firmwaretest.Package {
	return firmwaretest.PlainPackage("fota.pack", firmwaretest.Content(version, 9001))
}

// world is a device with a module, which takes full packages.
type world struct {
	dir    string
	module *modemtest.Module
	cfg    modem.Config
}

func newWorld(t *testing.T, version string) *world {
	dir := firmwaretest.Dir(t)
	live := pack(version).Live
	require.NoError(t, firmware.Disk{}.WriteFile(filepath.Join(dir, "factory.pack"), live))
	w := &world{dir: dir, module: modemtest.New("", live)}
	w.cfg = modem.Config{
		Component: "modem", StateDir: filepath.Join(dir, "state"), Profile: modem.Quectel(),
		Port:         port.Config{Path: "port", Baud: 115200, Dial: w.module.Dial},
		StallTimeout: 5 * long, StartLimit: brief, Pause: time.Millisecond, Tries: 1,
		Full: true, Factory: transfer.Factory{Version: version, Path: filepath.Join(dir, "factory.pack")},
	}
	w.cfg.Profile.Version.Timeout = long
	t.Cleanup(w.module.Close)
	return w
}

func (w *world) start(t *testing.T, disk firmware.Disk) firmware.Installer {
	require.NoError(t, w.module.Plug())
	cfg := w.cfg
	cfg.Disk = disk
	installer, err := modem.New(cfg)
	require.NoError(t, err)
	return installer
}

func (w *world) Live(*testing.T) []byte { return w.module.Live() }

func (w *world) Restart(t *testing.T, scope firmware.Restart) {
	require.Fail(t, "asked for a restart", scope)
}

type cutLine struct{ *world }

func (w *cutLine) Start(t *testing.T) firmware.Installer { return w.start(t, firmware.Disk{}) }
func (w *cutLine) CutAt(n int)                           { w.module.CutAt(n) }
func (w *cutLine) WasCut() bool                          { return w.module.WasCut() }

type cutDevice struct {
	*world
	firmwaretest.Breaker
}

func (w *cutDevice) Start(t *testing.T) firmware.Installer {
	w.Restore()
	return w.start(t, w.Disk())
}

func TestConformance(t *testing.T) {
	for name, setup := range map[string]func(t *testing.T, version string) firmwaretest.World{
		"line is cut": func(t *testing.T, version string) firmwaretest.World {
			w := newWorld(t, version)
			w.module.Vanishes = true
			return &cutLine{w}
		},
		"device is cut": func(t *testing.T, version string) firmwaretest.World {
			return &cutDevice{newWorld(t, version), firmwaretest.Breaker{}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			firmwaretest.Run(t, firmwaretest.Subject{Package: pack, Setup: setup, InBubble: true})
		})
	}
}

// inBubble makes a test that runs beside others, in a bubble in which times pass at
// once.
func inBubble(test func(t *testing.T)) func(*testing.T) {
	return func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, test)
	}
}

// upgrade brings a package onto the device and activates it.
func upgrade(t *testing.T, w *world) (firmware.Installer, firmware.Job, error) {
	installer := w.start(t, firmware.Disk{})
	p := pack("1.1.0")
	job := firmware.Job{Component: "modem", Source: "1.0.0", Target: "1.1.0", Files: p.Files}
	places, err := installer.Open(t.Context(), job)
	require.NoError(t, err)
	_, err = places[0].WriteAt(p.Data[0], 0)
	require.NoError(t, errors.Join(err, places[0].Sync(), places[0].Close()))
	require.NoError(t, installer.Stage(t.Context(), job))
	_, err = installer.Activate(t.Context(), job)
	return installer, job, err
}

func TestUpgrades(t *testing.T) {
	for name, test := range map[string]struct {
		change  func(*world)
		code    ota.Code // empty for success
		detail  string
		version string
	}{
		"plainly":                    {func(*world) {}, "", "", "1.1.0"},
		"port goes and comes":        {func(w *world) { w.module.Vanishes = true }, "", "", "1.1.0"},
		"no last code":               {func(w *world) { w.module.NoEnd = true; w.cfg.StallTimeout = brief }, "", "", "1.1.0"},
		"a byte is lost, then again": {func(w *world) { w.module.Loses = 77; w.cfg.Tries = 2 }, "", "", "1.1.0"},
		"a byte is lost": {func(w *world) { w.module.Loses = 77 }, ota.InstallerFailed,
			"the module has 9006 bytes of 9007", "1.0.0"},
		"refused": {func(w *world) { w.module.Code = 504 }, ota.InstallerFailed, "ends its upgrade with code 504", "1.0.0"},
		"stalls": {func(w *world) { w.module.Stalls = true; w.cfg.StallTimeout = brief }, ota.ComponentSilent,
			"says nothing new of its upgrade", "1.0.0"},
		"comes and goes for ever": {func(w *world) { w.module.Flaps = true }, ota.ComponentSilent,
			"its port has gone 11 times since", ""},
		"says the same for ever": {func(w *world) {
			w.module.Repeats, w.cfg.StallTimeout, w.cfg.Profile.Version.Timeout = true, brief, 5*brief
		}, ota.ComponentSilent, "says nothing new of its upgrade", ""},
		"takes too long": {func(w *world) { w.module.Stalls = true; w.cfg.UpgradeLimit = brief },
			ota.ComponentSilent, "not at its end after 50ms", "1.0.0"},
		"ends well and runs what it ran": {func(w *world) { w.module.Stays = true }, "", "", "1.0.0"},
		"silent": {func(w *world) {
			w.module.Deaf = true
			w.cfg.StallTimeout = brief
			w.cfg.Profile.Version.Timeout = brief
		}, ota.ComponentSilent, "", ""},
	} {
		t.Run(name, inBubble(func(t *testing.T) {
			w := newWorld(t, "1.0.0")
			test.change(w)
			installer, _, err := upgrade(t, w)
			var failure *ota.Failure
			if test.code == "" {
				require.NoError(t, err)
			} else {
				require.ErrorAs(t, err, &failure)
				assert.Equal(t, test.code, failure.Code)
				assert.Contains(t, failure.Detail, test.detail)
			}
			found, err := installer.Inspect(t.Context())
			if test.version == "" {
				require.ErrorAs(t, err, &failure)
				assert.Equal(t, ota.ComponentSilent, failure.Code)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, test.version, found.Version)
		}))
	}
}

// The device was cut while the module went on: what it runs already is not sent
// again.
func TestModuleFinishedAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "1.0.0")
		w.module.NoEnd, w.module.Vanishes, w.cfg.StallTimeout = true, true, brief
		_, job, err := upgrade(t, w)
		require.NoError(t, err)
		record := filepath.Join(w.cfg.StateDir, "transfer.json")
		w.rewrite(t, record, `"step":"sent"`, `"step":"begun"`)
		_, err = w.start(t, firmware.Disk{}).Activate(t.Context(), job)
		require.NoError(t, err)
		assert.Equal(t, 1, w.module.Uploads())
	})
}

// rewrite changes what a file of the installer says.
func (w *world) rewrite(t *testing.T, path, before, after string) {
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(data), before)
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(data), before, after, 1)), 0o600))
}

// The device was cut while the module verifies the package, and answers meanwhile: it
// is followed, and its package is left to it.
func TestPackageInUseIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "1.0.0")
		w.module.Stalls, w.cfg.StallTimeout = true, brief
		_, job, err := upgrade(t, w)
		require.Error(t, err)
		asked := w.module.Asked()
		w.cfg.StallTimeout, w.cfg.StartLimit = 5*long, 5*long
		cfg := w.cfg
		installer, err := modem.New(cfg)
		require.NoError(t, err)
		go func() {
			for w.module.Asked() < asked+2 {
				time.Sleep(time.Millisecond)
			}
			w.module.Finish()
		}()
		_, err = installer.Activate(t.Context(), job)
		require.NoError(t, err)
		found, err := installer.Inspect(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "1.1.0", found.Version)
		assert.Equal(t, 1, w.module.Uploads())
		assert.Zero(t, w.module.Deletes())
	})
}

// Neither is the package before, when the rollback was cut.
func TestPackageInUseIsLeftAloneInARollback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "1.0.0")
		_, job, err := upgrade(t, w)
		require.NoError(t, err)
		w.module.Stalls, w.cfg.StallTimeout = true, brief
		installer, err := modem.New(w.cfg)
		require.NoError(t, err)
		_, err = installer.Revert(t.Context(), job)
		require.Error(t, err)
		asked := w.module.Asked()
		w.cfg.StallTimeout, w.cfg.StartLimit = 5*long, 5*long
		installer, err = modem.New(w.cfg)
		require.NoError(t, err)
		go func() {
			for w.module.Asked() < asked+2 {
				time.Sleep(time.Millisecond)
			}
			w.module.Finish()
		}()
		_, err = installer.Revert(t.Context(), job)
		require.NoError(t, err)
		assert.Equal(t, 2, w.module.Uploads())
		assert.Zero(t, w.module.Deletes())
	})
}

// A module that was cut off too is given the package anew, after a while.
func TestUpgradeThatDiedWithTheDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "1.0.0")
		w.module.Stalls, w.cfg.StallTimeout = true, brief
		_, job, err := upgrade(t, w)
		require.Error(t, err)
		w.module.Stalls = false
		_, err = w.start(t, firmware.Disk{}).Activate(t.Context(), job)
		require.NoError(t, err)
		assert.Equal(t, 2, w.module.Uploads())
	})
}

// An unasked code is never the version.
func TestUnaskedCodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, code := range []string{"RING", "RDY", "+CREG:1", `+CMTI: "SM",3`, "^MODE:17", "SMS DONE", "POWERED DOWN"} {
			w := newWorld(t, "1.0.0")
			w.module.Unasked = code
			found, err := w.start(t, firmware.Disk{}).Inspect(t.Context())
			require.NoError(t, err, code)
			assert.Equal(t, "1.0.0", found.Version, code)
		}
	})
}

func TestAddressInsteadOfUpload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "1.0.0")
		w.cfg.Profile.Upload = port.Exchange{}
		w.cfg.Profile.Trigger.Send = "AT+QFOTADL=\"http://fw.example.com/{name}?v={version}&n={size}\"\r"
		var heard []byte
		w.module.Distort(func(b []byte) []byte { heard = append(heard, b...); return b }, nil)
		_, _, err := upgrade(t, w)
		require.ErrorContains(t, err, "the upgrade does not begin: refused: ERROR", "the emulator has no network")
		w.module.Close()
		assert.Regexp(t, regexp.MustCompile(`AT\+QFOTADL="http://fw.example.com/fota.pack\?v=1.1.0&n=9007"`), string(heard))
		assert.Zero(t, w.module.Uploads())
	})
}

func TestNoRollbackFromDeltas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "1.0.0")
		w.cfg.Full, w.cfg.Factory = false, transfer.Factory{}
		installer, job, err := upgrade(t, w)
		require.NoError(t, err)
		_, err = installer.Revert(t.Context(), job)
		require.ErrorContains(t, err, "the component cannot be rolled back")

		w = newWorld(t, "1.0.0")
		w.cfg.Full, w.cfg.Factory = false, transfer.Factory{}
		w.module.Code = 1
		installer, job, err = upgrade(t, w)
		require.Error(t, err)
		_, err = installer.Revert(t.Context(), job)
		require.NoError(t, err, "it runs the old version still")
	})
}

func TestValidate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for want, change := range map[string]func(*modem.Config){
			"there is no port":                    func(c *modem.Config) { c.Port.Path = "" },
			"0 baud is not from 50 to 4000000":    func(c *modem.Config) { c.Port.Baud = 0 },
			"version has no pattern with a group": func(c *modem.Config) { c.Profile.Version.Expect = nil },
			"trigger has no text or no pattern":   func(c *modem.Config) { c.Profile.Trigger.Send = "" },
			"end has no group":                    func(c *modem.Config) { c.Profile.End = regexp.MustCompile("x") },
			"upload has no pattern":               func(c *modem.Config) { c.Profile.Uploaded = nil },
			"a time is negative":                  func(c *modem.Config) { c.Pause = -1 },
			"of use with full packages only":      func(c *modem.Config) { c.Full = false },
		} {
			w := newWorld(t, "1.0.0")
			change(&w.cfg)
			_, err := modem.New(w.cfg)
			assert.ErrorContains(t, err, want)
		}
	})
}
