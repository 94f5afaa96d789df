package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/pflag"

	"otafleet/internal/cli"
	"otafleet/internal/ota"
	"otafleet/internal/release"
	"otafleet/internal/wire"
)

func signVerb() cli.Verb {
	return cli.Verb{
		Name:    "sign",
		Args:    "FILE…",
		Summary: "sign a list of the files of a release",
		Help: `Writes the names and digests of the files, signed, into one file that is
published beside them. 'ota-sim verify' compares them again.

Example:
  ota-sim sign --key release.key --out RELEASE.sig ota-agent ota-sim`,
		Flags: func(flags *pflag.FlagSet) cli.Action {
			out := flags.String("out", "", "the list to write (needed)")
			keys := flags.StringArray("key", nil, "private key to sign with (needed); may be repeated")
			return func(_ context.Context, streams cli.Streams, files []string) error {
				return sign(streams, *out, *keys, files)
			}
		},
	}
}

func sign(streams cli.Streams, out string, paths, files []string) error {
	switch {
	case out == "":
		return cli.Exitf(cli.Usage, "--out is missing: where shall the list go?")
	case len(paths) == 0:
		return cli.Exitf(cli.Usage, "--key is missing: give the private key to sign with (see ota-sim keygen)")
	case len(files) == 0:
		return cli.Exitf(cli.Usage, "no file is given: what shall be signed?")
	}
	keys, err := readKeys(paths, wire.ParsePrivateKey)
	if err != nil {
		return &cli.Exit{Code: cli.Usage, Err: err}
	}
	list, err := release.Sign(files, keys...)
	if err != nil {
		return err
	}
	if err := os.WriteFile(out, list, 0o644); err != nil {
		return fmt.Errorf("cannot write the list: %w", err)
	}
	fmt.Fprintf(streams.Out, "%s: %s signed\n", out, ota.Counted(len(files), "file"))
	return nil
}

func verifyVerb() cli.Verb {
	return cli.Verb{
		Name:    "verify",
		Args:    "LIST",
		Summary: "verify the files of a release against their signed list",
		Help: `Reads a list that 'ota-sim sign' has written, verifies its signatures, and
compares every file that it names, in the directory of the list. Exit code 1 if
anything differs or is missing.

Example:
  ota-sim verify --key release.pub RELEASE.sig`,
		Flags: func(flags *pflag.FlagSet) cli.Action {
			keys := flags.StringArray("key", nil, "public key that is trusted (needed); may be repeated")
			threshold := flags.Int("threshold", 1, "how many of these keys must have signed")
			return func(_ context.Context, streams cli.Streams, args []string) error {
				return verify(streams, *keys, *threshold, args)
			}
		},
	}
}

func verify(streams cli.Streams, paths []string, threshold int, args []string) error {
	list, err := cli.OneArg(args, "the signed list")
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		return cli.Exitf(cli.Usage, "--key is missing: give the public key that is trusted")
	}
	trust := &wire.Trust{Threshold: threshold}
	if trust.Keys, err = readKeys(paths, wire.ParsePublicKey); err != nil {
		return &cli.Exit{Code: cli.Usage, Err: err}
	}
	if err := trust.Validate(); err != nil {
		return &cli.Exit{Code: cli.Usage, Err: err}
	}
	names, err := release.Verify(list, trust)
	if err != nil {
		return err
	}
	fmt.Fprintf(streams.Out, "%s: signed, and %s as signed\n", list, ota.Counted(len(names), "file"))
	return nil
}
