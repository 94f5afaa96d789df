package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"otafleet/internal/cli"
	"otafleet/simulator/model"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/hawkbit"
	"otafleet/simulator/platform/hawkbit/management"
	"otafleet/simulator/platform/quecthing"
	"otafleet/simulator/real"
	"otafleet/simulator/scenario"
)

// What --dialect may say.
const (
	nativeDialect    = string(model.Native)
	hawkBitDialect   = string(model.HawkBit)
	quecthingDialect = string(model.QuecThing)
)

// dialectNames are all of them, as help and refusals list them.
const dialectNames = nativeDialect + ", " + hawkBitDialect + " or " + quecthingDialect

// platformUsage is the description of --platform.
const platformUsage = "platform that the devices speak with, by its dialect: native, hawkbit or quecthing; empty " +
	"means the scenario's, or native"

// dialectOf is what the devices of a scenario speak, if a flag says this.
func dialectOf(flag string, s *scenario.Scenario) (model.Dialect, error) {
	d, err := model.ParseDialect(cmp.Or(flag, s.Platform), real.Dialects()...)
	if err != nil {
		err = fmt.Errorf("--platform: %w", err)
	} else {
		err = d.Check(s)
	}
	if err != nil {
		return d, &cli.Exit{Code: cli.Usage, Err: err}
	}
	return d, nil
}

// dialectFlags say by which protocols devices speak with the platform.
type dialectFlags struct {
	dialects     []string
	hawkBit      string // where its API is served
	gatewayToken string // file
	product      string
	sleep        time.Duration
	operators    string // file
	quecthing    string // where its devices connect
	products     string // file
}

func (f *dialectFlags) define(flags *pflag.FlagSet) {
	flags.StringSliceVar(
		&f.dialects,
		"dialect",
		[]string{nativeDialect},
		"protocols that devices speak: "+dialectNames+"; several with commas",
	)
	flags.StringVar(&f.hawkBit, "hawkbit-listen", "127.0.0.1:8081", "where hawkBit's device API is served")
	flags.StringVar(
		&f.gatewayToken,
		"hawkbit-gateway-token-file",
		"",
		"file with hawkBit's gateway token, which may act for every device",
	)
	flags.StringVar(
		&f.product,
		"hawkbit-product",
		"",
		"product of devices that tell hawkBit none; empty means the tenant that they name",
	)
	flags.DurationVar(&f.sleep, "hawkbit-sleep", hawkbit.DefaultSleep, "pause between two polls of a device")
	flags.StringVar(&f.operators, "hawkbit-operators-file", "",
		"file of username:password lines of who may use hawkBit's Management API; empty serves none")
	flags.StringVar(&f.quecthing, "quecthing-listen", "127.0.0.1:1884", "where quecthing devices connect")
	flags.StringVar(&f.products, "quecthing-products-file", "",
		"file of PRODUCT:SECRET lines for quecthing devices; empty lets everybody in")
}

// speaks reports whether a dialect is wanted.
func (f *dialectFlags) speaks(dialect string) bool { return slices.Contains(f.dialects, dialect) }

// check says what is wrong with the dialects.
func (f *dialectFlags) check(config *platform.Config) error {
	for _, d := range f.dialects {
		if d != nativeDialect && d != hawkBitDialect && d != quecthingDialect {
			return fmt.Errorf("--dialect %s: want %s", d, dialectNames)
		}
		if d != nativeDialect && config.Store != nil {
			return fmt.Errorf(
				"--dialect %s does not go with --store: the platform tells devices digests of files that it has itself", d)
		}
	}
	switch {
	case len(f.dialects) == 0:
		return errors.New("--dialect: want " + dialectNames)
	case !f.speaks(nativeDialect) && config.BrokerURL != "":
		return fmt.Errorf("--broker is for --dialect %s", nativeDialect)
	}
	return nil
}

// listen opens the address of hawkBit's API; nil if it is not wanted.
func (f *dialectFlags) listen(config *platform.Config) (*hawkbit.Server, error) {
	if !f.speaks(hawkBitDialect) {
		return nil, nil
	}
	token, err := readSecret(f.gatewayToken)
	if err != nil {
		return nil, &cli.Exit{Code: cli.Usage, Err: err}
	}
	c := hawkbit.Config{Credentials: config.Credentials, GatewayToken: string(token), Product: f.product, Sleep: f.sleep,
		Logger: config.Logger}
	if f.operators != "" {
		known, err := readCredentials(f.operators)
		if err != nil {
			return nil, &cli.Exit{Code: cli.Usage, Err: fmt.Errorf("--hawkbit-operators-file: %w", err)}
		}
		c.Targets, c.Operators = management.NewStore(f.sleep), known.check
	}
	server, err := hawkbit.Listen(f.hawkBit, c)
	var failed *net.OpError
	if errors.As(err, &failed) {
		err = fmt.Errorf("%w: --hawkbit-listen takes another address, such as 127.0.0.1:0 for a free port", err)
	}
	if err != nil {
		return nil, &cli.Exit{Code: cli.Usage, Err: err}
	}
	if config.Credentials == nil && len(token) == 0 && f.operators == "" && !onLoopback(f.hawkBit) {
		config.Logger.Warn(
			"hawkBit's API is reachable from other machines and lets everybody in: give --credentials or " +
				"--hawkbit-gateway-token-file",
		)
	}
	return server, nil
}

// listenForQuecthing opens the address of quecthing devices; nil if it is not wanted.
// known are the devices of --credentials.
func (f *dialectFlags) listenForQuecthing(known credentials, log *slog.Logger) (*quecthing.Server, error) {
	if !f.speaks(quecthingDialect) {
		return nil, nil
	}
	config := quecthing.Config{Secrets: known, Logger: log}
	if f.products != "" {
		products, err := readCredentials(f.products)
		if err != nil {
			return nil, &cli.Exit{Code: cli.Usage, Err: err}
		}
		config.Products = products
	}
	server, err := quecthing.Listen(f.quecthing, config)
	var failed *net.OpError
	if errors.As(err, &failed) {
		err = fmt.Errorf("%w: --quecthing-listen takes another address, such as 127.0.0.1:0 for a free port", err)
	}
	if err != nil {
		return nil, &cli.Exit{Code: cli.Usage, Err: err}
	}
	if config.Products == nil && !onLoopback(f.quecthing) {
		log.Warn("every quecthing device is let in, also from other machines: give --quecthing-products-file")
	}
	return server, nil
}

// service is something beside the platform that shows it, and runs as long as it.
type service interface {
	URL() string
	Run(ctx context.Context, shown *platform.Service) error
	Close() error
}

// services are those of the platform, by the words in which they are announced.
type services []struct {
	name string
	service
}

func (s *services) add(name string, one service) {
	*s = append(*s, struct {
		name string
		service
	}{name, one})
}

// Close lets go of the addresses of services that do not run.
func (s *services) Close() error {
	var all error
	for _, one := range *s {
		all = errors.Join(all, one.Close())
	}
	return all
}

// services opens the addresses of what is served beside broker and object store.
func (f *platformFlags) services(config *platform.Config, log *slog.Logger) (all services, err error) {
	pages, err := f.page.listen(log)
	if err != nil {
		return nil, err
	}
	if pages != nil {
		all.add("pages", pages)
	}
	hawkBit, err := f.dialect.listen(config)
	if err != nil {
		return nil, errors.Join(err, all.Close())
	}
	if hawkBit != nil {
		all.add("hawkBit", hawkBit)
	}
	modules, err := f.dialect.listenForQuecthing(f.secrets, log)
	if err != nil {
		return nil, errors.Join(err, all.Close())
	}
	if modules != nil {
		all.add("quecthing", modules)
	}
	return all, nil
}
