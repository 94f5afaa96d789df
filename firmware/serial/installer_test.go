package serial_test

import (
	"context"
	"errors"
	"path/filepath"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/firmware"
	"otafleet/firmware/firmwaretest"
	"otafleet/firmware/port"
	"otafleet/firmware/port/porttest"
	"otafleet/firmware/serial"
	"otafleet/firmware/serial/serialtest"
	"otafleet/firmware/transfer"
	"otafleet/internal/ota"
)

// upgrade is an upgrade of one MCU from 1.0.0 to 1.1.0.
type upgrade struct {
	*world
	*testing.T
	installer firmware.Installer
	old, new  []byte
	job       firmware.Job
}

// newUpgrade fills the job's file. The images do not fill their last block.
func newUpgrade(t *testing.T, attach func(*world, []byte), change func(*world)) *upgrade {
	u := &upgrade{T: t, old: image("1.0.0"), new: image("1.1.0")}
	u.world = newWorld(t, u.old)
	attach(u.world, u.old)
	if _, is := u.mcu.(*serialtest.Board); is {
		u.old, u.new = serialtest.Image("1.0.0", u.old), serialtest.Image("1.1.0", u.new)
		u.mcu.(*serialtest.Board).Close()
		attach(u.world, u.old)
	}
	if change != nil {
		change(u.world)
	}
	u.installer = u.start(t, firmware.Disk{})
	u.job = firmware.Job{
		Component: "motor", Source: "1.0.0", Target: "1.1.0", Files: []ota.File{firmwaretest.Plain("motor.bin", u.new)},
	}
	u.fetch(u.new)
	return u
}

func image(version string) []byte { return firmwaretest.Content(version, 7000) }

func (u *upgrade) fetch(data []byte) {
	places, err := u.installer.Open(u.Context(), u.job)
	require.NoError(u, err)
	_, err = places[0].WriteAt(data, 0)
	require.NoError(u, errors.Join(err, places[0].Sync(), places[0].Close()))
}

func (u *upgrade) stage() error { return u.installer.Stage(u.Context(), u.job) }

func (u *upgrade) activate() error {
	_, err := u.installer.Activate(u.Context(), u.job)
	return err
}

func (u *upgrade) revert() error {
	_, err := u.installer.Revert(u.Context(), u.job)
	return err
}

func (u *upgrade) runs(version string) {
	u.Helper()
	found, err := u.installer.Inspect(u.Context())
	require.NoError(u, err)
	assert.Equal(u, version, found.Version)
}

// insist takes a step until it gets through.
func (u *upgrade) insist(step func() error) {
	for end := time.Now().Add(10 * long); ; {
		err := step()
		if err == nil {
			return
		}
		require.True(u, time.Now().Before(end), "%v", err)
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

// code is the protocol code that an error is reported with.
func code(err error) ota.Code {
	var failure *ota.Failure
	if errors.As(err, &failure) {
		return failure.Code
	}
	return ""
}

func byXModem(w *world, image []byte) { w.attach(serial.XModem, serialtest.New("", image)) }

func byYModem(w *world, image []byte) {
	mcu := serialtest.New("", image)
	mcu.Batch = true
	w.attach(serial.YModem, mcu)
}

func byPull(w *world, image []byte) {
	mcu := serialtest.New("", image)
	mcu.Pull = 1000
	w.attach(serial.Pull, mcu)
	w.cfg.Enter, w.cfg.Block, w.cfg.StartLimit = nil, 4000, 5*brief
}

func bySMP(w *world, image []byte) { w.attach(serial.SMP, serialtest.NewBoard("", image)) }

func mcu(w *world) *serialtest.MCU { return w.mcu.(*serialtest.MCU) }

func TestReceivers(t *testing.T) {
	for name, test := range map[string]struct {
		attach func(*world, []byte)
		change func(*world)
		filled bool // the receiver does not learn the size
	}{
		"XMODEM-1K":           {byXModem, nil, true},
		"XMODEM of 128 bytes": {byXModem, func(w *world) { mcu(w).OldBlocks = true }, true},
		"XMODEM with checksums": {byXModem, func(w *world) { mcu(w).Checksum = true; mcu(w).OldBlocks = true },
			true},
		"XMODEM, one bank": {byXModem, func(w *world) { mcu(w).OneBank = true }, true},
		"YMODEM":           {byYModem, nil, false},
		"YMODEM, reset in the middle": {byYModem, func(w *world) {
			mcu(w).ResetAt = 3
			w.cfg.Timeout,
				w.cfg.Enter[0].Timeout = 20*brief, 20*brief
		}, false},
		"pull":                        {byPull, nil, false},
		"pull, the whole at once":     {byPull, func(w *world) { w.cfg.Block = 0 }, false},
		"pull, reset in the middle":   {byPull, func(w *world) { mcu(w).ResetAt = 2; mcu(w).OneBank = true }, false},
		"XMODEM, port goes and comes": {byXModem, func(w *world) { mcu(w).Away = brief; w.cfg.StartLimit = long }, true},
		"SMP, port goes and comes": {bySMP,
			func(w *world) { w.mcu.(*serialtest.Board).Away = brief; w.cfg.StartLimit = long }, false},
		"SMP": {bySMP, nil, false},
		"SMP, reset without an answer": {bySMP,
			func(w *world) { w.mcu.(*serialtest.Board).Abrupt = true; w.cfg.Timeout = 20 * brief }, false},
		"SMP on a console that chatters": {bySMP, func(w *world) { w.mcu.(*serialtest.Board).Chatty = true }, false},
	} {
		t.Run(name, inBubble(func(t *testing.T) {
			u := newUpgrade(t, test.attach, test.change)
			u.runs("1.0.0")
			require.NoError(t, u.stage())
			require.Equal(t, u.old, u.mcu.Live())
			require.NoError(t, u.activate())
			u.runs("1.1.0")
			live := u.mcu.Live()
			if test.filled {
				assert.Less(t, len(live)-len(u.new), 128, "the end is filled up by short blocks")
				live = live[:len(u.new)]
			}
			assert.Equal(t, u.new, live)
			require.NoError(t, u.installer.Commit(t.Context(), u.job))
			require.NoError(t, u.revert())
			u.runs("1.0.0")
		}))
	}
}

func TestHeaderOfABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUpgrade(t, byYModem, nil)
		require.NoError(t, u.stage())
		require.NoError(t, u.activate())
		assert.Equal(t, "motor.bin", mcu(u.world).Name())
	})
}

// A line that loses, garbles and adds bytes costs time, and no wrong byte.
func TestNoise(t *testing.T) {
	for name, attach := range map[string]func(*world, []byte){"xmodem": byXModem, "ymodem": byYModem, "pull": byPull,
		"smp": bySMP} {
		t.Run(name, inBubble(func(t *testing.T) {
			u := newUpgrade(t, attach, func(w *world) {
				w.cfg.Tries, w.cfg.Attempts, w.cfg.Timeout = 10, 10, 10*brief
				w.cfg.Version.Attempts, w.cfg.Version.Timeout = 10, 10*brief
			})
			l := lineOf(u.mcu)
			heard := 1500
			if name == "pull" {
				heard = 15_000 // it has only one digest, of the whole image
			}
			l.Distort(porttest.Noise(1, heard), porttest.Noise(2, 700))
			u.insist(u.stage)
			u.insist(u.activate)
			require.NotEqual(t, u.old, u.mcu.Live())
			assert.Equal(t, u.new, u.mcu.Live()[:len(u.new)])
		}))
	}
}

func lineOf(e emulator) *porttest.Cable {
	if board, is := e.(*serialtest.Board); is {
		return board.Cable
	}
	return e.(*serialtest.MCU).Cable
}

// What is cut in the middle leaves an MCU with one bank without an image. It is
// silent until it is given one.
func TestOneBankAfterACut(t *testing.T) {
	for _, way := range []string{"forth", "back"} {
		t.Run(way, inBubble(func(t *testing.T) {
			u := newUpgrade(t, byYModem, func(w *world) { mcu(w).OneBank, w.cfg.Version.Timeout = true, 20*brief })
			require.NoError(t, u.stage())
			u.mcu.CutAt(5)
			err := u.activate()
			require.Equal(t, ota.ComponentSilent, code(err), "%v", err)
			require.Nil(t, u.mcu.Live())
			u.installer = u.start(t, firmware.Disk{})
			_, err = u.installer.Inspect(t.Context())
			require.Equal(t, ota.ComponentSilent, code(err), "%v", err)
			if way == "forth" {
				require.NoError(t, u.activate())
				u.runs("1.1.0")
				assert.Equal(t, u.new, u.mcu.Live())
				return
			}
			require.NoError(t, u.revert())
			u.runs("1.0.0")
			assert.Equal(t, u.old, u.mcu.Live())
		}))
	}
}

func TestSilence(t *testing.T) {
	for name, attach := range map[string]func(*world, []byte){"xmodem": byXModem, "pull": byPull, "smp": bySMP} {
		t.Run(name, inBubble(func(t *testing.T) {
			u := newUpgrade(t, attach, func(w *world) {
				w.cfg.Tries, w.cfg.Attempts, w.cfg.Timeout, w.cfg.Version.Timeout = 1, 2, brief, brief
				for i := range w.cfg.Enter {
					w.cfg.Enter[i].Timeout = brief
				}
			})
			require.NoError(t, u.stage())
			u.mcu.Kill()
			_, err := u.installer.Inspect(t.Context())
			assert.Equal(t, ota.ComponentSilent, code(err), "%v", err)
			err = u.activate()
			assert.Equal(t, ota.ComponentSilent, code(err), "%v", err)
		}))
	}
}

// Nothing was sent, so there is nothing to roll back: the MCU is not asked.
func TestRevertOfWhatWasNeverSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUpgrade(t, byXModem, func(w *world) {
			w.cfg.Tries, w.cfg.Attempts, w.cfg.Timeout, w.cfg.Enter[0].Timeout = 1, 1, brief, brief
		})
		require.NoError(t, u.stage())
		u.mcu.Kill()
		require.Error(t, u.activate())
		require.NoError(t, u.revert())
	})
}

// An MCU that loses its upload each time is not fed for ever.
func TestUploadThatIsLostEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUpgrade(t, bySMP, func(w *world) { w.mcu.(*serialtest.Board).Loses = 3000; w.cfg.Attempts = 4 })
		err := u.stage()
		assert.Equal(t, ota.InstallerFailed, code(err))
		require.ErrorContains(t, err, "the MCU has lost its upload 4 times, the last time at")
		assert.Equal(t, 4, u.mcu.(*serialtest.Board).Losses())
		u.runs("1.0.0")
	})
}

// An MCU in its bootloader that was given nothing gets the order to go on.
func TestBootloaderThatAsksForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUpgrade(t, byXModem, func(w *world) {
			mcu(w).Silent = true
			w.cfg.Timeout, w.cfg.Attempts, w.cfg.Tries = brief, 1, 2
			w.cfg.Start = []port.Exchange{{Send: "boot\r", Expect: regexp.MustCompile("boot ok"), Timeout: long}}
		})
		require.NoError(t, u.stage())
		require.ErrorContains(t, u.activate(), "the receiver does not ask for the file")
		u.runs("1.0.0")
		require.NoError(t, u.revert())
		u.runs("1.0.0")
	})
}

// A port that stays away is not waited for without end.
func TestPortStaysAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUpgrade(t, byXModem, func(w *world) { w.cfg.StartLimit, w.cfg.Tries = brief, 1 })
		require.NoError(t, u.stage())
		u.mcu.Close()
		err := u.activate()
		assert.Equal(t, ota.ComponentSilent, code(err))
		assert.ErrorContains(t, err, "the port is gone")
	})
}

// A pulling MCU that asks for ever is not answered for ever.
func TestPullWithoutAStepForward(t *testing.T) {
	for name, test := range map[string]struct {
		asks []string // without end, one after the other
		want string
	}{
		"greets":              {[]string{"AT"}, "asks without a step forward; it has read 0 of"},
		"does not understand": {[]string{"AT+WHAT?"}, "asks without a step forward"},
		"reads the same again": {[]string{"AT+QIOTUPDATE=1", "AT+QIOTOTARD=0,10"},
			"asks without a step forward; it has read 10 of"},
		"begins again and again": {[]string{"AT+QIOTUPDATE=1", "AT+QIOTOTARD=0,10", "AT+QIOTOTAREQ"},
			"has lost its way 2 times, the last time after 10 of"},
		"is asked for an answer": {[]string{"AT+QIOTOTAREQ"}, "asks without a step forward"},
	} {
		t.Run(name, inBubble(func(t *testing.T) {
			u := newUpgrade(t, byPull, func(w *world) { w.cfg.Tries, w.cfg.Attempts, w.cfg.Timeout = 1, 2, 10*brief })
			require.NoError(t, u.stage())
			l := lineOf(u.mcu)
			require.NoError(t, l.Serve(func(end *porttest.End) {
				for i := 0; end.Hears(); i++ {
					end.Say([]byte(test.asks[i%len(test.asks)] + "\r\n")...)
					end.Quiet(2 * time.Millisecond)
				}
			}))
			err := u.activate()
			assert.Equal(t, ota.InstallerFailed, code(err))
			assert.ErrorContains(t, err, test.want)
		}))
	}
}

func TestPortIsNotThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUpgrade(t, byXModem, nil)
		u.mcu.Close()
		_, err := u.installer.Inspect(t.Context())
		assert.Equal(t, ota.ComponentSilent, code(err))
		assert.ErrorContains(t, err, "no such file")
	})
}

func TestPortIsInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUpgrade(t, byXModem, nil)
		other, err := port.Open(t.Context(), u.cfg.Port)
		require.NoError(t, err)
		_, err = u.installer.Inspect(t.Context())
		require.ErrorIs(t, err, firmware.ErrRetry)
		require.NoError(t, other.Close())
		u.runs("1.0.0")
	})
}

// An MCU that takes the image and goes on with the old one says so, which is for
// the agent to judge.
func TestWrongVersionAfterwards(t *testing.T) {
	for name, test := range map[string]struct {
		attach func(*world, []byte)
		change func(*world)
	}{
		"xmodem": {byXModem, func(w *world) { mcu(w).Forgets = true }},
		"pull":   {byPull, func(w *world) { mcu(w).Forgets = true }},
		"smp":    {bySMP, func(w *world) { w.mcu.(*serialtest.Board).Refuses = true }},
	} {
		t.Run(name, inBubble(func(t *testing.T) {
			u := newUpgrade(t, test.attach, test.change)
			require.NoError(t, u.stage())
			require.NoError(t, u.activate())
			u.runs("1.0.0")
			require.NoError(t, u.revert())
		}))
	}
}

func TestNoRollbackWithoutAnImage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUpgrade(t, byXModem, func(w *world) { w.cfg.Factory = transfer.Factory{} })
		require.NoError(t, u.stage())
		require.NoError(t, u.activate())
		err := u.revert()
		assert.Equal(t, ota.InstallerFailed, code(err))
		assert.ErrorContains(t, err, "no image of 1.0.0 is kept")
		u.runs("1.1.0")
	})
}

func TestRefusedPackages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUpgrade(t, bySMP, nil)
		two := u.job
		two.Files = append([]ota.File{firmwaretest.Plain("other.bin", u.old)}, u.job.Files...)
		_, err := u.installer.Open(t.Context(), two)
		assert.Equal(t, ota.ManifestMismatch, code(err))

		u.job.Target = "1.2.0" // the image says 1.1.0
		u.fetch(u.new)
		err = u.stage()
		assert.Equal(t, ota.ManifestMismatch, code(err))
		assert.ErrorContains(t, err, "the image says that it is version 1.1.0, not 1.2.0")

		plain := image("1.3.0")
		u.job.Target, u.job.Files = "1.3.0", []ota.File{firmwaretest.Plain("motor.bin", plain)}
		u.fetch(plain)
		require.ErrorContains(t, u.stage(), "not an image for MCUboot")
	})
}

func TestUploadGoesOnWhereItWasCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUpgrade(t, bySMP, nil)
		u.mcu.CutAt(12)
		require.Error(t, u.stage())
		u.installer = u.start(t, firmware.Disk{})
		heard := 0
		lineOf(u.mcu).Distort(func(b []byte) []byte { heard += len(b); return b }, nil)
		require.NoError(t, u.stage())
		u.mcu.Close()
		assert.Less(t, heard, len(u.new), "in base64 the whole image would be a third more")
	})
}

func TestEndedContextStopsATransfer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUpgrade(t, byXModem, func(w *world) { w.cfg.Timeout = 5 * long })
		require.NoError(t, u.stage())
		ctx, cancel := context.WithCancel(t.Context())
		l, blocks := lineOf(u.mcu), 0
		l.Distort(func(b []byte) []byte {
			if blocks += len(b); blocks > 3000 {
				cancel()
				return nil
			}
			return b
		}, nil)
		_, err := u.installer.Activate(ctx, u.job)
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestValidate(t *testing.T) {
	good := config("/dev/ttyS0", serial.XModem)
	good.StateDir = filepath.Join(t.TempDir(), "state")
	_, err := serial.New(good)
	require.NoError(t, err)
	for want, change := range map[string]func(*serial.Config){
		`protocol "zmodem" is not known`:         func(c *serial.Config) { c.Protocol = "zmodem" },
		"there is no port":                       func(c *serial.Config) { c.Port.Path = "" },
		"9 baud is not from 50 to 4000000":       func(c *serial.Config) { c.Port.Baud = 9 },
		"version has no pattern with a group":    func(c *serial.Config) { c.Version.Expect = nil },
		`component "" is not a component id`:     func(c *serial.Config) { c.Component = "" },
		`state directory "x" is not an absolute`: func(c *serial.Config) { c.StateDir = "x" },
		"a time is negative":                     func(c *serial.Config) { c.Timeout = -1 },
		"a count or size is negative":            func(c *serial.Config) { c.Attempts = -1 },
		`factory version "" is not a version`:    func(c *serial.Config) { c.Factory.Path = "/x" },
		`factory image "x" is not an absolute path`: func(c *serial.Config) {
			c.Factory = transfer.Factory{Version: "1",
				Path: "x"}
		},
	} {
		bad := good
		change(&bad)
		_, err := serial.New(bad)
		assert.ErrorContains(t, err, want)
	}
}
