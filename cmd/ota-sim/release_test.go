package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/cli"
)

func TestSignAndVerify(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	require.Equal(t, cli.OK, sim(t, "keygen", path("release")).code)
	require.Equal(t, cli.OK, sim(t, "keygen", path("other")).code)
	require.NoError(t, os.WriteFile(path("ota-agent"), []byte("program"), 0o700))

	o := sim(t, "sign", "--key", path("release.key"), "--out", path("RELEASE.sig"), path("ota-agent"))
	require.Equal(t, cli.OK, o.code, o.err)
	assert.Equal(t, path("RELEASE.sig")+": 1 file signed\n", o.out)
	o = sim(t, "verify", "--key", path("release.pub"), path("RELEASE.sig"))
	require.Equal(t, cli.OK, o.code, o.err)
	assert.Equal(t, path("RELEASE.sig")+": signed, and 1 file as signed\n", o.out)

	o = sim(t, "verify", "--key", path("other.pub"), path("RELEASE.sig"))
	assert.Equal(t, cli.Failed, o.code)
	assert.Contains(t, o.err, "signed by 0 of the trusted keys, and 1 must have signed")
	o = sim(t, "verify", "--key", path("release.pub"), "--threshold", "2", path("RELEASE.sig"))
	assert.Equal(t, cli.Usage, o.code)
	require.NoError(t, os.WriteFile(path("ota-agent"), []byte("another"), 0o700))
	o = sim(t, "verify", "--key", path("release.pub"), path("RELEASE.sig"))
	assert.Equal(t, cli.Failed, o.code)
	assert.Contains(t, o.err, "ota-agent is not the file that was signed")

	for _, test := range []struct {
		args []string
		says string
	}{
		{[]string{"sign", "--key", path("release.key"), path("ota-agent")}, "--out is missing"},
		{[]string{"sign", "--out", path("x"), path("ota-agent")}, "--key is missing"},
		{[]string{"sign", "--key", path("release.pub"), "--out", path("x"), path("ota-agent")}, "release.pub"},
		{[]string{"sign", "--key", path("release.key"), "--out", path("x")}, "no file is given"},
		{[]string{"verify", path("RELEASE.sig")}, "--key is missing"},
		{[]string{"verify", "--key", path("release.key"), path("RELEASE.sig")}, "release.key"},
		{[]string{"verify", "--key", path("release.pub")}, "the signed list"},
	} {
		o := sim(t, test.args...)
		assert.Equal(t, cli.Usage, o.code, test.args)
		assert.Contains(t, o.err, test.says)
	}
}
