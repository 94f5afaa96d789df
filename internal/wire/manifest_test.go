package wire_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

func TestManifestIsChecked(t *testing.T) {
	payload, err := wire.EncodeManifest(manifest())
	require.NoError(t, err)
	file := `{"name":"x","size":0,"sha256":"","chunk":512,"chunks":"","encoding":"identity"},`
	checkEdits(t, "manifest", payload, []edit{
		{"product", `gw-200`, `gw 200`, "product: must be"},
		{"component", `"component":"rootfs"`, `"component":".."`, "component: must be"},
		{"type", `"type":"module"`, `"type":"modul"`, "type: must be"},
		{"package kind", `"package":"full"`, `"package":""`, "package: must be"},
		{"full with a source", `"source":""`, `"source":"1.0.0"`, "source: must be empty"},
		{"delta without a source", `"package":"full"`, `"package":"delta"`, "source: must be the version"},
		{"source not named", `"source":"",`, ``, ""},
		{"target", `"target":"1.1.0"`, `"target":null`, "target: must be"},
		{"release negative", `"release":42`, `"release":-42`, "release: must not be negative"},
		{"release of a fraction", `"release":42`, `"release":4.2`, "release: must not be of the JSON type number"},
		{"downgrade in words", `"allow_downgrade":true`, `"allow_downgrade":"true"`, "allow_downgrade: must not be"},
		{"created at no time", `"created":"`, `"created":"x`, "created: must be"},
		{"not created", `"created"`, `"made"`, "created: must be"},
		{"expires at no time", `"expires":"`, `"expires":"x`, "expires: must be"},
		{"never expires", `"expires"`, `"ends"`, ""},
		{"hardware is empty", `"rev-b"`, `""`, "hardware[0].revision: must be"},
		{"too much hardware", `"rev-b"`, strings.Repeat(`"rev",`, 63) + `"rev"`, "hardware: must have 0 to 64 items"},
		{"no files", `"files":[`, `"files":[],"others":[`, "files: must have 1 to 5 items"},
		{"too many files", `"files":[`, `"files":[` + strings.Repeat(file, 3), "files: must have 1 to 5 items"},
		{"file leaves its directory", `"name":"rootfs.img"`, `"name":"../../rootfs.img"`, "files[0].name: must be"},
		{"file by an absolute path", `"name":"rootfs.img"`, `"name":"/rootfs.img"`, "files[0].name: must be"},
		{"file by another separator", `"name":"rootfs.img"`, `"name":"..\\rootfs.img"`, "files[0].name: must be"},
		{"file twice", `"name":"empty"`, `"name":"app.zst"`, "files[2].name: must not stand twice"},
		{"size negative", `"size":1500`, `"size":-1500`, "files[0].size: must be"},
		{"size too large", `"size":1500`, `"size":1099511627777`, "files[0].size: must be"},
		{"digest in capitals", `6105d6cc`, `6105D6CC`, "files[0].sha256: must be"},
		{"digest too short", `6105d6cc`, `6105d6`, "files[0].sha256: must be"},
		{"digest too long", `6105d6cc`, `6105d6cc00`, "files[0].sha256: must be"},
		{"digest of other letters", `6105d6cc`, `6105d6xx`, "files[0].sha256: must be"},
		{"digest is a number", `"sha256":"`, `"sha256":7,"other":"`, "files.sha256: must not be of the JSON type number"},
		{"chunk 0", `"chunk":1024`, `"chunk":0`, "files[0].chunk: must be"},
		{"chunk negative", `"chunk":1024`, `"chunk":-1024`, "files[0].chunk: must be"},
		{"chunk too small", `"chunk":1024`, `"chunk":511`, "files[0].chunk: must be"},
		{"chunk too large", `"chunk":65536`, `"chunk":4194305`, "files[1].chunk: must be"},
		{"chunk larger than the file", `"chunk":65536`, `"chunk":4194304`, ""},
		{"a hash too few", `"chunk":1024`, `"chunk":512`, "files[0].chunks: must be"},
		{"a hash too many", `"chunk":1024`, `"chunk":1500`, "files[0].chunks: must be"},
		{"exactly two chunks", `"size":1500`, `"size":2048`, ""},
		{"one byte into a third chunk", `"size":1500`, `"size":2049`, "files[0].chunks: must be"},
		{"hashes of an empty file", `"size":0`, `"size":1`, "files[2].chunks: must be"},
		{"encoding", `"encoding":"zstd"`, `"encoding":"gzip"`, "files[1].encoding: must be"},
		{"no encoding", `"encoding":"zstd",`, ``, "files[1].encoding: must be"},
		{"delta in a full package", `"encoding":"zstd"`, `"encoding":"bsdiff"`, "files[1].encoding: must not be bsdiff"},
		{"no output", `"output":`, `"input":`, "files[1].output: must be given"},
		{"output of plain bytes", `"encoding":"zstd"`, `"encoding":"identity"`, "files[1].output: must be left out"},
		{"output size", `"size":400`, `"size":-400`, "files[1].output.size: must be"},
		{"base of what is no patch", `"encoding":"zstd"`, `"base":{"size":1,"sha256":""},"encoding":"zstd"`,
			"files[1].base: must be left out"},
		{"output digest", `83055ac7`, `83055AC7`, "files[1].output.sha256: must be"},
	})
}

func TestHashesMustBeWhole(t *testing.T) {
	file := func(chunks string) []byte {
		return fmt.Appendf(nil, `{"product":"p","component":"c","type":"mcu","package":"full","target":"1",
			"created":"2026-11-23T10:00:00Z",
			"files":[{"name":"f","size":1,"sha256":"%064d","chunk":512,"chunks":%q,"encoding":"identity"}]}`, 0, chunks)
	}
	whole := strings.Repeat("A", 43) + "="
	_, err := wire.DecodeManifest(file(whole))
	require.NoError(t, err)
	for _, chunks := range []string{"", "AAAA", whole + whole, strings.Repeat("A", 44), strings.Repeat("-", 43) + "=",
		"§"} {
		_, err := wire.DecodeManifest(file(chunks))
		requireInvalid(t, err, "files[0].chunks: must be the base64")
	}
}

func TestTheLargestManifestsFit(t *testing.T) {
	m := manifest()
	m.Files = m.Files[:1]
	f := &m.Files[0]
	f.Size, f.Chunk = 64<<30, ota.MaxChunk // 64 GiB
	f.Chunks = make([]ota.Digest, f.Size/f.Chunk)
	payload, err := wire.EncodeManifest(m)
	require.NoError(t, err)
	decoded, err := wire.DecodeManifest(payload)
	require.NoError(t, err)
	assert.Equal(t, m, decoded)

	f.Size *= 2
	f.Chunks = make([]ota.Digest, f.Size/f.Chunk)
	_, err = wire.EncodeManifest(m)
	requireInvalid(t, err, "1 MiB")
}

func TestASizeOutOfRangeIsNotDivided(t *testing.T) {
	m := manifest()
	m.Files[0].Size = 1<<63 - 1
	_, err := wire.EncodeManifest(m)
	requireInvalid(t, err, "files[0].size: must be", "files[0].chunks: must be")
}
