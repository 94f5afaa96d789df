package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/pflag"

	"otafleet/internal/cli"
	"otafleet/simulator/model"
	"otafleet/simulator/real"
	"otafleet/simulator/target/hawkbit"
)

// stagingFlags name a hawkBit of yours.
type stagingFlags struct {
	url    string
	tenant string
	keep   bool
	remove string
	name   string // of the run there
}

func (f *stagingFlags) define(flags *pflag.FlagSet) {
	flags.StringVar(&f.url, "url", "",
		"with --platform hawkbit: a hawkBit of yours, which the run prepares with --username and --password-file")
	flags.StringVar(&f.tenant, "tenant", "", "with --url: tenant of the devices; empty means DEFAULT")
	flags.BoolVar(&f.keep, "keep", false, "with --url: leave there what the run has made")
	flags.StringVar(&f.remove, "remove-run", "",
		"with --url: remove what an earlier run has left there, by its name, and run nothing")
}

// runName begins the names of runs on a hawkBit.
const runName = "ota-sim-"

// begin gives the run a name that no other has, and numbered devices keys that no other
// run has there.
func (f *stagingFlags) begin(devices *deviceFlags) {
	fresh := strings.ToLower(rand.Text()[:8])
	f.name = runName + fresh
	if f.url != "" && devices.keyPrefix == "" && devices.devices == "" {
		devices.keyPrefix = fresh + "-"
	}
}

// operator is who prepares a run on a hawkBit of yours; nil without one.
func (f *worldFlags) operator() (*hawkbit.Client, error) {
	s := &f.staging
	switch {
	case s.url == "" && (s.tenant != "" || s.keep || s.remove != ""):
		return nil, errors.New("--tenant, --keep and --remove-run go with --url, a hawkBit of yours")
	case s.url == "":
		return nil, nil
	case f.platform != string(model.HawkBit):
		return nil, fmt.Errorf("--url goes with --platform %s", model.HawkBit)
	}
	u, err := url.Parse(strings.TrimRight(s.url, "/"))
	if err != nil {
		return nil, errors.New("--url: want https://host or http://host")
	}
	password, err := readSecret(f.passwordFile)
	if err != nil {
		return nil, err
	}
	client, err := hawkbit.New(hawkbit.Config{URL: u, User: f.username, Password: string(password)})
	if err != nil {
		return nil, fmt.Errorf("--url, --username and --password-file: %w", err)
	}
	return client, nil
}

// removeRun removes what an earlier run has left; false if that is not wanted.
func (f *worldFlags) removeRun(ctx context.Context) (done bool, err error) {
	if f.staging.remove == "" {
		return false, nil
	}
	client, err := f.operator()
	if err == nil && !strings.HasPrefix(f.staging.remove, runName) {
		err = fmt.Errorf("--remove-run %s: runs are called %s…", f.staging.remove, runName)
	}
	if err != nil {
		return true, &cli.Exit{Code: cli.Usage, Err: err}
	}
	return true, client.Remove(ctx, f.staging.remove)
}

// staged refuses a hawkBit that does not let the run in, or none of the devices that are
// registered there.
func staged(ctx context.Context, w *real.World, c *choice) error {
	_, err := w.HawkBit.Operator.Check(ctx)
	if err == nil {
		err = w.Probe(ctx, c.scenario, c.selected)
	}
	if err != nil && ctx.Err() == nil {
		return &cli.Exit{Code: exitUnreachable, Err: err}
	}
	return nil
}
