//go:build release

package release

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/elf"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestImage makes the container image of each processor twice, under other
// circumstances, and opens it as something that runs containers does.
func TestImage(t *testing.T) {
	for processor, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		if only := os.Getenv("PROCESSORS"); only != "" && !slices.Contains(strings.Fields(only), processor) {
			continue
		}
		t.Run(processor, func(t *testing.T) {
			var made [2][]byte
			for i, mask := range []string{"umask 022", "umask 077; export TZ=Asia/Tokyo"} {
				file := filepath.Join(t.TempDir(), "image.tar")
				run(t, "../..", []string{"VERSION=v1.2.3+try", "BUILT=2026-01-02T03:04:05Z"},
					"sh", "-c", mask+"; exec scripts/image.sh "+processor+" "+file)
				var err error
				made[i], err = os.ReadFile(file)
				require.NoError(t, err)
			}
			require.True(t, bytes.Equal(made[0], made[1]), "the same sources give the same bytes")
			im := open(t, made[0])
			assert.Equal(t, processor, im.config.Architecture)
			assert.Equal(t, processor, im.index.Manifests[0].Platform.Architecture)
			im.checkConfig(t)
			im.checkFiles(t, machine)
		})
	}
}

// reference is how one blob names another.
type reference struct {
	MediaType, Digest string
	Size              int
	Platform          struct{ Architecture, OS string }
	Annotations       map[string]string
}

// image is one in an OCI layout, and what is beside it for Docker.
type image struct {
	files map[string][]byte // of the tar
	index struct{ Manifests []reference }
	// manifest and config are of the only image.
	manifest struct {
		Config reference
		Layers []reference
	}
	config struct {
		Created, Architecture, OS string
		Config                    struct {
			User, WorkingDir string
			Entrypoint, Env  []string
			Labels           map[string]string
		}
		RootFS struct {
			Type    string
			DiffIDs []string `json:"diff_ids"`
		}
	}
}

func open(t *testing.T, text []byte) *image {
	t.Helper()
	im := &image{files: map[string][]byte{}}
	for header, content := range entries(t, bytes.NewReader(text)) {
		if header.Typeflag == tar.TypeReg {
			im.files[strings.TrimPrefix(header.Name, "./")] = content
		}
	}
	assert.JSONEq(t, `{"imageLayoutVersion":"1.0.0"}`, string(im.files["oci-layout"]))
	require.NoError(t, json.Unmarshal(im.files["index.json"], &im.index))
	require.Len(t, im.index.Manifests, 1)
	require.NoError(t, json.Unmarshal(im.blob(t, im.index.Manifests[0]), &im.manifest))
	require.NoError(t, json.Unmarshal(im.blob(t, im.manifest.Config), &im.config))
	require.Len(t, im.manifest.Layers, 1)
	assert.Len(t, im.files, 6, "three blobs, and what names them")
	return im
}

// blob is what a reference names, by digest and size.
func (im *image) blob(t *testing.T, r reference) []byte {
	t.Helper()
	sum, is := strings.CutPrefix(r.Digest, "sha256:")
	require.True(t, is, r.Digest)
	content := im.files["blobs/sha256/"+sum]
	require.Len(t, content, r.Size)
	require.Equal(t, sum, fmt.Sprintf("%x", sha256.Sum256(content)))
	return content
}

func (im *image) checkConfig(t *testing.T) {
	t.Helper()
	c := im.config
	assert.Equal(t, "linux", c.OS)
	assert.Equal(t, "2026-01-02T03:04:05Z", c.Created)
	assert.Equal(t, []string{"/bin/ota-sim"}, c.Config.Entrypoint)
	assert.Equal(t, "65532:65532", c.Config.User, "a number that is not root's")
	assert.Equal(t, "v1.2.3+try", c.Config.Labels["org.opencontainers.image.version"])
	names := im.index.Manifests[0].Annotations
	assert.Equal(t, "localhost/ota-sim:v1.2.3-try", names["io.containerd.image.name"], "containerd's name")
	assert.Equal(t, "v1.2.3-try", names["org.opencontainers.image.ref.name"])
	var docker []struct {
		Config           string
		RepoTags, Layers []string
	}
	require.NoError(t, json.Unmarshal(im.files["manifest.json"], &docker))
	require.Len(t, docker, 1)
	path := func(r reference) string { return strings.Replace(r.Digest, "sha256:", "blobs/sha256/", 1) }
	assert.Equal(t, path(im.manifest.Config), docker[0].Config)
	assert.Equal(t, []string{path(im.manifest.Layers[0])}, docker[0].Layers)
	assert.Equal(t, []string{"localhost/ota-sim:v1.2.3-try"}, docker[0].RepoTags)
}

// checkFiles looks at the only layer: the program, the licences, and a place for
// temporary files.
func (im *image) checkFiles(t *testing.T, machine elf.Machine) {
	t.Helper()
	packed, err := gzip.NewReader(bytes.NewReader(im.blob(t, im.manifest.Layers[0])))
	require.NoError(t, err)
	layer, err := io.ReadAll(packed)
	require.NoError(t, err)
	assert.Equal(t, []string{fmt.Sprintf("sha256:%x", sha256.Sum256(layer))}, im.config.RootFS.DiffIDs)
	modes := map[string]fs.FileMode{}
	for header, content := range entries(t, bytes.NewReader(layer)) {
		name := strings.Trim(strings.TrimPrefix(header.Name, "."), "/")
		modes[name] = header.FileInfo().Mode()
		assert.Zero(t, header.Uid+header.Gid, "%s is root's", name)
		assert.Zero(t, header.ModTime.Unix(), name)
		switch name {
		case "bin/ota-sim":
			checkProgram(t, content, machine)
		case "usr/share/doc/ota-sim/NOTICES":
			assert.Contains(t, string(content), "minio")
		}
	}
	assert.Equal(t, map[string]fs.FileMode{
		"": fs.ModeDir | 0o755, "bin": fs.ModeDir | 0o755, "bin/ota-sim": 0o755,
		"tmp": fs.ModeDir | fs.ModeSticky | 0o777,
		"usr": fs.ModeDir | 0o755, "usr/share": fs.ModeDir | 0o755, "usr/share/doc": fs.ModeDir | 0o755,
		"usr/share/doc/ota-sim": fs.ModeDir | 0o755, "usr/share/doc/ota-sim/LICENSE": 0o644,
		"usr/share/doc/ota-sim/NOTICES": 0o644,
	}, modes)
}

// checkProgram: nothing of a system is needed to run it.
func checkProgram(t *testing.T, content []byte, machine elf.Machine) {
	t.Helper()
	program, err := elf.NewFile(bytes.NewReader(content))
	require.NoError(t, err)
	assert.Equal(t, machine, program.Machine)
	for _, segment := range program.Progs {
		assert.NotEqual(t, elf.PT_INTERP, segment.Type, "it is static")
	}
}

// entries are those of a tar.
func entries(t *testing.T, r io.Reader) func(yield func(*tar.Header, []byte) bool) {
	return func(yield func(*tar.Header, []byte) bool) {
		for archive := tar.NewReader(r); ; {
			header, err := archive.Next()
			if err == io.EOF {
				return
			}
			require.NoError(t, err)
			content, err := io.ReadAll(archive)
			require.NoError(t, err)
			if !yield(header, content) {
				return
			}
		}
	}
}
