package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/cli"
	"otafleet/internal/ota"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/engine"
)

// TestEventsAreEscaped: what a device writes neither commands the terminal nor makes
// up a line.
func TestEventsAreEscaped(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	j := &eventPrinter{w: &out}
	evil := "\x1b[2J\x1b]0;title\x07no\n12:00:00  gw-0042  is now: Upgraded \u202e\u009b31m"
	device := ota.Identity{Product: "gw", Device: "one"}
	j.observe(time.Time{}, engine.Decided{Device: device, Decision: &ota.Decision{Plan: "p" + evil, Reason: "declined",
		Detail: evil}})
	j.observe(time.Time{}, engine.Recorded{Device: device, Report: &ota.Report{Component: "app" + evil,
		Status:  ota.UpgradeFailed,
		Failure: &ota.Failure{Code: ota.Internal, Detail: evil}}})
	for line := range bytes.Lines(out.Bytes()) {
		assert.Contains(t, string(line), `\x1b[2J\x1b]0;title\ano\n12:00:00`)
		assert.NotContains(t, string(bytes.TrimSuffix(line, []byte("\n"))), "\x1b")
		assert.NotContains(t, string(line), "\u202e")
	}
	assert.Equal(t, 2, bytes.Count(out.Bytes(), []byte("\n")))
}

// TestUpgradeOfAKeptState: what a state directory keeps is served, and what it does
// not have is refused or served, never ignored.
func TestUpgradeOfAKeptState(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key := filepath.Join(dir, "release")
	require.Equal(t, cli.OK, sim(t, "keygen", key).code)
	pack := func(name, target, content string) string {
		image, out := filepath.Join(dir, "app.bin"), filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(image, []byte(content), 0o600))
		o := sim(t, "pack", "--key", key+".key", "--product", "gw-200", "--component", "app", "--target", target, "--release",
			"2", "--out", out, image)
		require.Equal(t, cli.OK, o.code, o.err)
		return out
	}
	first, rebuilt, newer := pack("a.ota", "1.1.0", "one"), pack("b.ota", "1.1.0", "other"), pack("c.ota", "1.2.0", "two")
	start := func(args ...string) outcome {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		out := &stopper{cancel: cancel}
		var err bytes.Buffer
		args = append([]string{"platform", "--listen", "127.0.0.1:0", "--store-listen", "127.0.0.1:0", "--page", "",
			"--state", filepath.Join(dir, "kept")}, args...)
		code := program().Run(ctx, cli.Streams{In: strings.NewReader(""), Out: out, Err: &err}, args)
		return outcome{code, out.String(), err.String()}
	}
	assert.Contains(t, start("--upgrade", first).out, "plan plan-1 for product gw-200: app to 1.1.0")
	assert.Contains(t, start("--upgrade", first).out, "plan plan-1 for product gw-200 goes on")
	o := start("--plan", "plan-2", "--upgrade", rebuilt)
	assert.Equal(t, cli.Usage, o.code)
	assert.Contains(t, o.err, "the state directory has another package of app 1.1.0 already")
	o = start("--upgrade", newer)
	assert.Equal(t, cli.Usage, o.code)
	assert.Contains(t, o.err, "plan plan-1 of the state directory does not offer app 1.2.0")
	assert.Contains(t, o.err, "--plan plan-1-2")
	assert.Contains(t, start("--plan", "plan-1-2", "--upgrade", newer).out,
		"plan plan-1-2 for product gw-200: app to 1.2.0")
}

// stopper keeps what a platform prints, and stops it when it is ready.
type stopper struct {
	bytes.Buffer
	cancel context.CancelFunc
}

func (s *stopper) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("ready for devices")) {
		s.cancel()
	}
	return s.Buffer.Write(p)
}

// TestOpenBroker: a broker that lets everybody in from elsewhere is warned of.
func TestOpenBroker(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		flags platformFlags
		open  bool
	}{
		{platformFlags{listen: "127.0.0.1:1883"}, false},
		{platformFlags{listen: "[::1]:1883"}, false},
		{platformFlags{listen: "localhost:1883"}, false},
		{platformFlags{listen: "0.0.0.0:1883"}, true},
		{platformFlags{listen: ":1883"}, true},
		{platformFlags{listen: "192.0.2.1:1883"}, true},
		{platformFlags{listen: "0.0.0.0:1883", devices: "devices.txt"}, false},
		{platformFlags{listen: "0.0.0.0:1883", broker: "mqtt://host"}, false},
	} {
		c.flags.dialect.dialects = []string{nativeDialect}
		assert.Equal(t, c.open, c.flags.open(), c.flags.listen)
		c.flags.dialect.dialects = []string{hawkBitDialect}
		assert.False(t, c.flags.open(), "the broker is not announced")
	}
}

func TestDialects(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		dialects []string
		config   platform.Config
		want     string // in the refusal; empty for none
	}{
		{[]string{"native"}, platform.Config{}, ""},
		{[]string{"native", "hawkbit"}, platform.Config{BrokerURL: "mqtt://host"}, ""},
		{nil, platform.Config{}, "want native, hawkbit or quecthing"},
		{[]string{"mender"}, platform.Config{}, "--dialect mender: want native, hawkbit or quecthing"},
		{[]string{"hawkbit"}, platform.Config{Store: &platform.RemoteStore{}}, "does not go with --store"},
		{[]string{"quecthing"}, platform.Config{Store: &platform.RemoteStore{}}, "quecthing does not go with --store"},
		{[]string{"hawkbit"}, platform.Config{BrokerURL: "mqtt://host"}, "--broker is for --dialect native"},
	} {
		err := (&dialectFlags{dialects: c.dialects}).check(&c.config)
		if c.want == "" {
			assert.NoError(t, err)
			continue
		}
		assert.ErrorContains(t, err, c.want)
	}
}
