//go:build !nohawkbit

package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/cmd/ota-agent/config"
)

// TestWordOfThePlatform reads who vouches for packages.
func TestWordOfThePlatform(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"token", "release.pub", "app.bin"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600))
	}
	load := func(url, keys, trust string) (*config.Config, error) {
		path := filepath.Join(dir, "agent.yaml")
		text := "product: gw-200\ndevice: gw-0001\nstate_dir: state\ncontrol_socket: sock\n" + trust +
			"platform: {hawkbit: {url: \"" + url + "\", token_file: token" + keys + "}}\n" +
			"components: [{id: app, type: module, installer: file, version: 1.0.0, file: {path: app.bin}}]\n"
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return config.Load(path)
	}
	const https, keyed = "https://hawkbit.example.com", "trust: {keys: [release.pub]}\n"

	c, err := load(https, "", keyed)
	require.NoError(t, err)
	assert.Nil(t, c.PlatformTrust)
	assert.NotContains(t, strings.Join(c.Warnings, "\n"), "platform's word")

	c, err = load(https, ", manifest: platform", "")
	require.NoError(t, err, "no key is needed")
	assert.Equal(t, &agent.PlatformTrust{}, c.PlatformTrust)
	assert.Contains(t, strings.Join(c.Warnings, "\n"), "packages are installed on the platform's word")

	c, err = load("http://hawkbit.example.com",
		", manifest: platform, allow_weak_digest: true, versions: semver, modules: [os=app, a=b=app]", keyed)
	require.NoError(t, err)
	assert.Equal(t, &agent.PlatformTrust{WeakDigests: true, SemVer: true}, c.PlatformTrust)
	assert.Equal(t, map[string]string{"os": "app", "a=b": "app"}, c.HawkBit.Modules)
	assert.Contains(t, strings.Join(c.Warnings, "\n"), "and packages exchanged")

	for keys, want := range map[string]string{
		"":                          "trust: is missing",
		", manifest: sidecar":       "trust: is missing",
		", allow_weak_digest: true": "allow_weak_digest: has no meaning without manifest: platform",
		", versions: any":           "versions: has no meaning without manifest: platform",
		", modules: [os=app]":       "modules: have no meaning without manifest: platform",
		", manifest: platform, modules: [os=app, os=app]": `name the module "os" twice`,
		", manifest: platform, modules: [os]":             "want MODULE=COMPONENT",
	} {
		_, err := load(https, keys, "")
		assert.ErrorContains(t, err, want, keys)
	}
}
