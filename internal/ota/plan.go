package ota

import (
	"slices"
	"time"
)

// Identity names a device to the platform.
type Identity struct {
	Product string // product key
	Device  string // device key, unique within the product
}

// ClientID is the MQTT client id of the device.
func (id Identity) ClientID() string { return id.Product + "." + id.Device }

// ComponentType is the kind of a component.
type ComponentType string

// The two kinds.
const (
	Module ComponentType = "module" // a system, application or cellular module
	MCU    ComponentType = "mcu"    // a microcontroller behind the device
)

// Valid reports whether t is one of the two kinds.
func (t ComponentType) Valid() bool { return t == Module || t == MCU }

// PackageKind says what a package starts from.
type PackageKind string

// The two kinds.
const (
	Full  PackageKind = "full"  // from any version, or from one of a list
	Delta PackageKind = "delta" // from exactly one version
)

// Valid reports whether k is one of the two kinds.
func (k PackageKind) Valid() bool { return k == Full || k == Delta }

// Mode says who accepts a plan before the device does.
type Mode string

// The two modes.
const (
	Silent Mode = "silent" // no user is asked
	Manual Mode = "manual" // the device's user, before the plan reaches the device
)

// Valid reports whether m is one of the two modes.
func (m Mode) Valid() bool { return m == Silent || m == Manual }

// OnFailure says what a failed component means for the others of its plan.
type OnFailure string

// The three answers.
const (
	Stop     OnFailure = "stop"     // later components are not touched
	Continue OnFailure = "continue" // later components are upgraded all the same
	Revert   OnFailure = "revert"   // components already upgraded roll back
)

// Valid reports whether f is one of the three answers.
func (f OnFailure) Valid() bool { return f == Stop || f == Continue || f == Revert }

// Plan is what the platform asks of a device.
type Plan struct {
	Time       time.Time // when it was sent
	ID         string
	Name       string
	Attempt    int // 1 at first, one more with every retry by the platform
	Mode       Mode
	Ends       time.Time // after it, an unconfirmed plan is void
	Conditions Conditions
	OnFailure  OnFailure
	Components []PlanComponent // in the order of upgrade
}

// Same reports whether other asks the same, whenever it was sent.
func (p *Plan) Same(other *Plan) bool {
	for i := range min(len(p.Components), len(other.Components)) {
		if !p.Components[i].same(&other.Components[i]) {
			return false
		}
	}
	return len(p.Components) == len(other.Components) && p.ID == other.ID && p.Name == other.Name &&
		p.Attempt == other.Attempt && p.Mode == other.Mode &&
		p.Ends.Equal(other.Ends) && p.Conditions.same(other.Conditions) && p.OnFailure == other.OnFailure
}

func (c *PlanComponent) same(other *PlanComponent) bool {
	return c.ID == other.ID && c.Type == other.Type && c.Package == other.Package &&
		slices.Equal(c.Sources, other.Sources) && c.Target == other.Target && c.Size == other.Size
}

func (c Conditions) same(other Conditions) bool {
	equal := func(a, b *int) bool { return a == b || a != nil && b != nil && *a == *b }
	return equal(c.MinBattery, other.MinBattery) && equal(c.MinRSSI, other.MinRSSI) && c.Space == other.Space
}

// Conditions are what the plan asks of the device before it may agree. The
// device measures them.
type Conditions struct {
	MinBattery *int  // percent
	MinRSSI    *int  // dBm
	Space      int64 // bytes that must be free
}

// With gives conditions that hold only where both do.
func (c Conditions) With(other Conditions) Conditions {
	return Conditions{higher(c.MinBattery, other.MinBattery), higher(c.MinRSSI, other.MinRSSI), max(c.Space, other.Space)}
}

func higher(a, b *int) *int {
	if a == nil || b != nil && *b > *a {
		return b
	}
	return a
}

// PlanComponent is one component's part of a plan.
type PlanComponent struct {
	ID      string
	Type    ComponentType
	Package PackageKind
	Sources []string // versions it may start from; empty means any, for a full package
	Target  string
	Size    int64 // bytes to transfer, for the display
}

// StartsFrom reports whether the component's package may be applied to a
// component that runs version.
func (c PlanComponent) StartsFrom(version string) bool {
	if len(c.Sources) == 0 {
		return c.Package == Full
	}
	for _, s := range c.Sources {
		if s == version {
			return true
		}
	}
	return false
}

// Component finds a component of the plan by its id; -1 if there is none.
func (p *Plan) Component(id string) int {
	for i := range p.Components {
		if p.Components[i].ID == id {
			return i
		}
	}
	return -1
}

// Targets returns the versions that the plan brings, in its order.
func (p *Plan) Targets() []string {
	targets := make([]string, len(p.Components))
	for i := range p.Components {
		targets[i] = p.Components[i].Target
	}
	return targets
}

// Package is the address of one component's package.
type Package struct {
	Time      time.Time
	Plan      string
	Attempt   int
	Component string
	Envelope  Envelope // the signed manifest
	// Claim stands in the place of Envelope where a platform has no signed manifests;
	// nil for a signed package. Only a dialect of the agent makes one.
	Claim *Claim
	Files []FileAddress
}

// FileAddress says where one file of the manifest can be had. It is outside
// the signature: a wrong address can waste time and nothing else.
type FileAddress struct {
	Name    string
	URLs    []string  // tried in order
	Expires time.Time // when the addresses stop working; zero if unknown
}

// Envelope is a DSSE envelope: a payload with signatures over its
// pre-authentication encoding.
type Envelope struct {
	PayloadType string
	Payload     []byte
	Signatures  []Signature
}

// Signature is one key's signature of an envelope.
type Signature struct {
	KeyID string // hex SHA-256 of the key's PKIX DER; a hint only
	Sig   []byte
}

// Encoding says how the transferred bytes become the image.
type Encoding string

// The three encodings.
const (
	Plain  Encoding = "identity" // they are the image
	Zstd   Encoding = "zstd"     // one or more zstd frames
	BSDiff Encoding = "bsdiff"   // a BSDIFF40 patch against the source version's image
)

// Digest is a SHA-256.
type Digest [32]byte

// Manifest is the signed description of a package: the device trusts nothing
// else about it. Of a package with a Claim it is made from that.
type Manifest struct {
	Product        string
	Component      string
	Type           ComponentType
	Package        PackageKind
	Source         string // the version a delta starts from
	Target         string
	Release        int64 // counter per product and component
	AllowDowngrade bool  // the release counter may go down
	Created        time.Time
	Expires        time.Time // zero if it never does
	Hardware       []string  // revisions it fits; empty means any
	Files          []File
}

// File describes one file of a package.
type File struct {
	Name   string
	Size   int64 // bytes transferred
	SHA256 Digest
	Chunk  int64    // bytes of every chunk but the last
	Chunks []Digest // one for each chunk
	// Claimed is the platform's word on a file that no one has signed, which then has no
	// chunks; nil for a signed one. If it is weak, SHA256 is zero until the file has
	// been downloaded and verified.
	Claimed  *Checksum
	Encoding Encoding
	Output   *Output // the image after decoding; nil where it is the transferred bytes
	Base     *Output // of a patch, the image that it starts from; nil if the package does not say
}

// Output describes the image that an encoded file becomes.
type Output struct {
	Size   int64
	SHA256 Digest
}

// Image returns size and digest of the file after decoding.
func (f *File) Image() Output {
	if f.Output != nil {
		return *f.Output
	}
	return Output{Size: f.Size, SHA256: f.SHA256}
}

// ChunkAt returns the first byte and the length of chunk i.
func (f *File) ChunkAt(i int) (offset, length int64) {
	offset = int64(i) * f.Chunk
	return offset, min(f.Chunk, f.Size-offset)
}

// TransferSize is the number of bytes that a device downloads for the package.
func (m *Manifest) TransferSize() int64 {
	var n int64
	for i := range m.Files {
		n += m.Files[i].Size
	}
	return n
}
