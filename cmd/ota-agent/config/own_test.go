package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/cmd/ota-agent/config"
)

const ownHead = "product: gw-200\ndevice: gw-0001\nbroker: {urls: [\"mqtts://ota.example.com\"], ca_file: ca.pem}\n" +
	"trust: {keys: [web/release.pub]}\n"

// A component that the agent reads is known as one, and warned of where nothing
// would try a new version.
func TestComponentsThatTheAgentReads(t *testing.T) {
	for file, want := range map[string]struct{ own, warned bool }{
		"{path: agent.yaml, restart: process}":                  {true, false},
		"{path: agent.yaml}":                                    {true, true},
		"{path: ./web/../ca.pem, restart: system}":              {true, false},
		"{path: web/release.pub}":                               {true, true},
		"{path: linked/release.pub}":                            {true, true},
		"{path: web, unpack: true, restart: process}":           {true, false},
		"{path: web, unpack: true}":                             {true, true},
		"{path: handlers, unpack: true}":                        {true, false}, // needed, and used without a restart
		"{path: handlers/motor}":                                {false, false},
		"{path: app.bin}":                                       {false, false},
		"{path: we, unpack: true}":                              {false, false},
		"{path: app.bin, check: [\"{file}\", version]}":         {false, false},
		"{path: app.bin, check: [no-such-program, \"{file}\"]}": {false, true},
	} {
		path := place(t, "least.yaml")
		dir := filepath.Dir(path)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "web/release.pub"), nil, 0o600))
		require.NoError(t, os.Symlink("web", filepath.Join(dir, "linked")))
		require.NoError(t, os.Mkdir(filepath.Join(dir, "handlers"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "handlers/motor"), nil, 0o755))
		require.NoError(t,
			os.WriteFile(path,
				[]byte(ownHead+"components:\n  - {id: conf, type: module, installer: file, version: 1, file: "+file+
					"}\n  - {id: motor, type: mcu, installer: command, command: {path: handlers/motor}}\n"), 0o600))
		c, err := config.Load(path)
		require.NoError(t, err, file)
		assert.Equal(t, want.own, c.Components[0].File.Own == path, file)
		t.Run("by a relative path", func(t *testing.T) {
			t.Chdir(dir)
			c, err := config.Load("agent.yaml")
			require.NoError(t, err, file)
			assert.Equal(t, want.own, c.Components[0].File.Own == path, file)
		})
		assert.Equal(t, want.warned, len(c.Warnings) == 1, "%s: %s", file, c.Warnings)
	}
}

func TestLoadStaged(t *testing.T) {
	path := place(t, "least.yaml")
	dir := filepath.Dir(path)
	put := func(name, content string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	put("web/release.pub", "")
	put("web.ota-next/release.pub", "")
	text := ownHead + "components:\n  - {id: motor, type: mcu, installer: command, command: {path: handler}}\n"
	put("agent.yaml", text)
	put("agent.yaml.ota-next", strings.Replace(text, "gw-0001", "gw-0002", 1))
	put("handler.ota-next", "") // gets its mode when it is switched

	c, err := config.LoadStaged(path, path+".ota-next")
	require.NoError(t, err)
	assert.Equal(t, "gw-0002", c.Device)
	c, err = config.LoadStaged(path, filepath.Join(dir, "web.ota-next"))
	require.NoError(t, err)
	assert.Equal(t, "gw-0001", c.Device)
	assert.Equal(t, []string{filepath.Join(dir, "web.ota-next/release.pub")}, c.Trust.Keys)
	assert.Equal(t, filepath.Join(dir, "ca.pem"), c.Broker.CAFile)
	c, err = config.LoadStaged(path, filepath.Join(dir, "handler.ota-next"))
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(dir, "handler.ota-next"), c.Components[0].Command.Path)
	_, err = config.LoadStaged(path, filepath.Join(dir, "ca.pem.ota-next"))
	require.ErrorContains(t, err, "ca.pem.ota-next: no such file")
	_, err = config.LoadStaged(path, filepath.Join(dir, "ca.pem"))
	require.ErrorContains(t, err, "does not end with .ota-next")
}

func TestStateDirsOfAConfigurationOnTrial(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "etc/agent.yaml")
	put := func(path, text string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	put(path, "}")
	assert.Equal(t, []string{"/var/lib/ota-agent"}, config.StateDirs(path))
	put(path+".ota-trial", "state_dir: /data/ota")
	put(filepath.Join(dir, "etc.ota-previous/agent.yaml"), "state_dir: /data/a")
	assert.Equal(t, []string{"/data/a", "/data/ota", "/var/lib/ota-agent"}, config.StateDirs(path))
	t.Chdir(filepath.Dir(path))
	assert.Equal(t, []string{"/data/a", "/data/ota", "/var/lib/ota-agent"}, config.StateDirs("agent.yaml"))
}
