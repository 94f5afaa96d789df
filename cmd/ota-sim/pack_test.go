package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/bundle"
	"otafleet/internal/cli"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

func TestKeygen(t *testing.T) {
	name := filepath.Join(t.TempDir(), "release")
	o := sim(t, "keygen", name)
	require.Equal(t, cli.OK, o.code, o.err)
	publics, err := readKeys([]string{name + ".pub"}, wire.ParsePublicKey)
	require.NoError(t, err)
	privates, err := readKeys([]string{name + ".key"}, wire.ParsePrivateKey)
	require.NoError(t, err)
	public, private := publics[0], privates[0]
	assert.Equal(t, public, private.Public())
	assert.Contains(t, o.out, "key id   "+wire.KeyID(public))
	info, err := os.Stat(name + ".key")
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "no one else may read it")
	secret, err := os.ReadFile(name + ".key")
	require.NoError(t, err)
	assert.NotContains(t, o.out, strings.Split(string(secret), "\n")[1])

	o = sim(t, "keygen", name)
	assert.Equal(t, cli.Failed, o.code)
	assert.Contains(t, o.err, "release.key exists and is not overwritten")
	again, err := os.ReadFile(name + ".key")
	require.NoError(t, err)
	assert.Equal(t, secret, again)

	require.NoError(t, os.Remove(name+".key"))
	o = sim(t, "keygen", name)
	assert.Contains(t, o.err, "release.pub exists and is not overwritten")
	assert.NoFileExists(t, name+".key", "a key without its half is of no use")
	assert.Equal(t, cli.Failed, sim(t, "keygen", filepath.Join(name, "none")).code)
}

// TestPack makes packages that can be opened and verified.
func TestPack(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.WriteFile(path("app.bin"), []byte(strings.Repeat("new", 5000)), 0o600))
	require.Equal(t, cli.OK, sim(t, "keygen", path("release")).code)
	keys, err := readKeys([]string{path("release.pub")}, wire.ParsePublicKey)
	require.NoError(t, err)
	pack := func(args ...string) *ota.Manifest {
		out := path("app.ota")
		o := sim(t, append([]string{"pack", "--product", "gw-200", "--component", "app", "--target", "1.1.0", "--release",
			"2", "--out", out, path("app.bin")}, args...)...)
		require.Equal(t, cli.OK, o.code, o.err)
		assert.Equal(t, !slices.Contains(args, "--valid"), strings.Contains(o.err, "warning: the package is valid for ever"))
		assert.Contains(t, o.out, "app.ota: gw-200 app 1.1.0, release 2")
		b, err := bundle.Open(out)
		require.NoError(t, err)
		defer b.Close()
		if len(b.Envelope.Signatures) > 0 {
			m, err := (&wire.Trust{Keys: keys}).Open(b.Envelope)
			require.NoError(t, err)
			return m
		}
		return b.Manifest
	}
	signed := []string{"--key", path("release.key")}
	m := pack(signed...)
	assert.Equal(t, ota.Module, m.Type)
	assert.Equal(t, ota.Full, m.Package)
	assert.True(t, m.Expires.IsZero())
	require.Len(t, m.Files, 1)
	assert.Equal(t, int64(15000), m.Files[0].Size)

	m = pack(append(signed, "--type", "mcu", "--delta", "--source", "1.0.0", "--hardware", "rev-b,rev-c", "--valid", "24h",
		"--chunk", "1024", "--allow-downgrade")...)
	assert.Equal(t, ota.MCU, m.Type)
	assert.Equal(t, ota.Delta, m.Package)
	assert.Equal(t, "1.0.0", m.Source)
	assert.Equal(t, []string{"rev-b", "rev-c"}, m.Hardware)
	assert.Len(t, m.Files[0].Chunks, 15)
	assert.True(t, m.AllowDowngrade)
	assert.False(t, m.Expires.IsZero())

	require.NoError(t, os.WriteFile(path("old.bin"), []byte(strings.Repeat("old", 5000)), 0o600))
	m = pack(append(signed, "--source", "1.0.0", "--from", path("old.bin"), "--memory", "64MiB")...)
	assert.Equal(t, ota.Delta, m.Package)
	assert.Equal(t, ota.BSDiff, m.Files[0].Encoding)
	assert.Less(t, m.Files[0].Size, int64(1000))
	assert.Equal(t, int64(15000), m.Files[0].Base.Size)

	m = pack("--unsigned", "--zstd")
	assert.Equal(t, ota.Zstd, m.Files[0].Encoding)
	assert.Less(t, m.Files[0].Size, int64(1000))
	assert.Equal(t, int64(15000), m.Files[0].Image().Size)
}

func TestPackRefuses(t *testing.T) {
	dir := t.TempDir()
	image, out := file(t, "app.bin", "new"), filepath.Join(dir, "app.ota")
	good := func(change ...string) []string {
		args := []string{"pack", "--product", "gw-200", "--component", "app", "--target", "1.1.0", "--release", "2",
			"--unsigned", "--out", out}
		return append(args, change...)
	}
	tests := []struct {
		args []string
		err  string
	}{
		{[]string{"pack"}, "--out is missing"},
		{good(), "no file is given"},
		{good(image, "--release", "0"), "--release must be 1 or more"},
		{good(image, "--valid", "-1h"), "--valid must not be negative"},
		{good(image, "--allow-downgrade"), "--allow-downgrade needs --valid"},
		{good(image, "--source", "1.0.0"), "--source is for a delta only"},
		{good(image, "--source", "1.0.0", "--from", image, "--zstd"), "it goes neither with --delta nor with --zstd"},
		{good(image, "--source", "1.0.0", "--from", image, "--memory", "some"), "--memory"},
		{good(image, "--source", "1.0.0", "--from", image, "--memory", "10"), "of memory"},
		{good(image, "--patch", image), "--patch needs --from"},
		{good(image, "--source", "1.0.0", "--from", image, "--patch", image), "which does not lead from"},
		{good(image, "--from", image), "source"},
		{good(image, "--source", "1.0.0", "--from", image, "--from", image), "each needs the one that runs before"},
		{good(image, "--key", image), "give the keys to sign with"},
		{good(image, "--unsigned=false"), "give the keys to sign with"},
		{good(image, "--unsigned=false", "--key", image), "app.bin:"},
		{good(image, "--unsigned=false", "--key", "none"), "cannot read the key"},
		{good(image, "--product", "g/w"), "product"},
		{good(image, "--component", ""), "component"},
		{good(image, "--type", "thing"), "type"},
		{good(image, "--target", ""), "target"},
		{good(image, "--delta"), "source"},
		{good(image, "--chunk", "1"), "chunk"},
		{good(filepath.Join(dir, "none")), "cannot read the file to pack"},
		{good(image, image), "must not stand twice"},
		{good(image, "--out", filepath.Join(dir, "none", "app.ota")), "cannot make a package"},
	}
	for _, tt := range tests {
		o := sim(t, tt.args...)
		assert.Contains(t, []int{cli.Failed, cli.Usage}, o.code, "%v", tt.args)
		assert.Contains(t, o.err, tt.err, "%v", tt.args)
		assert.Empty(t, o.out)
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left, "nothing is left behind")
}

// TestPackSidecar: what hawkBit keeps is the files and their signed manifest.
func TestPackSidecar(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, "release")
	require.Equal(t, 0, sim(t, "keygen", key).code)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "app.bin"), []byte("new"), 0o644))
	out := filepath.Join(dir, "app-1.1.0")
	args := []string{"pack", "--key", key + ".key", "--product", "gw-200", "--component", "app", "--target", "1.1.0",
		"--release", "2",
		"--valid", "1h", "--sidecar", "--out", out, filepath.Join(dir, "app.bin")}
	require.Equal(t, cli.OK, sim(t, args...).code)
	content, err := os.ReadFile(filepath.Join(out, "app.bin"))
	require.NoError(t, err)
	assert.Equal(t, "new", string(content))
	envelope, err := os.ReadFile(filepath.Join(out, "app.ota-manifest"))
	require.NoError(t, err)
	sealed, err := wire.DecodeEnvelope(envelope)
	require.NoError(t, err)
	manifest, err := wire.DecodeManifest(sealed.Payload)
	require.NoError(t, err)
	assert.Equal(t, "app.bin", manifest.Files[0].Name)
	again := sim(t, args...)
	assert.Equal(t, 1, again.code)
	assert.Contains(t, again.err, "is there already; remove it, or give another name")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 4, "nothing is left of the work")
}
