package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"otafleet/internal/cli"
	"otafleet/internal/files"
	"otafleet/internal/wire"
)

func keygenVerb() cli.Verb {
	return cli.Verb{
		Name:    "keygen",
		Args:    "NAME",
		Summary: "make a key pair that signs packages",
		Help: `Writes NAME.key, the private key that 'ota-sim pack' signs with and no one else
may read, and NAME.pub, the public key that devices trust (trust.keys in the
agent's configuration). Existing files are never overwritten.

Example:
  ota-sim keygen release`,
		Flags: func(*pflag.FlagSet) cli.Action { return keygen },
	}
}

func keygen(_ context.Context, streams cli.Streams, args []string) error {
	name, err := cli.OneArg(args, "the name of the key")
	if err != nil {
		return err
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return fmt.Errorf("cannot make a key: %w", err)
	}
	secret, err := wire.MarshalPrivateKey(private)
	if err != nil {
		return err
	}
	open, err := wire.MarshalPublicKey(public)
	if err != nil {
		return err
	}
	if err := writeNew(name+".key", secret, 0o600); err != nil {
		return err
	}
	if err := writeNew(name+".pub", open, 0o644); err != nil {
		return errors.Join(err, os.Remove(name+".key"))
	}
	fmt.Fprintf(streams.Out, "%s.key  sign packages with it; keep it secret\n%s.pub  let devices trust it\nkey id   %s\n",
		name, name, wire.KeyID(public))
	return nil
}

// maxKeyFile bounds files with secrets, keys and certificates, in bytes.
const maxKeyFile = 1 << 20

// writeNew writes a file that must not exist.
func writeNew(path string, content []byte, mode os.FileMode) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists and is not overwritten; choose another name or move it away", path)
	}
	if err != nil {
		return fmt.Errorf("cannot write the key: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(content); err != nil {
		return fmt.Errorf("cannot write the key: %w", err)
	}
	return nil
}

// readKeys reads the files that flags name, in their order.
func readKeys[K any](paths []string, parse func(file []byte) (K, error)) (keys []K, err error) {
	for _, path := range paths {
		text, err := files.Read(path, maxKeyFile)
		if err != nil {
			return nil, fmt.Errorf("cannot read the key: %w", err)
		}
		key, err := parse(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// readSecret reads a secret from a file, without the line end that editors add;
// nil if no file is given.
func readSecret(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	text, err := files.Read(path, maxKeyFile)
	if err != nil {
		return nil, fmt.Errorf("cannot read the secret: %w", err)
	}
	return []byte(strings.TrimRight(string(text), "\r\n")), nil
}
