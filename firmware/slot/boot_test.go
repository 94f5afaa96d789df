package slot_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/firmware"
	"otafleet/firmware/firmwaretest"
	"otafleet/firmware/slot"
)

var choices = []slot.Choice{
	{Slot: slot.A}, {Slot: slot.B},
	{Slot: slot.B, Trial: true, Tries: 3}, {Slot: slot.A, Trial: true, Tries: slot.MaxTries}, {Slot: slot.B, Trial: true},
}

func TestChoicesAreReadAsTheyWereMade(t *testing.T) {
	dir := t.TempDir()
	boots := map[string]slot.Boot{
		"flag": slot.Flag{Path: filepath.Join(dir, "flag")},
		"grub": slot.GRUB{Path: filepath.Join(dir, "grubenv")},
	}
	for name, boot := range boots {
		t.Run(name, func(t *testing.T) {
			_, err := boot.Choice(t.Context())
			require.ErrorIs(t, err, os.ErrNotExist, "before the first choice there is none")
			if grub, is := boot.(slot.GRUB); is {
				makeBlock(t, grub.Path)
			}
			for _, choice := range choices {
				require.NoError(t, boot.Choose(t.Context(), choice))
				found, err := boot.Choice(t.Context())
				require.NoError(t, err)
				assert.Equal(t, choice, found)
			}
		})
	}
}

// A cut in the middle of a choice leaves the one before it.
func TestChoicesAreMadeInOneStep(t *testing.T) {
	for _, grub := range []bool{false, true} {
		for cut := 1; ; cut++ {
			breaker := &firmwaretest.Breaker{}
			path := filepath.Join(t.TempDir(), "memory")
			var boot slot.Boot = slot.Flag{Path: path, Disk: breaker.Disk()}
			if grub {
				makeBlock(t, path)
				boot = slot.GRUB{Path: path, Disk: sectors(breaker.Disk())}
			}
			require.NoError(t, boot.Choose(t.Context(), choices[0]))
			breaker.CutAt(cut)
			err := boot.Choose(t.Context(), choices[2])
			found, readErr := boot.Choice(t.Context())
			require.NoError(t, readErr)
			assert.Contains(t, []slot.Choice{choices[0], choices[2]}, found)
			if !breaker.WasCut() {
				require.NoError(t, err)
				assert.Equal(t, choices[2], found)
				break
			}
			require.Error(t, err)
		}
	}
}

// The flag file is what a shell reads with ".".
func TestFlagFile(t *testing.T) {
	flag := slot.Flag{Path: filepath.Join(t.TempDir(), "flag")}
	require.NoError(t, flag.Choose(t.Context(), slot.Choice{Slot: slot.B, Trial: true, Tries: 2}))
	outcome, err := firmware.Program{
		Args: []string{"sh", "-c", `. "$1"; echo "$slot $tries"`, "sh", flag.Path}, Limit: limit,
	}.Run(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "b 2\n", string(outcome.Stdout))

	for text, want := range map[string]string{
		"":                        `"" is not a slot; want a or b`,
		"slot=c\n":                `"c" is not a slot`,
		"slot=a\ntries=-1":        `"-1" is not a number of tries; want 0 to 99`,
		"slot=a\ntries=100":       `"100" is not a number of tries`,
		"tries=1\n":               `"" is not a slot`,
		strings.Repeat("#", 5000): "is too long: more than 4096 bytes",
	} {
		require.NoError(t, os.WriteFile(flag.Path, []byte(text), 0o600))
		_, err := flag.Choice(t.Context())
		require.ErrorContains(t, err, want)
	}
	require.NoError(t, os.WriteFile(flag.Path, []byte("mine=1\nslot=b\n"), 0o600))
	found, err := flag.Choice(t.Context())
	require.NoError(t, err)
	assert.Equal(t, slot.Choice{Slot: slot.B}, found)
}

// The boot loader's part as docs/OPERATOR.md gives it to whoever writes one.
func TestFlagLoaderOfTheGuide(t *testing.T) {
	guide, err := os.ReadFile("../../docs/OPERATOR.md")
	require.NoError(t, err)
	_, script, found := strings.Cut(string(guide), "<!-- flag-loader -->\n```sh\n")
	require.True(t, found)
	script, _, found = strings.Cut(script, "```")
	require.True(t, found)
	flag := slot.Flag{Path: filepath.Join(t.TempDir(), "flag")}
	for before, after := range map[slot.Choice]slot.Choice{
		{Slot: slot.A}:                        {Slot: slot.A},
		{Slot: slot.B}:                        {Slot: slot.B},
		{Slot: slot.B, Trial: true, Tries: 3}: {Slot: slot.B, Trial: true, Tries: 2},
		{Slot: slot.A, Trial: true, Tries: 1}: {Slot: slot.A, Trial: true},
		{Slot: slot.B, Trial: true}:           {Slot: slot.A},
		{Slot: slot.A, Trial: true}:           {Slot: slot.B},
	} {
		require.NoError(t, flag.Choose(t.Context(), before))
		outcome, err := firmware.Program{
			Args: []string{"sh", "-euc", script}, Env: []string{"flag=" + flag.Path}, Limit: limit,
		}.Run(t.Context())
		require.NoError(t, err)
		require.Zero(t, outcome.Exit, outcome.Stderr)
		chosen, err := flag.Choice(t.Context())
		require.NoError(t, err)
		assert.Equal(t, after, chosen, "after %+v", before)
	}
}

// block is an environment block as grub-editenv writes it.
func block(lines string) string {
	text := "# GRUB Environment Block\n" + lines
	return text + strings.Repeat("#", 1024-len(text))
}

// makeBlock makes an empty environment block.
func makeBlock(t *testing.T, path string) {
	require.NoError(t, os.WriteFile(path, []byte(block("")), 0o600))
}

// sectors is a disk where what is written in place is never lost with what was
// there: a sector holds the old bytes or the new ones.
func sectors(disk firmware.Disk) firmware.Disk {
	before := disk.Before
	if before != nil {
		disk.Before = func(change firmware.Change) error {
			if change.Op == firmware.OpWrite {
				change.Op = "write of a sector"
			}
			return before(change)
		}
	}
	return disk
}

// GRUB reads the disk without the file system's journal: it would not find a
// file that has just taken the block's name, and write to the old one's blocks,
// which may be another file's by then.
func TestGrubBlockKeepsItsPlace(t *testing.T) {
	dir := t.TempDir()
	grub := slot.GRUB{Path: filepath.Join(dir, "grubenv")}
	require.ErrorContains(t, grub.Choose(t.Context(), slot.Choice{}), "grub-editenv "+grub.Path+" create")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries, "a new file is not made either")

	block := block("mine=" + strings.Repeat("x", 600) + "\nota_slot=a\n")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "elsewhere"), []byte(block), 0o600))
	require.NoError(t, os.Symlink("elsewhere", grub.Path))
	before, err := os.Stat(grub.Path)
	require.NoError(t, err)
	for _, choice := range choices {
		require.NoError(t, grub.Choose(t.Context(), choice))
		found, err := grub.Choice(t.Context())
		require.NoError(t, err)
		assert.Equal(t, choice, found)
	}
	after, err := os.Stat(filepath.Join(dir, "elsewhere"))
	require.NoError(t, err)
	assert.True(t, os.SameFile(before, after), "another file has the name")
	assert.Equal(t, before.Size(), after.Size())
	data, err := os.ReadFile(grub.Path)
	require.NoError(t, err)
	assert.Contains(t, string(data[:512]), "\nota_slot=b\nota_tries=0\n",
		"the choice is not within the first sector, which is written whole or not at all")
}

func TestGrubKeepsWhatIsNotItsOwn(t *testing.T) {
	grub := slot.GRUB{Path: filepath.Join(t.TempDir(), "grubenv")}
	// A comment as grub-editenv writes it, and a value with a line feed and a backslash.
	quoted := "# WARNING: Do not edit this file by tools other than grub-editenv!!!\nsaved_entry=a\\\nb\\\\\n"
	require.NoError(t, os.WriteFile(grub.Path, []byte(block(quoted+"ota_slot=a\nota_slots=mine\n")), 0o600))
	require.NoError(t, grub.Choose(t.Context(), slot.Choice{Slot: slot.B, Trial: true, Tries: 3}))
	data, err := os.ReadFile(grub.Path)
	require.NoError(t, err)
	assert.Equal(t, block("ota_slot=b\nota_tries=3\n"+quoted+"ota_slots=mine\n"), string(data))
}

func TestGrubBlocksThatAreNone(t *testing.T) {
	grub := slot.GRUB{Path: filepath.Join(t.TempDir(), "grub env")}
	for text, want := range map[string]string{
		"": "does not begin with GRUB's signature; make a new one with grub-editenv '" +
			grub.Path + "' create",
		"ota_slot=a\n":                       "does not begin with GRUB's signature",
		"# GRUB Environment Block\nota_slot": "its last line has no end",
		"# GRUB Environment Block\na=\\":     "its last line has no end",
		block("ota_slot=x\n"):                `"x" is not a slot`,
	} {
		require.NoError(t, os.WriteFile(grub.Path, []byte(text), 0o600))
		_, err := grub.Choice(t.Context())
		require.ErrorContains(t, err, want)
	}
	full := "mine=" + strings.Repeat("x", 985) + "\n"
	require.NoError(t, os.WriteFile(grub.Path, []byte(block(full)), 0o600))
	require.ErrorContains(t, grub.Choose(t.Context(), slot.Choice{}), "its 1024 bytes are full")
	data, err := os.ReadFile(grub.Path)
	require.NoError(t, err)
	assert.Equal(t, block(full), string(data), "what cannot be changed stays")
}
