package transfer_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/firmware"
	"otafleet/firmware/firmwaretest"
	"otafleet/firmware/transfer"
	"otafleet/internal/ota"
)

// component is a component that takes whole images. Its version is the first
// line of what it runs.
type component struct {
	live   []byte
	sent   []string // versions that were sent
	errors []error  // of the next calls of Send
	silent bool
}

func (c *component) Version(context.Context) (string, error) {
	if c.silent {
		return "", firmware.Failf(ota.ComponentSilent, "no answer")
	}
	version, _, _ := bytes.Cut(c.live, []byte("\n"))
	return string(version), nil
}

func (c *component) Send(_ context.Context, image transfer.Image, begin func() error) error {
	c.sent = append(c.sent, image.Version)
	if err := begin(); err != nil {
		return err
	}
	if len(c.errors) > 0 {
		err := c.errors[0]
		c.errors = c.errors[1:]
		return err
	}
	live, err := io.ReadAll(io.NewSectionReader(image, 0, image.Size))
	c.live = live
	return err
}

// device is a component with its installer.
type device struct {
	component
	cfg transfer.Config
}

func newDevice(t *testing.T) *device {
	d := &device{component: component{live: firmwaretest.Content("1.0.0", 100)}}
	dir := firmwaretest.Dir(t)
	factory := filepath.Join(dir, "factory.bin")
	require.NoError(t, os.WriteFile(factory, d.live, 0o600))
	d.cfg = transfer.Config{
		Component: "motor", StateDir: filepath.Join(dir, "state"), Driver: &d.component,
		Factory:    transfer.Factory{Version: "1.0.0", Path: factory},
		StartLimit: time.Millisecond, Pause: time.Millisecond,
	}
	return d
}

func (d *device) installer(t *testing.T) *transfer.Installer {
	in, err := transfer.New(d.cfg)
	require.NoError(t, err)
	return in
}

// stage brings an image to the device.
func (d *device) stage(t *testing.T, source, target string) firmware.Job {
	content := firmwaretest.Content(target, 100)
	job := firmware.Job{
		Component: "motor", Source: source, Target: target, Files: []ota.File{firmwaretest.Plain("motor.bin", content)},
	}
	places, err := d.installer(t).Open(t.Context(), job)
	require.NoError(t, err)
	_, err = places[0].WriteAt(content, 0)
	require.NoError(t, errors.Join(err, places[0].Sync(), places[0].Close()))
	require.NoError(t, d.installer(t).Stage(t.Context(), job))
	return job
}

func (d *device) activate(t *testing.T, job firmware.Job) error {
	_, err := d.installer(t).Activate(t.Context(), job)
	return err
}

func (d *device) revert(t *testing.T, job firmware.Job) error {
	_, err := d.installer(t).Revert(t.Context(), job)
	return err
}

func TestARollbackBringsTheVersionBefore(t *testing.T) {
	d := newDevice(t)
	require.NoError(t, d.activate(t, d.stage(t, "1.0.0", "1.1.0")))
	second := d.stage(t, "1.1.0", "1.2.0")
	require.NoError(t, d.activate(t, second))
	require.NoError(t, d.revert(t, second))
	require.NoError(t, d.revert(t, second))
	assert.Equal(t, []string{"1.1.0", "1.2.0", "1.1.0"}, d.sent)
	assert.Equal(t, firmwaretest.Content("1.1.0", 100), d.live)
}

// The component was given another version by hand: what is kept is not
// what has to come back.
func TestNoRollbackToWhatDidNotRun(t *testing.T) {
	d := newDevice(t)
	require.NoError(t, d.activate(t, d.stage(t, "1.0.0", "1.1.0")))
	d.live = []byte("by hand\n")
	job := d.stage(t, "by hand", "1.2.0")
	require.NoError(t, d.activate(t, job))
	require.ErrorContains(t, d.revert(t, job), "no image of by hand is kept")
	d.live = []byte("by hand\n")
	require.NoError(t, d.revert(t, job), "it runs it by itself")
}

// A component that says nothing may still be given what it ran last.
func TestRollbackOfASilentComponent(t *testing.T) {
	d := newDevice(t)
	require.NoError(t, d.activate(t, d.stage(t, "1.0.0", "1.1.0")))
	job := d.stage(t, "", "1.2.0")
	require.NoError(t, d.activate(t, job))
	require.NoError(t, d.revert(t, job))
	assert.Equal(t, []string{"1.1.0", "1.2.0", "1.1.0"}, d.sent)
}

func TestTries(t *testing.T) {
	silent := firmware.Failf(ota.ComponentSilent, "no answer")
	for name, test := range map[string]struct {
		errors []error
		sent   int
		fails  bool
	}{
		"twice silent":          {[]error{silent, silent}, 3, false},
		"silent for good":       {[]error{silent, silent, silent}, 3, true},
		"an error without code": {[]error{io.ErrUnexpectedEOF}, 2, false},
		"asks to come later":    {[]error{firmware.ErrRetry}, 1, true},
		"another code":          {[]error{firmware.Failf(ota.VersionMismatch, "x")}, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDevice(t)
			job := d.stage(t, "1.0.0", "1.1.0")
			d.errors = test.errors
			err := d.activate(t, job)
			assert.Equal(t, test.fails, err != nil, "%v", err)
			assert.Len(t, d.sent, test.sent)
		})
	}
}

// An image is verified before it is sent, each time.
func TestDamagedImageIsNotSent(t *testing.T) {
	d := newDevice(t)
	job := d.stage(t, "1.0.0", "1.1.0")
	path := filepath.Join(d.cfg.StateDir, "files", "motor.bin")
	require.NoError(t, os.WriteFile(path, []byte("damaged"), 0o600))
	var failure *ota.Failure
	require.ErrorAs(t, d.activate(t, job), &failure)
	assert.Equal(t, ota.DigestMismatch, failure.Code)
	assert.Empty(t, d.sent)
}

func TestSilentAfterTheImage(t *testing.T) {
	d := newDevice(t)
	job := d.stage(t, "1.0.0", "1.1.0")
	d.silent = true
	var failure *ota.Failure
	require.ErrorAs(t, d.activate(t, job), &failure)
	assert.Equal(t, ota.ComponentSilent, failure.Code)
	d.silent = false
	require.NoError(t, d.activate(t, job))
	assert.Equal(t, []string{"1.1.0"}, d.sent, "it had taken the image")
}

func TestDamagedRecordCountsAsNone(t *testing.T) {
	d := newDevice(t)
	job := d.stage(t, "1.0.0", "1.1.0")
	require.NoError(t, os.WriteFile(filepath.Join(d.cfg.StateDir, "transfer.json"), []byte("{"), 0o600))
	require.ErrorContains(t, d.activate(t, job), "it is not staged")
	require.NoError(t, d.activate(t, d.stage(t, "1.0.0", "1.1.0")))
}

func TestVersionThatIsNone(t *testing.T) {
	d := newDevice(t)
	d.live = []byte("\x01\n")
	_, err := d.installer(t).Inspect(t.Context())
	require.ErrorContains(t, err, "which is not a version")
}
