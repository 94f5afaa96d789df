//go:build crash

package crash_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"otafleet/internal/bsdiff"
	"otafleet/internal/bundle"
	"otafleet/internal/ota"
	"otafleet/test/harness"
)

// part is one component of an upgrade from version 1.0.0 to 2.0.0.
type part struct {
	id      string
	place   place
	packing packing
	end     string // the last that the platform hears of it
}

// place is what an installer has of the component.
type place string

const (
	file  place = "a file"
	slots place = "two slots and a boot flag"
)

// packing is how a package carries its image.
type packing string

const (
	plain      packing = "as it is"
	compressed packing = "compressed"
	delta      packing = "as a patch"
	rotten     packing = "compressed, and another one than the manifest says"
)

const (
	imageSize = 160 << 10 // twenty chunks; more than what a slot keeps back
	slotSize  = 192 << 10
	from, to  = "1.0.0", "2.0.0"
)

// before is the image of the version that runs.
func (p part) before() []byte { return harness.Image(uint64(p.id[0]), imageSize) }

// after is the one of the new version: the half of it is new.
func (p part) after() []byte {
	old := p.before()
	return append(
		append(bytes.Clone(old[:imageSize/4]), harness.Image(uint64(p.id[1]), imageSize/2)...),
		old[imageSize/4:imageSize/2]...)
}

func (p part) pack(t *testing.T, key harness.Key) *harness.Package {
	t.Helper()
	content := p.after()
	var carried bytes.Buffer
	var err error
	switch p.packing {
	case plain:
		_, err = carried.Write(content)
	case delta:
		err = bsdiff.Make(&carried, p.before(), content)
	case compressed, rotten:
		err = bundle.Compress(&carried, bytes.NewReader(content))
	}
	require.NoError(t, err)
	file, whole := describe(t, carried.Bytes()), describe(t, content)
	return harness.Pack(t, p.id, to, 2, carried.Bytes(), func(m *ota.Manifest) {
		m.Files[0] = file
		output := &ota.Output{Size: whole.Size, SHA256: whole.SHA256}
		switch p.packing {
		case delta:
			base := describe(t, p.before())
			m.Package, m.Source = ota.Delta, from
			m.Files[0].Encoding, m.Files[0].Output = ota.BSDiff, output
			m.Files[0].Base = &ota.Output{Size: base.Size, SHA256: base.SHA256}
		case rotten:
			output.SHA256[0]++
			fallthrough
		case compressed:
			m.Files[0].Encoding, m.Files[0].Output = ota.Zstd, output
		}
	}, key)
}

func describe(t *testing.T, content []byte) ota.File {
	t.Helper()
	const chunk = 8 << 10
	file, err := bundle.Describe("image", bytes.NewReader(content), chunk)
	require.NoError(t, err)
	return file
}

// install lays out the component on a disk.
func (p part) install(files map[string][]byte) {
	if p.place == file {
		files[p.id] = p.before()
		return
	}
	files["a"] = append(p.before(), make([]byte, slotSize-imageSize)...)
	files["b"] = make([]byte, slotSize)
	files["flag"] = []byte("slot=a\ntries=\n")
}

// settings configure the component for an agent that has the disk at /disk.
func (p part) settings() harness.Settings {
	if p.place == file {
		return harness.FileComponent(p.id, from, harness.Settings{"path": "/disk/" + p.id})
	}
	return harness.Settings{"id": p.id, "type": "module", "installer": "slot", "slot": harness.Settings{
		"devices": []string{"/disk/a", "/disk/b"}, "boot": "flag", "boot_file": "/disk/flag",
		"running": "/running", "version_file": "/version"}}
}
