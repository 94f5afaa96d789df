package firmwaretest_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/firmware"
	"otafleet/firmware/firmwaretest"
	"otafleet/internal/ota"
)

// flawVariable names the flaw of the chip in a run of this test program that is
// expected to fail.
const flawVariable = "FIRMWARETEST_FLAW"

// TestSuiteAcceptsAndRefuses runs the suite over an installer that is right, and
// over the same one with one flaw each, in a process of its own.
func TestSuiteAcceptsAndRefuses(t *testing.T) {
	for flaw, caughtBy := range map[string]string{
		"":                "",
		"skips verifying": "wrong_bytes_are_refused",
		"keeps leftovers": "bytes_of_another_job_are_dropped",
		"loses bytes":     "a_cut_download_is_resumed",
		"lies":            "upgrade",
		"cannot repeat":   "every_step_twice",
		"stays":           "revert_from_every_step",
		"copies live":     "cut_at_every_change",
		"early":           "unstaged_version_is_not_activated",
		"takes all":       "what_does_not_fit_is_refused",
	} {
		t.Run("flaw "+flaw, func(t *testing.T) {
			t.Parallel()
			command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChip$", "-test.v")
			command.Env = append(os.Environ(), flawVariable+"="+flaw)
			output, err := command.CombinedOutput()
			if flaw == "" {
				require.NoError(t, err, string(output))
				return
			}
			require.Error(t, err, "the suite does not notice")
			assert.Contains(t, string(output), "--- FAIL: TestChip/"+caughtBy)
			assert.NotContains(t, string(output), "panic:")
		})
	}
}

// TestChip is what the other test runs.
func TestChip(t *testing.T) {
	pack := func(version string) firmwaretest.Package {
		return firmwaretest.PlainPackage("chip.bin", firmwaretest.Content(version, 20<<10))
	}
	firmwaretest.Run(t, firmwaretest.Subject{Package: pack, Setup: func(t *testing.T, version string) firmwaretest.World {
		return &chip{banks: [2]bank{{version, pack(version).Live}}, flaw: os.Getenv(flawVariable)}
	}})
}

// chip is a microcontroller with two banks of flash in memory, one of them live.
// It shows how to test an installer that does not change files.
type chip struct {
	banks  [2]bank
	live   int
	job    string // whose bytes are in the other bank
	staged bool
	before string // the version that ran before the last activation
	flaw   string
	left   int
	cut    bool
}

type bank struct {
	version string
	content []byte
}

var errCut = errors.New("no power")

// change is called before every change of the flash.
func (c *chip) change() error {
	if c.left > 0 {
		c.left--
		c.cut = c.left == 0
	}
	if c.cut {
		return errCut
	}
	return nil
}

func (c *chip) Start(*testing.T) firmware.Installer  { c.left, c.cut = 0, false; return c }
func (c *chip) Restart(*testing.T, firmware.Restart) {}
func (c *chip) CutAt(n int)                          { c.left = n }
func (c *chip) WasCut() bool                         { return c.cut }
func (c *chip) Live(*testing.T) []byte               { return c.banks[c.live].content }
func (c *chip) other() *bank                         { return &c.banks[1-c.live] }

func (c *chip) Inspect(context.Context) (firmware.Inspection, error) {
	if c.flaw == "lies" && c.staged {
		return firmware.Inspection{Version: c.other().version}, nil
	}
	return firmware.Inspection{Version: c.banks[c.live].version}, nil
}

func (c *chip) Open(_ context.Context, job firmware.Job) ([]firmware.Target, error) {
	if err := job.CheckCapacity(1 << 20); err != nil && c.flaw != "takes all" {
		return nil, err
	}
	if c.job != job.ID() || c.flaw == "loses bytes" {
		if err := c.change(); err != nil {
			return nil, err
		}
		if c.flaw != "keeps leftovers" {
			*c.other() = bank{}
		}
		c.job, c.staged, c.before = job.ID(), false, ""
	}
	return []firmware.Target{&flash{c}}, nil
}

func (c *chip) Stage(_ context.Context, job firmware.Job) error {
	if c.before == job.Source {
		return nil // it is live already
	}
	if c.job != job.ID() {
		return firmware.Failf(ota.InstallerFailed, "not opened")
	}
	if sha256.Sum256(c.other().content) != job.Files[0].SHA256 && c.flaw != "skips verifying" {
		return firmware.Failf(ota.DigestMismatch, "wrong bytes")
	}
	if err := c.change(); err != nil {
		return err
	}
	c.other().version, c.staged = job.Target, true
	return nil
}

func (c *chip) Activate(_ context.Context, job firmware.Job) (firmware.Restart, error) {
	if c.banks[c.live].version == job.Target && c.flaw != "cannot repeat" {
		return firmware.RestartNone, nil
	}
	if !c.staged && c.flaw != "early" {
		return "", fmt.Errorf("%s is not staged", job.Target)
	}
	if err := c.change(); err != nil {
		return "", err
	}
	if c.flaw == "copies live" {
		// It overwrites what is live, in two writes.
		c.banks[c.live].content = append(c.other().content[:5000:5000], c.banks[c.live].content[5000:]...)
		if err := c.change(); err != nil {
			return "", err
		}
		c.banks[c.live].content = c.other().content
		c.banks[c.live].version = job.Target
		return firmware.RestartNone, nil
	}
	c.before, c.live, c.staged = c.banks[c.live].version, 1-c.live, false
	return firmware.RestartNone, nil
}

func (c *chip) Commit(context.Context, firmware.Job) error { return c.change() }

func (c *chip) Revert(_ context.Context, job firmware.Job) (firmware.Restart, error) {
	if err := c.change(); err != nil {
		return "", err
	}
	if c.before == job.Source && c.banks[c.live].version == job.Target && c.flaw != "stays" {
		c.live = 1 - c.live
	}
	c.job, c.staged, c.before = "", false, ""
	return firmware.RestartNone, nil
}

// flash is the spare bank as a place.
type flash struct{ *chip }

func (f *flash) ReadAt(p []byte, off int64) (int, error) {
	content := f.other().content
	n := copy(p, content[min(off, int64(len(content))):])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *flash) WriteAt(p []byte, off int64) (int, error) {
	if err := f.change(); err != nil {
		return 0, err
	}
	bank := f.other()
	if end := int(off) + len(p); end > len(bank.content) {
		bank.content = append(bank.content, make([]byte, end-len(bank.content))...)
	}
	return copy(bank.content[off:], p), nil
}

func (f *flash) Sync() error  { return nil }
func (f *flash) Close() error { return nil }
