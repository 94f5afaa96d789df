// Package release signs the files of a release, and verifies them.
//
// One flow through it: Sign hashes the files, writes the list that sha256sum
// writes, and puts it into an envelope as package manifests have it; Verify opens
// such an envelope with trusted keys and hashes the files beside it again.
package release

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"otafleet/internal/files"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

// ListType is the payload type of an envelope that holds a list of files.
const ListType = "application/vnd.ota.files.v1+text"

// Sign hashes the files and returns the signed list of their base names. Two
// files of one name, and a name that the list cannot hold, are errors.
func Sign(paths []string, keys ...ed25519.PrivateKey) ([]byte, error) {
	var list bytes.Buffer
	listed := map[string]bool{}
	for _, path := range paths {
		name := filepath.Base(path)
		if !validName(name) {
			return nil, fmt.Errorf("cannot list %q: a name has printable characters, no spaces and no slashes", name)
		}
		if listed[name] {
			return nil, fmt.Errorf("cannot list %s twice: a list has the names of files without their directories", name)
		}
		listed[name] = true
		digest, err := hash(path)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&list, "%s  %s\n", hex.EncodeToString(digest), name)
	}
	envelope, err := wire.Sign(ListType, list.Bytes(), keys...)
	if err != nil {
		return nil, err
	}
	return wire.EncodeEnvelope(envelope)
}

// Verify reads a signed list and compares each of its files, which lie in the
// list's directory. It returns the names of the files. An error names every file
// that is missing or differs; nothing is hashed where the signature is wrong.
func Verify(path string, trust *wire.Trust) ([]string, error) {
	text, err := files.Read(path, ota.MaxPayload)
	if err != nil {
		return nil, fmt.Errorf("cannot read the list: %w", err)
	}
	envelope, err := wire.DecodeEnvelope(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if failure := trust.Verify(envelope); failure != nil {
		return nil, fmt.Errorf("%s: %w", path, failure)
	}
	if envelope.PayloadType != ListType {
		return nil, fmt.Errorf("%s: it is signed, and no list of a release's files (see ota-sim sign)", path)
	}
	var names []string
	var wrong []error
	lines := bufio.NewScanner(bytes.NewReader(envelope.Payload))
	for lines.Scan() {
		want, name, found := strings.Cut(lines.Text(), "  ")
		if !found || !validName(name) {
			return nil, fmt.Errorf("%s: line %q is not a digest and the name of a file", path, lines.Text())
		}
		names = append(names, name)
		digest, err := hash(filepath.Join(filepath.Dir(path), name))
		switch {
		case err != nil:
			wrong = append(wrong, err)
		case hex.EncodeToString(digest) != want:
			wrong = append(wrong, fmt.Errorf("%s is not the file that was signed: its SHA-256 is %x, not %s", name, digest,
				want))
		}
	}
	return names, errors.Join(append(wrong, lines.Err())...)
}

// validName reports whether a line of a list may name a file: nothing of it
// leaves the directory, or ends the line.
func validName(name string) bool {
	return name != "" && name != "." && name != ".." && len(name) <= ota.MaxFileName &&
		!strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || r == '/' })
}

func hash(path string) ([]byte, error) {
	f, err := files.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the file: %w", err)
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return nil, fmt.Errorf("cannot read the file: %w", err)
	}
	return sum.Sum(nil), nil
}
