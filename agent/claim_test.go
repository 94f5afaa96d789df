package agent_test

import (
	"io/fs"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/firmware"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

// claimed is a package that no one has signed, of a plan to version 2.
func claimed(sum ota.Checksum, target string) (*ota.Plan, *ota.Package) {
	plan := &ota.Plan{Time: epoch, Ends: epoch.AddDate(1, 0, 0), ID: "p1", Name: "p", Attempt: 1, Mode: ota.Silent,
		OnFailure:  ota.Stop,
		Components: []ota.PlanComponent{{ID: "app", Type: ota.Module, Package: ota.Full, Target: target, Size: 5}}}
	return plan, &ota.Package{Time: epoch, Plan: "p1", Attempt: 1, Component: "app",
		Claim: &ota.Claim{Target: target, Name: "app.bin", Size: 5, Sum: sum},
		Files: []ota.FileAddress{{Name: "app.bin", URLs: []string{"https://store/app.bin"}}}}
}

var (
	strong = ota.Checksum{Kind: ota.SHA256, Hex: strings.Repeat("0c", 32)}
	weak   = ota.Checksum{Kind: ota.MD5, Hex: strings.Repeat("0c", 16)}
)

// claimant is a device whose platform vouches for its packages.
type claimant struct {
	t      *testing.T
	config *agent.Config
	m      *agent.Machine
	saved  *agent.State
	last   []agent.Output
}

func newClaimant(t *testing.T, trust *agent.PlatformTrust) *claimant {
	c := &claimant{t: t, config: &agent.Config{Agent: "a", Open: openText, Platform: trust,
		Components: []agent.ComponentConfig{{ID: "app", Type: ota.Module}}}}
	c.boot(nil)
	return c
}

func (c *claimant) boot(kept *ota.Package) {
	c.m = agent.New(ota.Identity{Product: "p", Device: "d"}, c.config, c.saved)
	c.hear(agent.Booted{BootID: "b", Components: []agent.Found{{ID: "app", Version: "1.0.0", Package: kept}}})
	c.hear(agent.Connected{})
}

func (c *claimant) hear(inputs ...agent.Input) {
	for _, in := range inputs {
		c.last = c.m.Handle(epoch, in)
		for _, out := range c.last {
			if save, is := out.(agent.Save); is {
				c.saved = save.State
			}
		}
	}
}

// failure is the one that the last outputs report; nil if they report none.
func (c *claimant) failure() *ota.Failure {
	for _, out := range c.last {
		if send, is := out.(agent.Send); is {
			if r, is := send.Message.(*ota.Report); is && r.Failure != nil {
				return r.Failure
			}
		}
	}
	return nil
}

// effect is the last output of its type.
func effect[T agent.Output](c *claimant) T {
	for _, out := range c.last {
		if found, is := out.(T); is {
			return found
		}
	}
	var none T
	require.Fail(c.t, "missing", "%T in %v", none, c.last)
	return none
}

func TestMachineTakesPlatformsWord(t *testing.T) {
	for _, k := range []struct {
		name   string
		trust  *agent.PlatformTrust
		sum    ota.Checksum
		target string
		code   ota.Code // empty if it is taken
		detail string
	}{
		{"signed packages only", nil, strong, "2.0.0", ota.KeyUntrusted, "has no signed manifest"},
		{"allowed", &agent.PlatformTrust{}, strong, "2.0.0", "", ""},
		{"weak", &agent.PlatformTrust{}, weak, "2.0.0", ota.KeyUntrusted, "by its md5 alone"},
		{"weak and allowed", &agent.PlatformTrust{WeakDigests: true}, weak, "2.0.0", "", ""},
		{"weak and not on", nil, weak, "2.0.0", ota.KeyUntrusted, ""},
		{"lower", &agent.PlatformTrust{}, strong, "0.9.0", "", ""},
		{"lower by semver", &agent.PlatformTrust{SemVer: true}, strong, "1.0.0-rc.1", ota.DowngradeRefused,
			"lower than 1.0.0"},
		{"higher by semver", &agent.PlatformTrust{SemVer: true}, strong, "1.0.1", "", ""},
		{"no semantic version", &agent.PlatformTrust{SemVer: true}, strong, "two", ota.DowngradeRefused, "semantic version"},
		{"malformed", &agent.PlatformTrust{}, ota.Checksum{Kind: ota.SHA256, Hex: "0c"}, "2.0.0", ota.ManifestMismatch,
			"hex"},
	} {
		t.Run(k.name, func(t *testing.T) {
			c := newClaimant(t, k.trust)
			plan, pkg := claimed(k.sum, k.target)
			c.hear(agent.Received{Message: plan}, agent.Received{Message: pkg})
			if k.code != "" {
				require.NotNil(t, c.failure())
				assert.Equal(t, k.code, c.failure().Code)
				assert.Contains(t, c.failure().Detail, k.detail)
				return
			}
			fetch := effect[agent.Fetch](c)
			require.Len(t, fetch.Job.Files, 1)
			assert.Equal(t, &k.sum, fetch.Job.Files[0].Claimed)
			assert.Empty(t, fetch.Job.Files[0].Chunks)
			assert.Equal(t, k.sum.Kind.Weak(), fetch.Job.Files[0].SHA256 == ota.Digest{})
		})
	}
}

// What a weak digest has named is one file from its download on, also over a restart,
// and another claim does not take its place.
func TestMachineFindsWhatAWeakDigestNames(t *testing.T) {
	c := newClaimant(t, &agent.PlatformTrust{WeakDigests: true})
	plan, pkg := claimed(weak, "2.0.0")
	c.hear(agent.Received{Message: plan}, agent.Received{Message: pkg})
	fetch := effect[agent.Fetch](c)

	found := ota.Digest{1, 2, 3}
	c.hear(agent.Fetched{Op: fetch.Op, Found: found})
	stage := effect[agent.Stage](c)
	assert.Equal(t, found, stage.Job.Files[0].SHA256)
	assert.Equal(t, fetch.Job.ID(), stage.Job.ID(), "the installer must know its place again")

	data, err := agent.EncodeState(c.saved)
	require.NoError(t, err)
	c.saved, err = agent.DecodeState(data)
	require.NoError(t, err)
	c.boot(pkg)
	c.hear(agent.Received{Message: plan})
	_, other := claimed(ota.Checksum{Kind: ota.MD5, Hex: strings.Repeat("0d", 16)}, "2.0.0")
	c.boot(pkg)
	assert.Equal(t, found, c.saved.Run.Parts[0].Found)

	c.boot(other)
	require.NotNil(t, c.failure())
	assert.Contains(t, c.failure().Detail, "another image")
}

// A component with keys of its own takes what they have signed.
func TestMachineOfOwnKeysTakesNoWord(t *testing.T) {
	c := newClaimant(t, &agent.PlatformTrust{})
	c.config.Components[0].Open = openText
	plan, pkg := claimed(strong, "2.0.0")
	c.hear(agent.Received{Message: plan}, agent.Received{Message: pkg})
	require.NotNil(t, c.failure())
	assert.Equal(t, ota.KeyUntrusted, c.failure().Code)
}

// A signed release counter stays what it is while unsigned packages run: nothing signed
// that is older comes after them.
func TestMachineKeepsItsReleaseOnTheWord(t *testing.T) {
	c := newClaimant(t, &agent.PlatformTrust{})
	c.saved.Components[0].Release = 9
	c.boot(nil)
	plan, pkg := claimed(strong, "2.0.0")
	c.hear(agent.Received{Message: plan}, agent.Received{Message: pkg})
	c.hear(agent.Fetched{Op: effect[agent.Fetch](c).Op})
	c.hear(agent.Staged{Op: effect[agent.Stage](c).Op})
	c.hear(agent.Activated{Op: effect[agent.Activate](c).Op, Restart: firmware.RestartNone})
	c.hear(agent.HealthChecked{Op: effect[agent.CheckHealth](c).Op, Version: "2.0.0"})
	c.hear(agent.Confirmed{Op: effect[agent.Confirm](c).Op})
	assert.Equal(t, ota.UpgradeSucceeded, c.saved.Run.Parts[0].Status)
	assert.Equal(t, int64(9), c.saved.Components[0].Release)
}

func TestMachineStagesNothingUnknown(t *testing.T) {
	c := newClaimant(t, &agent.PlatformTrust{WeakDigests: true})
	plan, pkg := claimed(weak, "2.0.0")
	c.hear(agent.Received{Message: plan}, agent.Received{Message: pkg})
	c.hear(agent.Fetched{Op: effect[agent.Fetch](c).Op})
	require.NotNil(t, c.failure())
	assert.Equal(t, ota.Internal, c.failure().Code)
}

// The native protocol has no form for a claim: neither can one be sent, nor does
// anything that arrives become one.
func TestNativePackageCarriesNoClaim(t *testing.T) {
	_, pkg := claimed(strong, "2.0.0")
	_, _, err := wire.EncodeDown(pkg)
	require.Error(t, err, "there is nothing that is signed")

	pkg.Envelope = ota.Envelope{PayloadType: wire.ManifestType, Payload: []byte("2")}
	_, payload, err := wire.EncodeDown(pkg)
	require.NoError(t, err)
	smuggled := strings.Replace(string(payload), "{", `{"claim":{"component":"app","target":"2.0.0","name":"app.bin",`+
		`"size":5,"kind":"sha256","sum":"`+strong.Hex+`"},"Claim":{"Target":"2.0.0"},`, 1)
	message, err := wire.DecodeDown(wire.KindPackage, []byte(smuggled))
	if err == nil {
		assert.Nil(t, message.(*ota.Package).Claim)
	}
	c := newClaimant(t, &agent.PlatformTrust{})
	c.config.Open = (&wire.Trust{}).Open
	plan, _ := claimed(strong, "2.0.0")
	received, err := wire.DecodeDown(wire.KindPackage, payload)
	require.NoError(t, err)
	c.hear(agent.Received{Message: plan}, agent.Received{Message: received})
	require.NotNil(t, c.failure(), "the platform's word does not stand for a signature that is missing")
	assert.Equal(t, ota.KeyUntrusted, c.failure().Code)
}

// smallFiles are the small files of a device.
type smallFiles struct {
	agent.StateFile
	content map[string][]byte
}

func (f *smallFiles) Keep(name string, content []byte) error { f.content[name] = content; return nil }
func (f *smallFiles) Drop(name string) error                 { delete(f.content, name); return nil }
func (f *smallFiles) Kept(name string, _ int) ([]byte, error) {
	if content, is := f.content[name]; is {
		return content, nil
	}
	return nil, fs.ErrNotExist
}

func TestClaimSurvivesARestart(t *testing.T) {
	files := &smallFiles{content: map[string][]byte{}}
	memory := &agent.Memory{File: files, Logger: slog.New(slog.DiscardHandler)}
	_, pkg := claimed(weak, "2.0.0")
	pkg.Files[0].Expires = epoch.AddDate(0, 1, 0)
	require.NoError(t, memory.KeepPackage(pkg))
	assert.Equal(t, pkg, memory.KeptPackage("app"))

	files.content["package-other.json"] = files.content["package-app.json"]
	assert.Nil(t, memory.KeptPackage("other"))
	assert.NotContains(t, files.content, "package-other.json", "what cannot be read is removed")
}

// What lies on a damaged disk is a package that can be used, or none.
func FuzzKeptPackage(f *testing.F) {
	files := &smallFiles{content: map[string][]byte{}}
	memory := &agent.Memory{File: files, Logger: slog.New(slog.DiscardHandler)}
	_, pkg := claimed(strong, "2.0.0")
	require.NoError(f, memory.KeepPackage(pkg))
	f.Add(files.content["package-app.json"])
	f.Fuzz(func(t *testing.T, content []byte) {
		files := &smallFiles{content: map[string][]byte{"package-app.json": content}}
		memory := &agent.Memory{File: files, Logger: slog.New(slog.DiscardHandler)}
		p := memory.KeptPackage("app")
		if p == nil {
			return
		}
		require.Equal(t, "app", p.Component)
		if p.Claim != nil {
			require.Empty(t, p.Claim.Problem())
		}
		require.NoError(t, memory.KeepPackage(p))
		require.Equal(t, p, memory.KeptPackage("app"))
	})
}
