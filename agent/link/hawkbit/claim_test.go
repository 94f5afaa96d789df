package hawkbit_test

import (
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/agent/link/hawkbit"
	"otafleet/internal/ota"
)

// newVouchedBench is a device that takes hawkBit's word.
func newVouchedBench(t *testing.T) *bench {
	b := newBench(t)
	b.vouched = true
	b.restart()
	return b
}

// only gives the module of an action other artifacts.
func (a *serverAction) only(artifacts ...any) {
	a.chunks[0].(map[string]any)["artifacts"] = artifacts
}

// anArtifact is an artifact as hawkBit shows it, with some of its fields changed.
func anArtifact(change map[string]any) map[string]any {
	a := map[string]any{"filename": "app.bin", "size": 9, "hashes": map[string]any{"md5": strings.Repeat("0A", 16),
		"sha1": strings.Repeat("0B", 20), "sha256": strings.Repeat("0C", 32)},
		"_links": map[string]any{"download": map[string]string{"href": base + "/file"}}}
	for k, v := range change {
		if v == nil {
			delete(a, k)
		} else {
			a[k] = v
		}
	}
	return a
}

func TestHawkBitsWord(t *testing.T) {
	b := newVouchedBench(t)
	b.server.assign("8", "1.1.0", "app")
	b.start()
	plan := b.offered("8")
	assert.Equal(t, []ota.PlanComponent{{ID: "app", Type: ota.Module, Package: ota.Full, Target: "1.1.0", Size: 9}},
		plan.Components)
	b.accept("8")
	packages := hears[*ota.Package](b)
	require.Len(t, packages, 1)
	sum := digest([]byte("app 1.1.0"))
	assert.Equal(t, &ota.Claim{Target: "1.1.0", Name: "app.bin", Size: 9,
		Sum: ota.Checksum{Kind: ota.SHA256, Hex: hex.EncodeToString(sum[:])}}, packages[0].Claim)
	assert.Empty(t, packages[0].Envelope.Payload)
	assert.Equal(t, "app.bin", packages[0].Files[0].Name)

	assert.Equal(t, map[string]string{"agent": "ota-agent/1", "product": "gw-200", "version.app": "1.0.0",
		"hw_boardname": "gw-200", "sw_version": "1.0.0"}, b.server.data)
	assert.True(t, strings.HasSuffix(packages[0].Files[0].URLs[0], "/artifacts/app.bin"))
}

// The server of another project names files by SHA-1 alone, and calls modules by their
// file.
func TestWordOfOtherServers(t *testing.T) {
	for name, k := range map[string]struct {
		modules map[string]string
		change  map[string]any
		sum     ota.Checksum
		file    string
	}{
		"by name": {nil, nil, ota.Checksum{Kind: ota.SHA256, Hex: strings.Repeat("0c", 32)}, "app.bin"},
		"sha1": {nil, map[string]any{"hashes": map[string]any{"sha1": strings.Repeat("0B", 20)}},
			ota.Checksum{Kind: ota.SHA1, Hex: strings.Repeat("0b", 20)}, "app.bin"},
		"md5": {nil, map[string]any{"hashes": map[string]any{"md5": strings.Repeat("0A", 16)}},
			ota.Checksum{Kind: ota.MD5, Hex: strings.Repeat("0a", 16)}, "app.bin"},
		"a file's name": {nil, map[string]any{"filename": "../Größe 1.swu"},
			ota.Checksum{Kind: ota.SHA256, Hex: strings.Repeat("0c", 32)}, ".._Gr__e_1.swu"},
		"no name": {nil, map[string]any{"filename": ".."},
			ota.Checksum{Kind: ota.SHA256, Hex: strings.Repeat("0c", 32)}, "image"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newVouchedBench(t)
			b.server.assign("8", "1.1.0", "app").only(anArtifact(k.change))
			b.start()
			b.offered("8")
			b.accept("8")
			packages := hears[*ota.Package](b)
			require.Len(t, packages, 1)
			assert.Equal(t, k.sum, packages[0].Claim.Sum)
			assert.Equal(t, k.file, packages[0].Claim.Name)
			assert.Equal(t, k.file, packages[0].Files[0].Name)
		})
	}
}

// A module is for the component of its name, of its type, or of the configuration.
func TestModulesAreForComponents(t *testing.T) {
	for name, k := range map[string]struct {
		part, module string
		modules      map[string]string
	}{
		"by name":                   {"os", "app", nil},
		"by type":                   {"app", "Firmware of 2027", nil},
		"by name, configured":       {"os", "Firmware", map[string]string{"Firmware": "app"}},
		"by type, configured":       {"os", "app-1.1.0.swu", map[string]string{"os": "app"}},
		"configured for what is no": {"os", "app", map[string]string{"os": "motor"}},
	} {
		b := newVouchedBench(t)
		b.modules = k.modules
		b.restart()
		module := b.server.assign("8", "1.1.0", "app").chunks[0].(map[string]any)
		module["part"], module["name"] = k.part, k.module
		b.start()
		assert.Equal(t, "app", b.offered("8").Components[0].ID, name)
	}
}

func TestModulesThatMakeNoClaim(t *testing.T) {
	for want, change := range map[string]func(a *serverAction){
		"is for no component of this device": func(a *serverAction) {
			a.chunks[0].(map[string]any)["name"], a.chunks[0].(map[string]any)["part"] = "x", "y"
		},
		"has no file":                        func(a *serverAction) { a.only() },
		"has two files, app.bin and app.bin": func(a *serverAction) { a.only(anArtifact(nil), anArtifact(nil)) },
		"has no reference":                   func(a *serverAction) { a.only(anArtifact(map[string]any{"_links": nil})) },
		"0 bytes is out of range":            func(a *serverAction) { a.only(anArtifact(map[string]any{"size": nil})) },
		"-1 bytes is out of range":           func(a *serverAction) { a.only(anArtifact(map[string]any{"size": -1})) },
		"its md5 is not 32 characters":       func(a *serverAction) { a.only(anArtifact(map[string]any{"hashes": nil})) },
		"is not a version":                   func(a *serverAction) { a.chunks[0].(map[string]any)["version"] = "" },
		"the modules make no plan":           func(a *serverAction) { a.chunks = append(a.chunks, a.chunks[0]) },
	} {
		b := newVouchedBench(t)
		change(b.server.assign("8", "1.1.0", "app"))
		b.start()
		assert.Equal(t, []string{"deployment 8 closed/failure"}, b.server.said(), want)
		assert.Contains(t, strings.Join(b.server.actions[0].details, "\n"), want)
		assert.Empty(t, hears[*ota.Plan](b), want)
	}
}

// A signed manifest that another server does not give away is that module's trouble.
// The session goes on, and the manifest is asked for again.
func TestManifestElsewhere(t *testing.T) {
	elsewhere := func(b *bench) *hawkbit.Request {
		for range 100 {
			b.take()
			r, at := b.exchange.Next(b.now)
			switch {
			case r == nil:
				b.now = at
				continue
			case strings.HasPrefix(r.URL, "http://cdn/"):
				return r
			}
			status, body := b.server.answer(r.Method, parse(b.t, r.URL).Path, r.Body)
			b.exchange.Answered(b.now, hawkbit.Response{Status: status, Body: body})
		}
		b.t.Fatal("it is not asked for")
		return nil
	}
	start := func() (*bench, *serverAction) {
		b := newBench(t)
		a := b.server.assign("8", "1.1.0", "app")
		a.only(anArtifact(nil), anArtifact(map[string]any{"filename": "app.ota-manifest",
			"_links": map[string]any{"download": map[string]string{"href": "http://cdn/m?signature=secret"}}}))
		return b, a
	}
	for name, p := range map[string]hawkbit.Response{
		"refused":      {Status: http.StatusUnauthorized},
		"away":         {Status: http.StatusServiceUnavailable, RetryAfter: time.Minute},
		"unreachable":  {Err: errors.New("cannot reach http://cdn: refused")},
		"in a circle":  {Err: errors.New("it leads on 6 times"), Elsewhere: true},
		"no such file": {Status: http.StatusNotFound},
	} {
		b, a := start()
		for range 3 {
			elsewhere(b)
			b.exchange.Answered(b.now, p)
			require.ErrorContains(t, b.exchange.Trouble(), `the signed manifest of module "app" cannot be read`, name)
			assert.NotContains(t, b.exchange.Trouble().Error(), "secret")
			assert.NotContains(t, b.exchange.Trouble().Error(), "token")
			require.NotContains(t, b.heard, agent.Input(agent.Disconnected{}), name)
		}
		elsewhere(b)
		b.exchange.Answered(b.now, hawkbit.Response{Status: http.StatusOK, Body: a.files["app.ota-manifest"]})
		require.NoError(t, b.exchange.Trouble(), name)
		require.Len(t, hears[*ota.Plan](b), 1, name)
	}

	b, a := start()
	for tries := 1; a.status == "RUNNING"; tries++ {
		require.Less(t, tries, 10, "a refusal is not final")
		elsewhere(b)
		b.exchange.Answered(b.now, hawkbit.Response{Status: http.StatusForbidden})
		b.settle()
	}
	assert.Contains(t, strings.Join(a.details, "\n"), "answers 403")
}
