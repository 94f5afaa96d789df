package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"otafleet/internal/files"
	"otafleet/scenarios"
	"otafleet/simulator/fleet"
	"otafleet/simulator/scenario"
)

// deviceFlags say what a scenario leaves open: which devices exist, in the place of
// those that it numbers, and what its variables are.
type deviceFlags struct {
	devices   string
	keyPrefix string
	set       []string
}

func (f *deviceFlags) define(flags *pflag.FlagSet) {
	flags.StringVar(&f.devices, "devices", "",
		"device file (CSV): the devices that exist, in the place of those that the scenario names or numbers")
	flags.StringVar(&f.keyPrefix, "key-prefix", "",
		"put this before the keys of numbered devices, so that a platform which has met them takes them for others")
	f.defineSet(flags)
}

// defineSet defines the flag of the variables alone.
func (f *deviceFlags) defineSet(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.set, "set", nil, "give a variable of the scenario a value: name=value; may be repeated")
}

// from is what a scenario has beside its text that the user calls name. A file that it
// names lies beside it or below: a scenario from elsewhere must not lead to other files
// of this machine.
func (f *deviceFlags) from(name string) (*scenario.Beside, error) {
	from := &scenario.Beside{Set: f.set, Read: scenarios.Beside(name)}
	from.KeyPrefix = f.keyPrefix
	if f.devices != "" {
		text, err := files.Read(f.devices, fleet.MaxBytes)
		if err != nil {
			return nil, fmt.Errorf("cannot read the device file: %w", err)
		}
		if from.File, err = fleet.Parse(f.devices, text); err != nil {
			return nil, fmt.Errorf("the device file is not valid:\n%w", err)
		}
		return from, nil
	}
	if state, err := os.Stat(name); err == nil && state.Mode().IsRegular() {
		from.Open = func(path string) (*fleet.File, error) { return openBeside(filepath.Dir(name), path) }
	}
	return from, nil
}

// openBeside opens a device file in a directory or below.
func openBeside(dir, path string) (*fleet.File, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	defer root.Close()
	text, err := files.ReadIn(root, path, fleet.MaxBytes)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no file %s", filepath.Join(dir, path))
	case err != nil:
		return nil, fmt.Errorf("%w; the device file must be in the scenario's directory or below: give another one with "+
			"--devices", err)
	}
	file, err := fleet.Parse(filepath.Join(dir, path), text)
	if err != nil {
		return nil, fmt.Errorf("the device file is not valid:\n%w", err)
	}
	return file, nil
}
