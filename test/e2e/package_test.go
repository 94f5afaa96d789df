package e2e_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/bundle"
	"otafleet/internal/ota"
	"otafleet/test/harness"
)

// badPackages are good packages of app 1.1.0, release 7, that something
// happened to.
var badPackages = []struct {
	name  string
	spoil func(s *setting, p *harness.Package)
	want  []string
}{
	{"unsigned", func(s *setting, p *harness.Package) { p.Seal(s.t, p.Manifest) }, refused(ota.KeyUntrusted)},
	{
		"signed by an unknown key",
		func(s *setting, p *harness.Package) { p.Seal(s.t, p.Manifest, harness.NewKey(s.t)) },
		refused(ota.KeyUntrusted),
	},
	{"signed by an unknown key in the name of the key", func(s *setting, p *harness.Package) {
		id := p.Envelope.Signatures[0].KeyID
		p.Seal(s.t, p.Manifest, harness.NewKey(s.t))
		p.Envelope.Signatures[0].KeyID = id
	}, refused(ota.SignatureInvalid)},
	{
		"signature changed",
		func(_ *setting, p *harness.Package) { p.Envelope.Signatures[0].Sig[5] ^= 1 },
		refused(ota.SignatureInvalid),
	},
	{
		"signature of another kind of document",
		func(_ *setting, p *harness.Package) { p.Envelope.PayloadType += "x" },
		refused(ota.SignatureInvalid),
	},
	{"manifest changed", func(s *setting, p *harness.Package) {
		changed := bytes.Replace(p.Envelope.Payload, []byte(`"release":7`), []byte(`"release":8`), 1)
		require.NotEqual(s.t, p.Envelope.Payload, changed)
		p.Envelope.Payload = changed
	}, refused(ota.SignatureInvalid)},
	{"expired", signed(func(m *ota.Manifest) { m.Expires = time.Now().Add(-time.Second) }), refused(ota.ManifestExpired)},
	{"older than what runs", signed(func(m *ota.Manifest) { m.Release = 4 }), refused(ota.DowngradeRefused)},
	{"another product", signed(func(m *ota.Manifest) { m.Product = "gw-300" }), refused(ota.ManifestMismatch)},
	{"another component", signed(func(m *ota.Manifest) { m.Component = "rootfs" }), refused(ota.ManifestMismatch)},
	{"another type", signed(func(m *ota.Manifest) { m.Type = ota.MCU }), refused(ota.ManifestMismatch)},
	{"another target", signed(func(m *ota.Manifest) { m.Target = "1.2.0" }), refused(ota.ManifestMismatch)},
	{
		"another kind",
		signed(func(m *ota.Manifest) { m.Package, m.Source = ota.Delta, "1.0.5" }),
		refused(ota.ManifestMismatch),
	},
	{
		"another hardware",
		signed(func(m *ota.Manifest) { m.Hardware = []string{"rev-c", "rev-d"} }),
		refused(ota.ManifestMismatch),
	},
	{
		"other files than there are addresses for",
		signed(func(m *ota.Manifest) { m.Files[0].Name = "other.img" }),
		refused(ota.ManifestMismatch),
	},
	{"a delta from a version that does not run", func(s *setting, p *harness.Package) {
		p.Manifest.Package, p.Manifest.Source = ota.Delta, "1.0.5"
		signed(func(m *ota.Manifest) { m.Source = "0.9.0" })(s, p)
	}, refused(ota.VersionMismatch)},
	{"content changed in the store", func(_ *setting, p *harness.Package) {
		p.Content[0] = slices.Clone(p.Content[0])
		p.Content[0][100_000] ^= 1
	}, trail("download_failed: digest_mismatch")},
	{
		"chunk hashes of another file",
		signed(func(m *ota.Manifest) { m.Files[0].SHA256[0] ^= 1 }),
		trail("download_failed: digest_mismatch"),
	},
	{"an image larger than the disk", func(s *setting, p *harness.Package) {
		compress(s, p, func(f *ota.File) { f.Output.Size = ota.MaxFileSize })
	}, []string{"plan_received", "upgrade_confirmed", "ready_to_download", "download_failed: space_low"}},
	{"unpacks to more than it says", func(s *setting, p *harness.Package) {
		p.Content[0] = make([]byte, 64<<20)
		compress(s, p, func(f *ota.File) { f.Output.Size = 1 << 20 })
	}, trail("download_succeeded", "upgrade_failed: unpack_failed")},
	{"unpacks to something else", func(s *setting, p *harness.Package) {
		compress(s, p, func(f *ota.File) { f.Output.SHA256[0] ^= 1 })
	}, trail("download_succeeded", "upgrade_failed: unpack_failed")},
	{"says that it is compressed", signed(func(m *ota.Manifest) {
		m.Files[0].Encoding, m.Files[0].Output = ota.Zstd, &ota.Output{Size: 1000}
	}), trail("download_succeeded", "upgrade_failed: unpack_failed")},
}

// signed has the release key sign something else than what the platform knows.
func signed(change func(*ota.Manifest)) func(*setting, *harness.Package) {
	return func(s *setting, p *harness.Package) {
		m := *p.Manifest
		m.Files = slices.Clone(m.Files)
		change(&m)
		p.Seal(s.t, &m, s.key)
	}
}

// compress makes the content of a package compressed, and what the manifest
// says of its image something else.
func compress(s *setting, p *harness.Package, lie func(*ota.File)) {
	image := p.Content[0]
	var small bytes.Buffer
	require.NoError(s.t, bundle.Compress(&small, bytes.NewReader(image)))
	describe := func(content []byte) ota.File {
		f, err := bundle.Describe("app.img", bytes.NewReader(content), 0)
		require.NoError(s.t, err)
		return f
	}
	file, whole := describe(small.Bytes()), describe(image)
	file.Encoding, file.Output = ota.Zstd, &ota.Output{Size: whole.Size, SHA256: whole.SHA256}
	lie(&file)
	p.Content[0], p.Manifest.Files = small.Bytes(), []ota.File{file}
	p.Seal(s.t, p.Manifest, s.key)
}

func TestBadPackagesStayOut(t *testing.T) {
	for _, test := range badPackages {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSetting(t)
			s.device.Settings["hardware"] = "rev-b"
			s.device.Settings["download"] = harness.Settings{"attempts": 2}
			s.device.Components(
				harness.FileComponent("app", "1.0.0", harness.Settings{"after": []string{"sh", "-c", "echo switched >> switches"}}),
			)
			agent := s.device.Start()
			s.upgrades("first", "1.0.5", 5)

			p := harness.Pack(t, "app", "1.1.0", 7, harness.Image(1, 200_000), nil, s.key)
			test.spoil(s, p)
			s.upgrade(harness.Plan{ID: "bad"}, ota.DeviceUpgradeFailed, p)
			assert.Equal(t, test.want, s.platform.Trail("bad", "app"))
			assert.Equal(t, "content of 1.0.5", string(s.device.Read("app.bin")), "the live file is untouched")
			assert.Equal(t, "switched\n", string(s.device.Read("switches")), "nothing was run for it")

			s.upgrades("last", "1.2.0", 8)
			assert.True(t, agent.Running())
		})
	}
}

func TestDowngradeNeedsItsOwnSignature(t *testing.T) {
	t.Parallel()
	s := newSetting(t)
	s.device.Start()
	s.upgrades("up", "2.0.0", 5)
	s.upgrade(harness.Plan{ID: "refused"}, ota.DeviceUpgradeFailed, s.pack("1.5.0", 4, "older"))
	assert.Equal(t, refused(ota.DowngradeRefused), s.platform.Trail("refused", "app"))

	allowed := harness.Pack(t, "app", "1.4.0", 3, []byte("oldest"),
		func(m *ota.Manifest) { m.AllowDowngrade, m.Expires = true, time.Now().Add(time.Hour) }, s.key)
	s.upgrade(harness.Plan{ID: "allowed"}, ota.DeviceUpgraded, allowed)
	assert.Equal(t, "oldest", string(s.device.Read("app.bin")))

	s.upgrade(harness.Plan{ID: "still"}, ota.DeviceUpgradeFailed, s.pack("1.5.1", 4, "older"))
	assert.Equal(t, refused(ota.DowngradeRefused), s.platform.Trail("still", "app"),
		"the highest release that has run still counts")
}

func TestUnsignedPackageNeedsAllowUnsigned(t *testing.T) {
	t.Parallel()
	s := newSetting(t)
	s.device.Settings["trust"] = harness.Settings{"allow_unsigned": true}
	agent := s.device.Start()
	s.upgrade(harness.Plan{ID: "p"}, ota.DeviceUpgraded, harness.Pack(t, "app", "1.1.0", 1, []byte("new"), nil))
	assert.Contains(t, agent.Output(), "packages without a signature are installed", "the agent warns of it")
}

func TestThresholdOfSignatures(t *testing.T) {
	t.Parallel()
	s := newSetting(t)
	second := harness.NewKey(t)
	s.device.Write("second.pub", second.Public(t), 0o644)
	s.device.Settings["trust"] = harness.Settings{"keys": []string{"release.pub", "second.pub"}, "threshold": 2}
	s.device.Start()
	s.upgrade(harness.Plan{ID: "one"}, ota.DeviceUpgradeFailed, s.pack("1.1.0", 1, "new"))
	assert.Equal(t, refused(ota.KeyUntrusted), s.platform.Trail("one", "app"))
	s.upgrade(harness.Plan{ID: "two"}, ota.DeviceUpgraded,
		harness.Pack(t, "app", "1.1.1", 1, []byte("new"), nil, s.key, second))
}

// TestRotationOfKeys replaces the key of a device as docs/OPERATOR.md says: the
// device trusts the old one, then both, then the new one alone. Packages that
// both have signed fit every device in between.
func TestRotationOfKeys(t *testing.T) {
	t.Parallel()
	s := newSetting(t)
	next := harness.NewKey(t)
	s.device.Write("next.pub", next.Public(t), 0o644)
	release := int64(0)
	// upgrade offers a package, and says whether the device takes it.
	upgrade := func(accepted bool, keys ...harness.Key) {
		t.Helper()
		release++
		version := fmt.Sprintf("1.0.%d", release)
		status := ota.DeviceUpgraded
		if !accepted {
			status = ota.DeviceUpgradeFailed
		}
		s.upgrade(harness.Plan{ID: "to-" + version}, status,
			harness.Pack(t, "app", version, release, []byte(version), nil, keys...))
		if !accepted {
			assert.Equal(t, refused(ota.KeyUntrusted), s.platform.Trail("to-"+version, "app"))
		}
	}
	for _, stage := range []struct {
		trusts   []string
		old, new bool
	}{
		{[]string{"release.pub"}, true, false},
		{[]string{"release.pub", "next.pub"}, true, true},
		{[]string{"next.pub"}, false, true},
	} {
		s.device.Settings["trust"] = harness.Settings{"keys": stage.trusts}
		agent := s.device.Start()
		upgrade(stage.old, s.key)
		upgrade(stage.new, next)
		upgrade(true, s.key, next)
		agent.Stop()
	}
}
