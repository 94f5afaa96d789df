package slot_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/firmware/slot"
	"otafleet/internal/programtest"
)

const limit = time.Minute

// uboot is a U-Boot whose programs keep the environment in a plain file. Those of
// libubootenv are tried in test/real.
func uboot(t *testing.T, environment string) slot.UBoot {
	dir := t.TempDir()
	u := slot.UBoot{
		Printenv: filepath.Join(dir, "printenv"), Setenv: filepath.Join(dir, "setenv"),
		Config: filepath.Join(dir, "env"), Dir: filepath.Join(dir, "state"),
	}
	require.NoError(t, os.WriteFile(u.Config, []byte(environment), 0o600))
	programtest.Write(t, u.Printenv, []byte("#!/bin/sh\nset -eu\ntest \"$1\" = --config\ncat \"$2\"\n"), 0o700)
	require.NoError(t, os.WriteFile(u.Setenv, []byte(`#!/bin/sh
set -eu
test "$1 $3" = "--config --script"
while IFS='=' read -r name value; do
	grep -v "^$name=" "$2" >"$2.new" || true
	echo "$name=$value" >>"$2.new"
	mv "$2.new" "$2"
done <"$4"
`), 0o700))
	return u
}

func TestUBootChoices(t *testing.T) {
	u := uboot(t, "bootcmd=run ota_boot\nbootdelay=1\n")
	_, err := u.Choice(t.Context())
	require.ErrorContains(t, err, `ota_slot: "" is not a slot`)
	for _, choice := range choices {
		require.NoError(t, u.Choose(t.Context(), choice))
		found, err := u.Choice(t.Context())
		require.NoError(t, err)
		assert.Equal(t, choice, found)
	}
	require.NoError(t, u.Choose(t.Context(), slot.Choice{Slot: slot.A, Trial: true, Tries: 3}))
	data, err := os.ReadFile(u.Config)
	require.NoError(t, err)
	assert.Equal(t, "bootcmd=run ota_boot\nbootdelay=1\nota_slot=a\nupgrade_available=1\nbootcount=0\nbootlimit=3\n",
		string(data))
}

func TestUBootCountsUp(t *testing.T) {
	for environment, want := range map[string]slot.Choice{
		"ota_slot=b\nupgrade_available=1\nbootlimit=3\n":                {Slot: slot.B, Trial: true, Tries: 3},
		"ota_slot=b\nupgrade_available=1\nbootlimit=3\nbootcount=1\n":   {Slot: slot.B, Trial: true, Tries: 2},
		"ota_slot=b\nupgrade_available=1\nbootlimit=3\nbootcount=9\n":   {Slot: slot.B, Trial: true},
		"ota_slot=a\nupgrade_available=0\nbootlimit=3\nbootcount=2\n":   {Slot: slot.A},
		"ota_slot=a\nx=1\nbootlimit=x\n":                                {Slot: slot.A},
		"ota_slot=a\nupgrade_available=1\nbootlimit=999\nbootcount=0\n": {Slot: slot.A, Trial: true, Tries: slot.MaxTries},
	} {
		found, err := uboot(t, environment).Choice(t.Context())
		require.NoError(t, err, environment)
		assert.Equal(t, want, found, environment)
	}
	_, err := uboot(t, "ota_slot=a\nupgrade_available=1\n").Choice(t.Context())
	require.ErrorContains(t, err, `bootlimit: "" is not a number`)
}

func TestUBootProgramsThatFail(t *testing.T) {
	u := uboot(t, "")
	for _, program := range []string{u.Printenv, u.Setenv} {
		programtest.Write(t, program, []byte("#!/bin/sh\necho no environment >&2\nexit 1\n"), 0o700)
	}
	_, err := u.Choice(t.Context())
	require.EqualError(t, err, "cannot read U-Boot's environment: exit status 1: no environment")
	require.EqualError(t, u.Choose(t.Context(), slot.Choice{}),
		"cannot write U-Boot's environment: exit status 1: no environment")
	u.Printenv, u.Setenv = "/absent/fw_printenv", "/absent/fw_setenv"
	_, err = u.Choice(t.Context())
	require.ErrorContains(t, err, "cannot run /absent/fw_printenv")
	require.ErrorContains(t, u.Choose(t.Context(), slot.Choice{}), "cannot run /absent/fw_setenv")
}
