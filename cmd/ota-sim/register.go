package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"otafleet/internal/cli"
	"otafleet/internal/files"
	"otafleet/simulator/fleet"
	"otafleet/simulator/model"
	"otafleet/simulator/target/hawkbit"
)

// registrationFile says in an enrolment's directory where its devices are registered.
const registrationFile = "registered.json"

// registration is the form of that file.
type registration struct {
	Platform string `json:"platform"`
	URL      string `json:"url"`
	Name     string `json:"name"` // of what was made there
}

// registerFlags name a platform at which devices are registered.
type registerFlags struct{ worldFlags }

func (f *registerFlags) define(flags *pflag.FlagSet) {
	flags.StringVar(&f.platform, "platform", "", "register the devices there, too: hawkbit")
	flags.StringVar(&f.staging.url, "url", "", "with --platform hawkbit: its address")
	flags.StringVar(&f.username, "username", "", "user name of hawkBit's operator")
	flags.StringVar(&f.passwordFile, "password-file", "", "file with the password of hawkBit's operator")
}

// registrar is the operator of the platform; nil if no one is wanted.
func (f *registerFlags) registrar() (*hawkbit.Client, error) {
	if f.platform != "" && f.platform != string(model.HawkBit) {
		return nil, fmt.Errorf("--platform %s has no way to register devices; want %s", f.platform, model.HawkBit)
	}
	if f.platform != "" && f.staging.url == "" {
		return nil, errors.New("where is hawkBit? Give its address with --url")
	}
	return f.operator()
}

// register registers the devices of a file, each with its token. Where is noted in the
// directory before, by which it can be undone however it ends.
func (f *registerFlags) register(ctx context.Context, operator *hawkbit.Client, e *enrolment, file *fleet.File) error {
	name := runName + "enrol-" + strings.ToLower(rand.Text()[:8])
	r := registration{Platform: f.platform, URL: f.staging.url, Name: name}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := e.put(registrationFile, append(text, '\n')); err != nil {
		return err
	}
	run, err := operator.Begin(ctx, r.Name)
	if err != nil {
		return err
	}
	targets := make([]hawkbit.Target, len(file.Devices))
	for i := range file.Devices {
		targets[i] = hawkbit.Target{Key: file.Devices[i].Key, Token: file.Devices[i].Login.Token}
	}
	return run.AddTargets(ctx, targets)
}

// unregister takes the devices of a directory away from where they are registered.
func (f *registerFlags) unregister(ctx context.Context, root *os.Root) error {
	path := filepath.Join(root.Name(), registrationFile)
	text, err := files.ReadIn(root, registrationFile, maxKeyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot tell where the devices are registered: %w", err)
	}
	var r registration
	if err := json.Unmarshal(text, &r); err != nil || !strings.HasPrefix(r.Name, runName) {
		return fmt.Errorf("%s is damaged: it does not say where the devices are registered", path)
	}
	operator, err := f.registrar()
	switch {
	case err != nil:
		return &cli.Exit{Code: cli.Usage, Err: err}
	case operator == nil || f.staging.url != r.URL:
		return cli.Exitf(cli.Usage, "the devices are registered, too: give --platform %s --url %s with --username and "+
			"--password-file", r.Platform, r.URL)
	}
	if err := operator.Remove(ctx, r.Name); err != nil {
		return err
	}
	return root.Remove(registrationFile)
}
