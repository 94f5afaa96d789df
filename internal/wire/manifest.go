package wire

import "otafleet/internal/ota"

// EncodeManifest writes the manifest of a package as the JSON that is signed.
// An error is an *Invalid, if the manifest itself is at fault: no manifest is
// signed that a device would refuse to read.
func EncodeManifest(m *ota.Manifest) ([]byte, error) {
	return encode(nil, "manifest", newManifest(m))
}

// DecodeManifest reads the manifest of a package. An error is an *Invalid. It
// says nothing about who wrote the manifest: devices use Trust.Open.
func DecodeManifest(payload []byte) (*ota.Manifest, error) {
	var b manifestBody
	if rule := checkNames(payload); rule != "" {
		return nil, &Invalid{Kind: "manifest", Problems: []string{"message: " + rule}}
	}
	if err := decode("manifest", payload, &b); err != nil {
		return nil, err
	}
	return b.manifest(), nil
}

type manifestBody struct {
	Product        string            `json:"product"`
	Component      string            `json:"component"`
	Type           ota.ComponentType `json:"type"`
	Package        ota.PackageKind   `json:"package"`
	Source         string            `json:"source"` // empty for a full package
	Target         string            `json:"target"`
	Release        int64             `json:"release"`
	AllowDowngrade bool              `json:"allow_downgrade,omitempty"`
	Created        instant           `json:"created"`
	Expires        instant           `json:"expires,omitzero"`
	Hardware       []string          `json:"hardware,omitempty"`
	Files          []fileBody        `json:"files"`
}

type fileBody struct {
	Name     string       `json:"name"`
	Size     int64        `json:"size"`
	SHA256   digest       `json:"sha256"`
	Chunk    int64        `json:"chunk"`
	Chunks   hashes       `json:"chunks"`
	Encoding ota.Encoding `json:"encoding"`
	Output   *outputBody  `json:"output,omitempty"`
	Base     *outputBody  `json:"base,omitempty"`
}

type outputBody struct {
	Size   int64  `json:"size"`
	SHA256 digest `json:"sha256"`
}

func newManifest(m *ota.Manifest) *manifestBody {
	return &manifestBody{
		Product: m.Product, Component: m.Component, Type: m.Type, Package: m.Package,
		Source: m.Source, Target: m.Target, Release: m.Release, AllowDowngrade: m.AllowDowngrade,
		Created: instant{t: m.Created}, Expires: instant{t: m.Expires},
		Hardware: m.Hardware, Files: mapped(m.Files, newFile),
	}
}

func newFile(f ota.File) fileBody {
	b := fileBody{
		Name: f.Name, Size: f.Size, SHA256: digest{f.SHA256, true},
		Chunk: f.Chunk, Chunks: hashes{list: f.Chunks}, Encoding: f.Encoding,
	}
	b.Output, b.Base = newOutput(f.Output), newOutput(f.Base)
	return b
}

func newOutput(o *ota.Output) *outputBody {
	if o == nil {
		return nil
	}
	return &outputBody{Size: o.Size, SHA256: digest{o.SHA256, true}}
}

func (b *manifestBody) manifest() *ota.Manifest {
	m := &ota.Manifest{
		Product: b.Product, Component: b.Component, Type: b.Type, Package: b.Package,
		Source: b.Source, Target: b.Target, Release: b.Release, AllowDowngrade: b.AllowDowngrade,
		Created: b.Created.t, Expires: b.Expires.t,
		Files: mapped(b.Files, fileBody.file),
	}
	if len(b.Hardware) > 0 {
		m.Hardware = b.Hardware
	}
	return m
}

func (b fileBody) file() ota.File {
	f := ota.File{
		Name: b.Name, Size: b.Size, SHA256: b.SHA256.sum,
		Chunk: b.Chunk, Chunks: b.Chunks.list, Encoding: b.Encoding,
	}
	f.Output, f.Base = b.Output.output(), b.Base.output()
	return f
}

func (b *outputBody) output() *ota.Output {
	if b == nil {
		return nil
	}
	return &ota.Output{Size: b.Size, SHA256: b.SHA256.sum}
}

func (b *manifestBody) check(c *checker) {
	c.must(ota.ValidKey(b.Product), "product", ruleKey)
	c.must(ota.ValidComponentID(b.Component), "component", ruleComponentID)
	c.must(b.Type.Valid(), "type", ruleType)
	c.must(b.Package.Valid(), "package", rulePackageKind)
	c.must(b.Package != ota.Delta || ota.ValidVersion(b.Source), "source",
		"must be the version that the delta starts from")
	c.must(b.Package != ota.Full || b.Source == "", "source", "must be empty for a full package")
	c.must(ota.ValidVersion(b.Target), "target", ruleVersion)
	c.must(b.Release >= 0, "release", "must not be negative")
	c.time("created", b.Created)
	c.optionalTime("expires", b.Expires)
	if c.count("hardware", len(b.Hardware), 0, ota.MaxHardware) {
		for i, h := range b.Hardware {
			c.enter("hardware", i)
			c.must(ota.ValidVersion(h), "revision", ruleVersion)
			c.leave()
		}
	}
	if !c.count("files", len(b.Files), 1, ota.MaxFiles) {
		return
	}
	seen := map[string]bool{}
	for i := range b.Files {
		f := &b.Files[i]
		c.enter("files", i)
		f.check(c)
		c.once(seen, f.Name, "name")
		c.must(f.Encoding != ota.BSDiff || b.Package != ota.Full, "encoding", "must not be bsdiff in a full package")
		c.leave()
	}
}

const (
	ruleFileSize = "must be a number of bytes from 0 to 1 TiB"
	ruleDigest   = "must be a SHA-256 in 64 characters of lower-case hex"
)

func (b *fileBody) check(c *checker) {
	c.must(ota.ValidFileName(b.Name), "name", ruleFileName)
	c.must(validFileSize(b.Size), "size", ruleFileSize)
	c.must(b.SHA256.ok, "sha256", ruleDigest)
	if b.Chunk < ota.MinChunk || b.Chunk > ota.MaxChunk {
		c.add("chunk", "must be a number of bytes from 512 to 4 MiB")
	} else {
		chunks := (b.Size + b.Chunk - 1) / b.Chunk
		c.must(!b.Chunks.bad && int64(len(b.Chunks.list)) == chunks, "chunks",
			"must be the base64 of one 32-byte hash for each chunk of the size")
	}
	c.must(b.Base == nil || b.Encoding == ota.BSDiff, "base", "must be left out for another encoding than bsdiff")
	if b.Base != nil {
		b.Base.check(c, "base")
	}
	switch b.Encoding {
	case ota.Plain:
		c.must(b.Output == nil, "output", "must be left out for encoding identity")
	case ota.Zstd, ota.BSDiff:
		if b.Output == nil {
			c.add("output", "must be given for encodings zstd and bsdiff")
			return
		}
		b.Output.check(c, "output")
	default:
		c.add("encoding", "must be identity, zstd or bsdiff")
	}
}

func (b *outputBody) check(c *checker, name string) {
	c.enterObject(name)
	c.must(validFileSize(b.Size), "size", ruleFileSize)
	c.must(b.SHA256.ok, "sha256", ruleDigest)
	c.leave()
}

func validFileSize(n int64) bool { return n >= 0 && n <= ota.MaxFileSize }
