package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"otafleet/internal/wire"
	"otafleet/simulator/real"
	"otafleet/simulator/real/netem"
)

// worldFlags say in which world the devices live, and which platform they run
// against.
type worldFlags struct {
	virtual       bool
	platform      string
	broker        string
	caFile        string
	sources       []string
	fakePlatform  bool
	username      string
	passwordFile  string
	platformUser  string
	platformFile  string
	platformCert  string
	platformKey   string
	prefix        string
	trust         []string
	allowUnsigned bool
	planWait      time.Duration
	store         storeFlags
	staging       stagingFlags
}

func (f *worldFlags) define(flags *pflag.FlagSet) {
	flags.SetNormalizeFunc(currentName)
	flags.BoolVar(&f.virtual, "virtual", false,
		"run in virtual time: no sockets, no waiting, the same history for the same seed")
	flags.StringVar(&f.platform, "platform", "", platformUsage)
	flags.StringVar(&f.broker, "broker", "",
		"broker of the platform to run against: mqtt://host:port or mqtts://host:port")
	flags.StringVar(&f.caFile, "ca-file", "",
		"with mqtts: file with the certificates of who may have signed the broker's; empty means the system's")
	flags.StringSliceVar(&f.sources, "source-addresses", nil,
		"addresses of this machine that sessions come from, in turns: a list of addresses, first-last and address/bits")
	flags.BoolVar(&f.fakePlatform, "fake-platform", false, "with --broker: run the fake platform through that broker")
	flags.StringVar(&f.username, "username", "",
		"user name of every device at the broker, empty means its device key; with --url, the operator's")
	flags.StringVar(&f.passwordFile, "password-file", "",
		"file with the password of every device at the broker; with --url, the operator's")
	flags.StringVar(&f.platformUser, "platform-username", "",
		"with --fake-platform: user name of the platform at the broker")
	flags.StringVar(&f.platformFile, "platform-password-file", "",
		"with --fake-platform: file with the password of the platform at the broker")
	flags.StringVar(&f.platformCert, "platform-cert-file", "",
		"with --fake-platform and mqtts: file with the certificate of the platform at the broker")
	flags.StringVar(&f.platformKey, "platform-key-file", "", "file with the key of that certificate")
	flags.StringVar(&f.prefix, "prefix", "", "prefix of the topics; empty means "+wire.DefaultPrefix)
	flags.StringArrayVar(&f.trust, "trust", nil, "public key that the platform signs packages with; may be repeated")
	flags.BoolVar(&f.allowUnsigned, "allow-unsigned", false, "let devices take unsigned packages")
	flags.DurationVar(&f.planWait, "wait-for-plan", 0,
		"with a platform of yours: do not end before a plan has come to some device, or this time is over")
	f.store.define(flags)
	f.staging.define(flags)
}

// currentName gives a flag's name of today for one that it had.
func currentName(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	if name == "stand-in" {
		name = "fake-platform"
	}
	return pflag.NormalizedName(name)
}

// world is the name of the world in a verdict and a history.
func (f *worldFlags) world() string {
	if f.virtual {
		return "virtual"
	}
	return "real"
}

// socketFlags are those that say nothing to the virtual world.
func socketFlags() []string {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	(&worldFlags{}).define(flags)
	names := []string{"start-with", "start-within", "start-at", "metrics", "page", "token-file", "file-types"}
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name != "virtual" && f.Name != "platform" {
			names = append(names, f.Name)
		}
	})
	return names
}

// checkVirtual refuses what only sockets have.
func (f *worldFlags) checkVirtual(given *pflag.FlagSet) error {
	var problems []error
	given.Visit(func(flag *pflag.Flag) {
		if f.virtual && slices.Contains(socketFlags(), flag.Name) {
			problems = append(problems, fmt.Errorf(
				"--%s is for the real world: the virtual one has neither sockets nor a platform of yours", flag.Name))
		}
	})
	return errors.Join(problems...)
}

// real is the real world with that platform, for the chosen devices. A device file
// that was named by a flag may name files anywhere.
func (f *worldFlags) real(c *choice, devices string) (*real.World, error) {
	w := &real.World{BrokerURL: f.broker, FakePlatform: f.fakePlatform, Username: f.username, PlatformUser: f.platformUser,
		Prefix: f.prefix, PlanWait: f.planWait}
	var err error
	if w.Password, err = readSecret(f.passwordFile); err != nil {
		return nil, err
	}
	if w.PlatformPassword, err = readSecret(f.platformFile); err != nil {
		return nil, err
	}
	if w.PlatformCertificate, err = readIdentity(f.platformCert, f.platformKey); err != nil {
		return nil, err
	}
	if w.Store, err = f.store.remote(); err != nil {
		return nil, err
	}
	if w.TLS, err = f.secure(); err != nil {
		return nil, err
	}
	if w.Sources, err = netem.ParseSources(f.sources); err != nil {
		return nil, fmt.Errorf("--source-addresses: %w", err)
	}
	operator, err := f.operator()
	if err != nil {
		return nil, err
	}
	if operator != nil {
		w.HawkBit = &real.Staging{Operator: operator, Name: f.staging.name, Tenant: f.staging.tenant, Keep: f.staging.keep}
	}
	if len(f.trust) > 0 || f.allowUnsigned {
		w.Trust = &wire.Trust{AllowUnsigned: f.allowUnsigned}
		if w.Trust.Keys, err = readKeys(f.trust, wire.ParsePublicKey); err != nil {
			return nil, err
		}
	}
	if !f.virtual {
		if w.Logins, err = logins(c, devices != ""); err != nil {
			return nil, err
		}
	}
	options := c.options()
	return w, w.Validate(&options)
}
