package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"otafleet/internal/cli"
	"otafleet/internal/files"
	"otafleet/internal/ota"
	"otafleet/internal/shell"
	"otafleet/scenarios"
	"otafleet/simulator/enrol"
	"otafleet/simulator/fleet"
)

// What enrol makes in its directory.
const (
	enrolledDevices   = "fleet.csv"
	enrolledAuthority = "ca.pem"
	authorityKey      = "ca.key"
	platformIdentity  = "platform.pem"
	platformKey       = "platform.key"
	identityDir       = "devices"
)

// maxEnrolled bounds the devices of one directory, each of which has two files there.
const maxEnrolled = 100_000

type enrolFlags struct {
	deviceFlags
	registerFlags
	seed      uint64
	out       string
	algorithm string
	tokens    bool
	remove    bool
}

func enrolVerb() cli.Verb {
	return cli.Verb{
		Name:    "enrol",
		Args:    "SCENARIO",
		Words:   scenarios.Names(),
		Summary: "make a test authority, and a key and a certificate for each device",
		Help: `Writes into a new directory: ca.pem, the certificate of a test authority, for the
broker to trust; devices/, with a key and a certificate for each device that has a
session of its own, whose common name is the device key; and fleet.csv, the device
file that 'ota-sim run --devices' takes. With platform.pem and platform.key the fake
platform logs in to such a broker.

All of it follows from the seed, so it can be made again, to the byte; and whoever
knows the seed has the keys. They are for tests only. No file is overwritten.

With --platform hawkbit it makes a target with a token for each device, too, at a
hawkBit of yours, against which 'ota-sim run --devices' then runs them.

With --remove it takes away again what it has made, there too.

Examples:
  ota-sim enrol thousand --out staging
  ota-sim enrol thousand --out staging-2 --key-prefix second- --algorithm ed25519
  ota-sim enrol thousand --out staging --remove`,
		Flags: func(flags *pflag.FlagSet) cli.Action {
			var f enrolFlags
			flags.StringVar(&f.out, "out", "", "directory to make, or with --remove to take away (needed)")
			flags.Uint64Var(&f.seed, "seed", 0, "seed of the keys; 0 means the scenario's")
			flags.StringVar(&f.algorithm, "algorithm", string(enrol.P256), "of the keys: p256 or ed25519")
			flags.BoolVar(&f.tokens, "tokens", false, "give each device a token, too")
			flags.BoolVar(&f.remove, "remove", false, "take away what was made")
			f.deviceFlags.define(flags)
			f.registerFlags.define(flags)
			return f.run
		},
	}
}

func (f *enrolFlags) run(ctx context.Context, streams cli.Streams, args []string) error {
	s, err := scenarioOf(streams, args, &f.deviceFlags)
	if err != nil {
		return err
	}
	if f.out == "" {
		return cli.Exitf(cli.Usage, "where? Give a directory with --out")
	}
	if f.remove {
		return f.takeAway(ctx, streams)
	}
	if n := s.Devices(); n > maxEnrolled {
		return cli.Exitf(cli.Usage, "the scenario has %d devices; at most %d can be enrolled in a directory", n, maxEnrolled)
	}
	authority, err := enrol.NewAuthority(s.SeedOr(f.seed), enrol.Algorithm(f.algorithm))
	if err != nil {
		return &cli.Exit{Code: cli.Usage, Err: fmt.Errorf("--algorithm: %w", err)}
	}
	operator, err := f.registrar()
	if err != nil {
		return &cli.Exit{Code: cli.Usage, Err: err}
	}
	if operator != nil {
		f.tokens = true
		if _, err := operator.Check(ctx); err != nil {
			return &cli.Exit{Code: exitUnreachable, Err: err}
		}
	}
	made, err := newEnrolment(f.out, authority)
	if err != nil {
		return err
	}
	file := f.file(s, authority)
	if err = made.write(ctx, file); err == nil && operator != nil {
		err = f.register(ctx, operator, made, file)
	}
	if err != nil {
		return fmt.Errorf("%w\nwhat was made until then goes away with the same command and --remove", err)
	}
	return cli.Show(streams.Out, fmt.Sprintf("%s enrolled in %s. The broker must trust %s.\n\n  %s\n",
		ota.Counted(s.Devices(), "device"), f.out, filepath.Join(f.out, enrolledAuthority),
		shell.Line("ota-sim", "run", "--devices="+filepath.Join(f.out, enrolledDevices), shell.Path(s.name))))
}

// file is the device file of a scenario.
func (f *enrolFlags) file(s *source, authority *enrol.Authority) *fleet.File {
	file := &fleet.File{}
	columns := map[string]int{}
	for i := range s.Fleets {
		for _, c := range s.Fleets[i].Components {
			if _, known := columns[c.ID]; !known {
				columns[c.ID] = len(file.Components)
				file.Components = append(file.Components, c.ID)
			}
		}
	}
	for i := range s.Fleets {
		of := &s.Fleets[i]
		for n := 1; n <= of.Count; n++ {
			d := fleet.Device{Key: of.Device(n), Fleet: of.Name, Product: of.Product, Hardware: of.Revision(n),
				Versions: make([]string, len(file.Components)), Login: &fleet.Login{}}
			for k, c := range of.Components {
				d.Versions[columns[c.ID]] = of.Runs(n, k)
			}
			if of.Behind == "" { // its gateway speaks for any other
				d.Login.CertFile, d.Login.KeyFile = identityFiles(d.Key)
			}
			if f.tokens {
				d.Login.Token = authority.Token(d.Key)
			}
			if listed := of.Listed(n); listed != nil {
				d.Tags = listed.Tags
			}
			file.Devices = append(file.Devices, d)
		}
	}
	return file
}

// identityFiles are those of a device, as the device file names them.
func identityFiles(key string) (certificate, private string) {
	return identityDir + "/" + key + ".pem", identityDir + "/" + key + ".key"
}

// enrolment writes what is made, into a directory of its own.
type enrolment struct {
	dir       string
	authority *enrol.Authority
}

// newEnrolment makes the directory, or takes an empty one.
func newEnrolment(dir string, authority *enrol.Authority) (*enrolment, error) {
	names, err := os.ReadDir(dir)
	if err == nil && len(names) > 0 {
		return nil, cli.Exitf(cli.Usage, "%s is not empty, and nothing is overwritten: give a new directory, "+
			"or take away what was enrolled there with --remove", dir)
	}
	if err := os.MkdirAll(filepath.Join(dir, identityDir), 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the directory: %w", err)
	}
	return &enrolment{dir: dir, authority: authority}, nil
}

// write writes the device file first: by it, everything is found that has to be taken
// away again.
func (e *enrolment) write(ctx context.Context, file *fleet.File) error {
	if err := e.put(enrolledDevices, file.Text()); err != nil {
		return err
	}
	own, err := e.authority.Pair()
	if err == nil {
		err = e.putPair(enrolledAuthority, authorityKey, own)
	}
	if err == nil {
		err = e.issue(enrol.Platform, platformIdentity, platformKey)
	}
	for i := 0; i < len(file.Devices) && err == nil; i++ {
		if err = ctx.Err(); err == nil && file.Devices[i].Login.CertFile != "" {
			d := &file.Devices[i]
			err = e.issue(d.Key, d.Login.CertFile, d.Login.KeyFile)
		}
	}
	if ctx.Err() != nil {
		return &cli.Exit{Code: cli.Interrupted, Err: errors.New("interrupted")}
	}
	return err
}

func (e *enrolment) issue(name, certificate, private string) error {
	pair, err := e.authority.Issue(name)
	if err != nil {
		return err
	}
	return e.putPair(certificate, private, pair)
}

func (e *enrolment) putPair(certificate, private string, pair enrol.Pair) error {
	if err := e.put(certificate, pair.Certificate); err != nil {
		return err
	}
	return e.put(private, pair.Key)
}

func (e *enrolment) put(name string, content []byte) error {
	return writeNew(filepath.Join(e.dir, name), content, 0o600)
}

// takeAway removes what an enrolment made, and the directory if nothing else is in it.
func (f *enrolFlags) takeAway(ctx context.Context, streams cli.Streams) error {
	root, err := os.OpenRoot(f.out)
	if err != nil {
		return &cli.Exit{Code: cli.Usage, Err: fmt.Errorf("nothing is enrolled there: %w", err)}
	}
	defer root.Close()
	text, err := files.ReadIn(root, enrolledDevices, fleet.MaxBytes)
	if err != nil {
		return &cli.Exit{Code: cli.Usage, Err: fmt.Errorf("nothing is enrolled in %s: %w", f.out, err)}
	}
	file, err := fleet.Parse(filepath.Join(f.out, enrolledDevices), text)
	if err != nil {
		return &cli.Exit{Code: cli.Usage, Err: fmt.Errorf("the device file is not valid:\n%w", err)}
	}
	if err := f.unregister(ctx, root); err != nil {
		return err
	}
	var names []string
	for i := range file.Devices {
		certificate, private := identityFiles(file.Devices[i].Key)
		names = append(names, certificate, private)
	}
	names = append(names, platformKey, platformIdentity, authorityKey, enrolledAuthority, identityDir, enrolledDevices)
	for _, name := range names {
		if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot take away %s: %w", filepath.Join(f.out, name), err)
		}
	}
	left := ""
	if err := os.Remove(f.out); err != nil {
		left = "; what else is in there stays"
	}
	return cli.Show(streams.Out, fmt.Sprintf("%s taken away from %s%s\n", ota.Counted(len(file.Devices), "device"), f.out,
		left))
}
