package ota

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Claim is what a platform says of a package in the place of a signed manifest: one
// file, which is the image as it is, neither compressed nor a patch. A device takes
// it only where its configuration says so (manifest: platform).
//
// A claim is made by a dialect (a package below agent/link) whose platform has no
// signed manifests, from what it has heard over its authenticated session: with
// Package.Claim set, and Package.Files naming the same file. The native protocol has
// no form for it, so that none of its packages can carry one.
type Claim struct {
	Target string // the version that runs afterwards; the plan names the same
	Name   string // of the file
	Size   int64  // bytes, 1 to MaxFileSize: without it no room could be made for the file
	Sum    Checksum
}

// Problem says what is wrong with a claim; empty if it could be taken. A dialect asks
// before it offers the plan, and the machine before it takes the package.
func (c *Claim) Problem() string {
	switch size := c.Sum.Kind.size(); {
	case !ValidVersion(c.Target):
		return fmt.Sprintf("%q is not a version: want 1 to %d printable characters", c.Target, MaxVersion)
	case !ValidFileName(c.Name):
		return fmt.Sprintf("%q is not a file name: want 1 to %d characters of [A-Za-z0-9._-]", c.Name, MaxFileName)
	case c.Size < 1 || c.Size > MaxFileSize:
		return fmt.Sprintf("file %s: a size of %d bytes is out of range", c.Name, c.Size)
	case size == 0:
		return fmt.Sprintf("file %s: %q is not a digest that is known: want sha256, sha1 or md5", c.Name, c.Sum.Kind)
	case !c.Sum.valid(size):
		return fmt.Sprintf("file %s: its %s is not %d characters of lower-case hex", c.Name, c.Sum.Kind, 2*size)
	}
	return ""
}

// File describes the file of a claim that has no Problem.
func (c *Claim) File() File {
	f := File{Name: c.Name, Size: c.Size, Encoding: Plain, Claimed: &c.Sum}
	if c.Sum.Kind == SHA256 {
		raw, _ := hex.DecodeString(c.Sum.Hex) // Problem has looked
		copy(f.SHA256[:], raw)
	}
	return f
}

// Checksum is the digest of a file by a platform's word.
type Checksum struct {
	Kind ChecksumKind
	Hex  string // in lower case
}

// ChecksumKind is the hash function of a Checksum.
type ChecksumKind string

// The hash functions that platforms use.
const (
	SHA256 ChecksumKind = "sha256"
	SHA1   ChecksumKind = "sha1"
	MD5    ChecksumKind = "md5"
)

// Weak reports whether two files with the same digest can be made.
func (k ChecksumKind) Weak() bool { return k != SHA256 }

// size is the digest's length in bytes; 0 for an unknown kind.
func (k ChecksumKind) size() int {
	switch k {
	case SHA256:
		return 32
	case SHA1:
		return 20
	case MD5:
		return 16
	}
	return 0
}

func (s Checksum) valid(size int) bool {
	raw, err := hex.DecodeString(s.Hex)
	return err == nil && len(raw) == size && s.Hex == strings.ToLower(s.Hex)
}

// ID names the transferred bytes: their SHA-256, or for a file that is known by a weak
// digest a SHA-256 over that, which stays the same when the bytes have come.
func (f *File) ID() Digest {
	if f.Claimed == nil || !f.Claimed.Kind.Weak() {
		return f.SHA256
	}
	return sha256.Sum256(fmt.Appendf(nil, "%s %s %d", f.Claimed.Kind, f.Claimed.Hex, f.Size))
}
