package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"

	"otafleet/cmd/ota-agent/config"
	"otafleet/internal/cli"
	"otafleet/internal/ota"
	"otafleet/internal/terminal"
)

func validateVerb() cli.Verb {
	return cli.Verb{
		Name:    "validate",
		Summary: "check a configuration file",
		Help: `Reports every mistake at once, each with its line. Exit code 2 if there is any.
Warnings are about what works and is unwise; they do not change the exit code. With
--keys it lists every key that a configuration may have, and checks nothing.`,
		Flags: func(flags *pflag.FlagSet) cli.Action {
			path := flags.String("config", defaultConfig, "the configuration `FILE`")
			asJSON := jsonFlag(flags)
			keys := flags.Bool("keys", false, "list the keys of a configuration")
			staged := flags.String("staged", "",
				"read `FILE`, which ends with .ota-next, in the place of the one without that: a new version of the "+
					"configuration, or of what it names")
			return func(_ context.Context, streams cli.Streams, args []string) error {
				if err := cli.NoArgs(args); err != nil {
					return err
				}
				if *keys {
					return printKeys(streams.Out, *asJSON)
				}
				read := config.Load
				if *staged != "" {
					read = func(path string) (*config.Config, error) { return config.LoadStaged(path, *staged) }
				}
				cfg, err := load(*path, read)
				if *asJSON {
					return printValidity(streams.Out, cfg, err)
				}
				if err != nil {
					return err
				}
				for _, warning := range cfg.Warnings {
					_ = cli.Show(streams.Err, "warning: "+terminal.Escape(warning)+"\n")
				}
				said := terminal.Sprintf("%s: valid: device %s of product %s, %s%s\n", *path, cfg.Device, cfg.Product,
					ota.Counted(len(cfg.Components), "component"), behind(cfg))
				for _, line := range ownTrust(cfg) {
					said += terminal.Escape(line) + "\n"
				}
				return cli.Show(streams.Out, said)
			}
		},
	}
}

// behind says how many sub-devices there are, if there are any.
func behind(cfg *config.Config) string {
	if len(cfg.SubDevices) == 0 {
		return ""
	}
	return ", " + ota.Counted(len(cfg.SubDevices), "sub-device")
}

// ownTrust has a line for each part of the device that trusts keys of its own.
func ownTrust(cfg *config.Config) []string {
	var lines []string
	add := func(what string, t *config.Trust) {
		switch {
		case t == nil:
		case t.AllowUnsigned && len(t.Keys) == 0:
			lines = append(lines, what+": takes unsigned packages only")
		default:
			lines = append(lines, fmt.Sprintf("%s: %s of its own, %s needed", what, ota.Counted(len(t.Keys), "key"),
				ota.Counted(t.Threshold, "signature")))
		}
	}
	addAll := func(before string, components []config.Component) {
		for i := range components {
			add(before+"component "+components[i].ID, components[i].Trust)
		}
	}
	addAll("", cfg.Components)
	for i := range cfg.SubDevices {
		d := &cfg.SubDevices[i]
		add("sub-device "+d.Device, d.Trust)
		addAll("sub-device "+d.Device+", ", d.Components)
	}
	return lines
}

func printKeys(w io.Writer, asJSON bool) error {
	if asJSON {
		return printJSON(w, config.Keys())
	}
	_, err := fmt.Fprintln(w, strings.Join(config.Keys(), "\n"))
	return err
}

// validity is what validate --json prints.
type validity struct {
	Valid    bool     `json:"valid"`
	Product  string   `json:"product,omitempty"`
	Device   string   `json:"device,omitempty"`
	Trust    []string `json:"trust,omitempty"` // of parts of the device that have keys of their own
	Errors   []string `json:"errors"`
	Warnings []string `json:"warnings"`
}

func printValidity(w io.Writer, cfg *config.Config, err error) error {
	v := validity{Valid: err == nil, Errors: []string{}, Warnings: []string{}}
	if err != nil {
		v.Errors = strings.Split(strings.TrimPrefix(err.Error(), notValid), "\n")
	} else {
		v.Product, v.Device, v.Warnings = cfg.Product, cfg.Device, append(v.Warnings, cfg.Warnings...)
		v.Trust = ownTrust(cfg)
	}
	if failure := printJSON(w, v); failure != nil || err == nil {
		return failure
	}
	return &cli.Exit{Code: cli.Usage}
}

const notValid = "the configuration is not valid:\n"

// load reads the configuration and what it refers to, so that validate finds
// what run would. read is config.Load or config.LoadToRun.
func load(path string, read func(string) (*config.Config, error)) (*config.Config, error) {
	cfg, err := read(path)
	if err != nil {
		return nil, &cli.Exit{Code: cli.Usage, Err: fmt.Errorf(notValid+"%w", err)}
	}
	if err := readKeys(cfg); err != nil {
		return nil, &cli.Exit{Code: cli.Usage, Err: err}
	}
	err = cfg.Broker.Certificates.Check("broker")
	if h := cfg.HawkBit; h != nil {
		err = h.Certificates.Check("platform.hawkbit")
	}
	if q := cfg.QuecThing; q != nil {
		err = q.Certificates.Check("platform.quecthing")
	}
	if err == nil && cfg.Storage != nil {
		err = cfg.Storage.Certificates.Check("storage")
	}
	if err != nil {
		return nil, &cli.Exit{Code: cli.Usage, Err: err}
	}
	return cfg, nil
}

// readKeys reads the keys of all packages, those of sub-devices too.
func readKeys(cfg *config.Config) error {
	_, err := machineConfig(cfg)
	for i := range cfg.SubDevices {
		if err == nil {
			_, err = subMachineConfig(cfg, &cfg.SubDevices[i])
		}
	}
	return err
}
