package command_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/firmware"
	"otafleet/firmware/command"
	"otafleet/firmware/firmwaretest"
	"otafleet/internal/ota"
	"otafleet/internal/programtest"
)

// scripted makes an installer whose handler is a shell script.
func scripted(t *testing.T, script string, limits command.Limits) (firmware.Installer, string) {
	dir := t.TempDir()
	path := filepath.Join(dir, "handler")
	programtest.Write(t, path, []byte("#!/bin/sh\n"+script), 0o755)
	installer, err := command.New(command.Config{
		Device: "gw-0001", Component: "motor", Path: path, StateDir: filepath.Join(dir, "state"), Limits: limits,
		Grace: 50 * time.Millisecond,
	})
	require.NoError(t, err)
	return installer, dir
}

func jobOf(files ...ota.File) firmware.Job {
	return firmware.Job{Component: "motor", Source: "1.0.0", Target: "1.1.0", Files: files}
}

// fetch opens the job's places and fills them.
func fetch(t *testing.T, installer firmware.Installer, job firmware.Job, data ...[]byte) {
	places, err := installer.Open(t.Context(), job)
	require.NoError(t, err)
	for i, p := range places {
		_, err := p.WriteAt(data[i], 0)
		require.NoError(t, err)
		require.NoError(t, p.Sync())
		require.NoError(t, p.Close())
	}
}

// TestPatches lets the installer apply patches, to what the handler says.
func TestPatches(t *testing.T) {
	old, image := firmwaretest.Content("1.0.0", 3000), firmwaretest.Content("1.1.0", 3000)
	file, patch := firmwaretest.BSDiff("motor.bsdiff", old, image)
	patching := func(t *testing.T, script string) (firmware.Installer, string) {
		dir := t.TempDir()
		path := filepath.Join(dir, "handler")
		programtest.Write(t, path, []byte("#!/bin/sh\n"+strings.ReplaceAll(script, "@DIR@", dir)), 0o755)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "live"), old, 0o600))
		installer, err := command.New(
			command.Config{Component: "motor", Path: path, StateDir: filepath.Join(dir, "state"), Patch: true},
		)
		require.NoError(t, err)
		return installer, dir
	}
	installer, dir := patching(
		t, `[ "$1" != image ] || echo "{\"image\":\"@DIR@/live\"}"; [ "$1" != stage ] || cp "$OTA_FILES" @DIR@/staged`,
	)
	fetch(t, installer, jobOf(file), patch)
	require.NoError(t, installer.Stage(t.Context(), jobOf(file)))
	staged, err := os.ReadFile(filepath.Join(dir, "staged"))
	require.NoError(t, err)
	assert.Equal(t, image, staged, "the handler gets the new image")

	require.NoError(t, os.WriteFile(filepath.Join(dir, "live"), image, 0o600))
	_, err = installer.Open(t.Context(), jobOf(file))
	assert.Contains(t, firmwaretest.RequireCode(t, ota.DeltaFailed, err).Detail, "does not start from what runs")

	for script, want := range map[string]string{
		`echo no such verb >&2; exit 1`:  "no such verb",
		`echo ok`:                        "last line for image must be",
		`echo '{"image":"live"}'`:        "with an absolute path",
		`echo '{"image":"/nowhere/it"}'`: "cannot open the image that runs",
	} {
		installer, _ := patching(t, script)
		_, err := installer.Open(t.Context(), jobOf(file))
		assert.Contains(t, firmwaretest.RequireCode(t, ota.DeltaFailed, err).Detail, want)
	}
	installer, _ = patching(t, "exit 75")
	_, err = installer.Open(t.Context(), jobOf(file))
	require.ErrorIs(t, err, firmware.ErrRetry)
}

// TestHandlerContract records what the handler is given for each verb.
func TestHandlerContract(t *testing.T) {
	installer, dir := scripted(t, `
log() {
	where=$([ "$PWD" = "$OTA_WORK_DIR" ] && echo here)
	echo "$1|$OTA_DEVICE|$OTA_COMPONENT|$OTA_SOURCE|$OTA_TARGET|$where|$OTA_FILES" >>"$OTA_WORK_DIR/../../log"
}
log "$1"
case $1 in
stage) cat $OTA_FILES >"$OTA_WORK_DIR/kept" ;;
activate) cat "$OTA_WORK_DIR/kept" >&2; echo '{"restart":"system"}' ;;
revert) echo '{"restart":"process"}' ;;
inspect) echo '{"version":"1.0.0"}' ;;
esac`, command.Limits{})
	image := firmwaretest.Content("1.1.0", 5000)
	encoded, packed := firmwaretest.Zstd("motor.zst", image)
	patch := firmwaretest.Plain("motor.bsdiff", []byte("a patch"))
	patch.Encoding, patch.Output = ota.BSDiff, &ota.Output{Size: 10}
	job := jobOf(encoded, patch)
	after := job
	after.Files = nil

	found, err := installer.Inspect(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "1.0.0", found.Version)
	fetch(t, installer, job, packed, []byte("a patch"))
	require.NoError(t, installer.Stage(t.Context(), job))
	restart, err := installer.Activate(t.Context(), after)
	require.NoError(t, err)
	assert.Equal(t, firmware.RestartSystem, restart)
	require.NoError(t, installer.Commit(t.Context(), after))
	restart, err = installer.Revert(t.Context(), after)
	require.NoError(t, err)
	assert.Equal(t, firmware.RestartProcess, restart)

	state := filepath.Join(dir, "state")
	files := filepath.Join(state, "images", "motor.zst") + "\n" + filepath.Join(state, "files", "motor.bsdiff")
	want := "inspect|gw-0001|motor|||here|\n"
	for _, verb := range []string{"stage", "activate", "confirm", "revert"} {
		want += fmt.Sprintf("%s|gw-0001|motor|1.0.0|1.1.0|here|%s\n", verb, files)
	}
	log, err := os.ReadFile(filepath.Join(dir, "log"))
	require.NoError(t, err)
	assert.Equal(t, want, string(log))
	kept, err := os.ReadFile(filepath.Join(state, "work", "kept"))
	require.NoError(t, err, "the handler's directory is gone before another job begins")
	assert.Equal(t, string(image)+"a patch", string(kept))
	assert.NoFileExists(t, filepath.Join(state, "files", "motor.zst"), "files are kept after confirm")
}

func TestHandlerThatFails(t *testing.T) {
	tests := map[string]struct {
		script  string
		retry   bool
		code    ota.Code
		details []string
	}{
		"try again later": {script: "echo busy >&2; exit 75", retry: true},
		"failed": {
			script: "echo no valve >&2; exit 1", code: ota.InstallerFailed,
			details: []string{"stage: exit status 1: no valve"},
		},
		"killed": {script: "kill -9 $$", code: ota.InstallerFailed, details: []string{"stage: ", "signal: killed"}},
		"long complaint": {
			script: "head -c 100000 /dev/zero | tr '\\0' x >&2; exit 1", code: ota.InstallerFailed,
			details: []string{"exit status 1: xxx"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			installer, _ := scripted(t, test.script, command.Limits{})
			job := jobOf(firmwaretest.Plain("motor.bin", []byte("image")))
			fetch(t, installer, job, []byte("image"))
			err := installer.Stage(t.Context(), job)
			if test.retry {
				require.ErrorIs(t, err, firmware.ErrRetry)
				require.ErrorContains(t, err, "busy")
				return
			}
			failure := firmwaretest.RequireCode(t, test.code, err)
			assert.LessOrEqual(t, len(failure.Detail), ota.MaxDetail)
			for _, part := range test.details {
				assert.Contains(t, failure.Detail, part)
			}
		})
	}
}

func TestSilentComponent(t *testing.T) {
	for name, script := range map[string]string{
		"fails":        "echo no answer on ttyS1 >&2; exit 3",
		"says nothing": "exit 0",
		"hangs":        "exec sleep 600",
	} {
		t.Run(name, func(t *testing.T) {
			installer, _ := scripted(t, script, command.Limits{Inspect: 500 * time.Millisecond})
			_, err := installer.Inspect(t.Context())
			firmwaretest.RequireCode(t, ota.ComponentSilent, err)
		})
	}
	installer, _ := scripted(t, "exec sleep 600", command.Limits{})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := installer.Inspect(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded, "a stopped agent says nothing about the component")
}

func TestHandlerThatCannotRun(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	require.NoError(t, os.WriteFile(text, []byte("text"), 0o644))
	for path, want := range map[string]string{
		filepath.Join(dir, "missing"): "does not exist",
		text:                          "is not an executable file",
		dir:                           "is not an executable file",
	} {
		installer, err := command.New(command.Config{Component: "motor", Path: path, StateDir: filepath.Join(dir, "state")})
		require.NoError(t, err)
		_, err = installer.Inspect(t.Context())
		failure := firmwaretest.RequireCode(t, ota.InstallerFailed, err)
		assert.Contains(t, failure.Detail, path+" "+want)
	}
}

func TestActivateMustAnswer(t *testing.T) {
	installer, _ := scripted(t, `[ "$1" = activate ] && echo done; exit 0`, command.Limits{})
	job := jobOf(firmwaretest.Plain("motor.bin", []byte("image")))
	fetch(t, installer, job, []byte("image"))
	require.NoError(t, installer.Stage(t.Context(), job))
	_, err := installer.Activate(t.Context(), job)
	failure := firmwaretest.RequireCode(t, ota.InstallerFailed, err)
	assert.Equal(t, `the handler's last line for activate must be a JSON object, not "done"`, failure.Detail)
}

func TestRevertBeforeStageLeavesTheHandlerAlone(t *testing.T) {
	installer, dir := scripted(t, `echo "$1" >>../../log`, command.Limits{})
	job := jobOf(firmwaretest.Plain("motor.bin", []byte("image")))
	fetch(t, installer, job, []byte("image"))
	restart, err := installer.Revert(t.Context(), job)
	require.NoError(t, err)
	assert.Equal(t, firmware.RestartNone, restart)
	assert.NoFileExists(t, filepath.Join(dir, "log"))

	fetch(t, installer, job, []byte("image"))
	require.NoError(t, installer.Stage(t.Context(), job))
	for range 2 {
		_, err = installer.Revert(t.Context(), job)
		require.NoError(t, err)
	}
	log, err := os.ReadFile(filepath.Join(dir, "log"))
	require.NoError(t, err)
	assert.Equal(t, "stage\nrevert\nrevert\n", string(log))
}

func TestCapacity(t *testing.T) {
	dir := t.TempDir()
	installer, err := command.New(command.Config{Component: "motor", Path: "/bin/true", StateDir: dir, Capacity: 4})
	require.NoError(t, err)
	_, err = installer.Open(t.Context(), jobOf(firmwaretest.Plain("motor.bin", []byte("image"))))
	firmwaretest.RequireCode(t, ota.TooLarge, err)
}

func TestConfigValidate(t *testing.T) {
	_, err := command.New(command.Config{
		Component: "mo/tor", Path: "handler", StateDir: "state", Capacity: -1, Limits: command.Limits{Stage: -1},
	})
	require.Error(t, err)
	for _, want := range []string{`component "mo/tor"`, `handler "handler"`, `state directory "state"`, "time limit",
		"capacity -1"} {
		assert.Contains(t, err.Error(), want)
	}
	assert.Len(t, strings.Split(err.Error(), "\n"), 5)
}
