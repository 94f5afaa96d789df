package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"

	"otafleet/internal/bundle"
	"otafleet/internal/cli"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
	"otafleet/internal/yamlform"
)

type packFlags struct {
	out            string
	sidecar        bool
	product        string
	component      string
	kind           string
	delta          bool
	from           []string
	patches        []string
	memory         string
	source, target string
	release        int64
	allowDowngrade bool
	hardware       []string
	valid          time.Duration
	chunk          int64
	zstd           bool
	keys           []string
	unsigned       bool
}

func packVerb() cli.Verb {
	return cli.Verb{
		Name:    "pack",
		Args:    "FILE…",
		Summary: "make a signed package of one component's files",
		Help: `Writes one file with the signed manifest and the files, for 'ota-sim platform'
and for real platforms' upload. The release counter goes up with every release
of a component: devices refuse to roll back below one that they have run, unless
the manifest allows it.

A delta has a patch in the place of each file. With --from it is made here, from
the file that runs before; several are given in the order of the files. Patches
are those of the bsdiff command; --patch takes one that it has made. --delta packs what another program has made, for
a handler that can apply it.

Give --key as often as devices want signatures (trust.threshold), and while a key
is replaced, once for the old and once for the new one.

With --sidecar a directory is written in the place of one file: the files as they
are transferred, and beside them the signed manifest, COMPONENT.ota-manifest. All of
them are the artifacts of one software module of hawkBit's.

Examples:
  ota-sim pack --key release.key --product gw-200 --component app \
    --target 1.1.0 --release 2 --out app-1.1.0.ota app.bin
  ota-sim pack --key release.key --product gw-200 --component app \
    --target 1.1.0 --release 2 --sidecar --out app-1.1.0 app.bin
  ota-sim pack --key release.key --product gw-200 --component motor --type mcu \
    --target 3_1 --release 7 --hardware rev-b,rev-c --zstd --out motor-3_1.ota motor.img
  ota-sim pack --key release.key --product gw-200 --component app --source 1.0.0 \
    --from app-1.0.0.bin --target 1.1.0 --release 2 --out app-delta.ota app.bin`,
		Flags: func(flags *pflag.FlagSet) cli.Action {
			var f packFlags
			flags.StringVar(&f.out, "out", "", "the package file to write, or with --sidecar the directory (needed)")
			flags.BoolVar(&f.sidecar, "sidecar", false,
				"write a directory with the files and their signed manifest, for platforms that keep files as they are")
			flags.StringVar(&f.product, "product", "", "product key (needed)")
			flags.StringVar(&f.component, "component", "", "component id (needed)")
			flags.StringVar(&f.kind, "type", string(ota.Module), "type of the component: module or mcu")
			flags.StringVar(&f.target, "target", "", "version that the files are (needed)")
			flags.Int64Var(&f.release, "release", 0, "release counter of product and component (needed)")
			flags.BoolVar(&f.allowDowngrade, "allow-downgrade", false, "let devices roll back to this release; needs --valid")
			flags.BoolVar(&f.delta, "delta", false, "the files are a delta already, which the component's handler applies")
			flags.StringVar(&f.source, "source", "", "version that a delta starts from")
			flags.StringArrayVar(&f.from, "from", nil, "file of that version, to make a patch from; may be repeated")
			flags.StringArrayVar(&f.patches, "patch", nil,
				"patch from that file, made by the bsdiff command, instead of making one; may be repeated")
			flags.StringVar(&f.memory, "memory", "4GiB", "how much memory making a patch may take")
			flags.StringSliceVar(&f.hardware, "hardware", nil, "hardware revisions that the package fits; none means all")
			flags.DurationVar(&f.valid, "valid", 0, "how long devices may install the package; without it, for ever")
			flags.Int64Var(&f.chunk, "chunk", 0,
				"bytes of a chunk, the least that is fetched again; 0 chooses by the size of each file")
			flags.BoolVar(&f.zstd, "zstd", false, "compress the files")
			flags.StringArrayVar(&f.keys, "key", nil, "private key to sign with; may be repeated")
			flags.BoolVar(&f.unsigned, "unsigned", false, "do not sign; only devices that allow it take such a package")
			return f.run
		},
	}
}

func (f *packFlags) run(_ context.Context, streams cli.Streams, args []string) error {
	release, err := f.releaseOf(args)
	if err != nil {
		return &cli.Exit{Code: cli.Usage, Err: err}
	}
	create := bundle.Create
	if f.sidecar {
		create = bundle.CreateSplit
	}
	manifest, err := create(f.out, release)
	if err != nil {
		return err
	}
	if f.valid == 0 {
		fmt.Fprintln(streams.Err, "warning: the package is valid for ever: whoever has it can offer it to devices again, "+
			"when a newer one is kept from them; --valid sets an end")
	}
	fmt.Fprintf(streams.Out, "%s: %s %s %s, release %d, %s to transfer\n", filepath.Base(f.out), manifest.Product,
		manifest.Component, manifest.Target, manifest.Release, ota.FormatSize(manifest.TransferSize()))
	for i := range manifest.Files {
		file := &manifest.Files[i]
		fmt.Fprintf(streams.Out, "  %s  %s in %s  sha256 %x\n", file.Name, ota.FormatSize(file.Size),
			ota.Counted(len(file.Chunks), "chunk"), file.SHA256)
	}
	return nil
}

func (f *packFlags) releaseOf(files []string) (bundle.Release, error) {
	r := bundle.Release{Files: files, From: f.from, Patches: f.patches, Chunk: f.chunk, Zstd: f.zstd,
		Manifest: ota.Manifest{
			Product: f.product, Component: f.component, Type: ota.ComponentType(f.kind), Package: ota.Full,
			Target: f.target, Release: f.release, AllowDowngrade: f.allowDowngrade, Hardware: f.hardware, Created: time.Now(),
		}}
	if f.delta || len(f.from) > 0 {
		r.Manifest.Package, r.Manifest.Source = ota.Delta, f.source
	}
	if f.valid > 0 {
		r.Manifest.Expires = r.Manifest.Created.Add(f.valid)
	}
	if err := f.check(files); err != nil {
		return r, err
	}
	var err error
	if r.Memory, err = yamlform.ParseSize(f.memory); err != nil {
		return r, fmt.Errorf("--memory: %w", err)
	}
	r.Keys, err = readKeys(f.keys, wire.ParsePrivateKey)
	return r, err
}

// check says what is wrong with the flags by themselves.
func (f *packFlags) check(files []string) error {
	switch {
	case f.out == "":
		return fmt.Errorf("--out is missing: where shall the package go?")
	case len(files) == 0:
		return fmt.Errorf("no file is given: what shall be packed?")
	case f.release <= 0:
		return fmt.Errorf("--release must be 1 or more, and higher than that of any release before")
	case f.source != "" && !f.delta && len(f.from) == 0:
		return fmt.Errorf("--source is for a delta only: give --from too, the file of that version")
	case len(f.patches) > 0 && len(f.from) == 0:
		return fmt.Errorf("--patch needs --from, the file that the patch starts from")
	case len(f.from) > 0 && (f.delta || f.zstd):
		return fmt.Errorf("--from makes patches: it goes neither with --delta nor with --zstd")
	case f.unsigned == (len(f.keys) > 0):
		return fmt.Errorf("give the keys to sign with (--key, see ota-sim keygen), or say --unsigned")
	}
	return f.checkEnd()
}

func (f *packFlags) checkEnd() error {
	switch {
	case f.valid < 0:
		return fmt.Errorf("--valid must not be negative")
	case f.allowDowngrade && f.valid == 0:
		return fmt.Errorf("--allow-downgrade needs --valid: a package that may roll back for ever could be sent again at " +
			"any time")
	}
	return nil
}
