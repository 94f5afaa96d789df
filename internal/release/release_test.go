package release_test

import (
	"crypto/ed25519"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/internal/release"
	"otafleet/internal/wire"
)

// signed makes a directory with two files and their signed list.
func signed(t *testing.T) (dir string, trust *wire.Trust) {
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	dir = t.TempDir()
	var paths []string
	for _, name := range []string{"ota-agent", "ota-sim"} {
		paths = append(paths, filepath.Join(dir, name))
		require.NoError(t, os.WriteFile(paths[len(paths)-1], []byte("I am "+name), 0o700))
	}
	list, err := release.Sign(paths, private)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "RELEASE.sig"), list, 0o600))
	return dir, &wire.Trust{Keys: []ed25519.PublicKey{public}}
}

func TestVerify(t *testing.T) {
	list := func(dir string) string { return filepath.Join(dir, "RELEASE.sig") }
	dir, trust := signed(t)
	names, err := release.Verify(list(dir), trust)
	require.NoError(t, err)
	assert.Equal(t, []string{"ota-agent", "ota-sim"}, names)

	_, other := signed(t)
	for _, test := range []struct {
		name, says string
		spoil      func(t *testing.T, dir string)
	}{
		{"a file that differs", "ota-sim is not the file that was signed", func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "ota-sim"), []byte("I am another"), 0o700))
		}},
		{"a file that is missing", "ota-agent: no such file", func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, "ota-agent")))
		}},
		{"a pipe", "is not a file", func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, "ota-agent")))
			require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "ota-agent"), 0o600))
		}},
		{"no list", "no such file", func(t *testing.T, dir string) { require.NoError(t, os.Remove(list(dir))) }},
		{"a list that is cut off", "must be JSON", func(t *testing.T, dir string) {
			text, err := os.ReadFile(list(dir))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(list(dir), text[:len(text)/2], 0o600))
		}},
		{"a list that is too long", "is too long", func(t *testing.T, dir string) {
			require.NoError(t, os.Truncate(list(dir), 1<<40))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir, trust := signed(t)
			test.spoil(t, dir)
			_, err := release.Verify(list(dir), trust)
			assert.ErrorContains(t, err, test.says)
		})
	}
	_, err = release.Verify(list(dir), other)
	assert.ErrorContains(t, err, "signed by 0 of the trusted keys")
}

// Only a list is a list, and nothing in it leads out of its directory.
func TestSignedTextThatIsNoList(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	trust := &wire.Trust{Keys: []ed25519.PublicKey{public}}
	digest := fmt.Sprintf("%064x", 1)
	for _, test := range []struct{ kind, text, says string }{
		{wire.ManifestType, digest + "  ota-agent\n", "no list of a release's files"},
		{release.ListType, digest + "  ../ota-agent\n", "is not a digest and the name of a file"},
		{release.ListType, digest + "  ..\n", "is not a digest and the name of a file"},
		{release.ListType, digest + "\n", "is not a digest and the name of a file"},
	} {
		envelope, err := wire.Sign(test.kind, []byte(test.text), private)
		require.NoError(t, err)
		text, err := wire.EncodeEnvelope(envelope)
		require.NoError(t, err)
		path := filepath.Join(t.TempDir(), "RELEASE.sig")
		require.NoError(t, os.WriteFile(path, text, 0o600))
		_, err = release.Verify(path, trust)
		assert.ErrorContains(t, err, test.says, "%s %s", test.kind, test.text)
	}
}

func TestNamesThatNoListCanHold(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		paths []string
		says  string
	}{
		{[]string{filepath.Join(dir, "two words")}, "no spaces"},
		{[]string{filepath.Join(dir, "line\nend")}, "no spaces"},
		{[]string{filepath.Join(dir, "a"), filepath.Join(dir, "b", "a")}, "cannot list a twice"},
		{[]string{filepath.Join(dir, "c")}, "no such file"},
		{[]string{dir}, "is not a file"},
	} {
		for _, path := range test.paths[:len(test.paths)-1] {
			require.NoError(t, os.WriteFile(path, nil, 0o600))
		}
		_, err := release.Sign(test.paths)
		assert.ErrorContains(t, err, test.says)
	}
}

func FuzzVerify(f *testing.F) {
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(f, err)
	trust := &wire.Trust{Keys: []ed25519.PublicKey{public}}
	f.Add("")
	f.Add(fmt.Sprintf("%064x  list\n%064x  missing\n", 1, 2))
	f.Add("  \n\n  ../list")
	path := filepath.Join(f.TempDir(), "list")
	f.Fuzz(func(t *testing.T, list string) {
		if list == "" {
			return
		}
		envelope, err := wire.Sign(release.ListType, []byte(list), private)
		require.NoError(t, err)
		text, err := wire.EncodeEnvelope(envelope)
		if err != nil || len(text) > ota.MaxPayload {
			return
		}
		require.NoError(t, os.WriteFile(path, text, 0o600))
		_, err = release.Verify(path, trust)
		require.Error(t, err, "no list can name itself with its digest")
	})
}
