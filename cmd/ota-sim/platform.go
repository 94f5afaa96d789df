package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"otafleet/internal/bundle"
	"otafleet/internal/cli"
	"otafleet/internal/files"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/engine"
)

// strangersAway is how many sessions wait for devices that are not connected where
// everybody is let in, and a program with ever new names could fill the memory.
const strangersAway = 1000

// What --addresses may say.
const (
	presigned   = "presigned"
	s3Addresses = "s3"
)

type platformFlags struct {
	listen, storeListen  string
	broker               string
	username, secretFile string
	devices              string
	gateways             []string
	prefix               string
	store                storeFlags
	addresses            string
	storeAddress         string
	upgrades             []string
	name                 string
	retries              int
	onFailure            string
	minBattery, minRSSI  int
	validity             time.Duration
	untilDone            int
	state                string
	page                 pageFlags
	dialect              dialectFlags

	secrets credentials // what the file of devices says
}

func platformVerb() cli.Verb {
	return cli.Verb{
		Name:    "platform",
		Summary: "serve the fake platform, with a plan if one is given",
		Help: `Serves broker, object store and plan engine, ready at once. Each --upgrade is a
package of 'ota-sim pack'; all of them together, in their order, become one plan
for the product that they are for. A full package of a component that has a delta
to the same version is for devices that the delta does not fit. What devices do is
printed line by line, beginning with their first contact.

Plans, devices, packages and the upgrade monitoring are also served to a browser, at
http://127.0.0.1:8080/ unless --page says otherwise, and by an API (docs/PLATFORM.md).
With --state a platform that is started again goes on where the last one was; without
it everything is in memory.

With --broker the platform works through a broker of yours, with --store its
packages lie in an S3-compatible store of yours.

With --dialect hawkbit devices may speak Eclipse hawkBit's device API, too; with
--dialect quecthing the protocol of Quectel's modules.

The fake platform listens on the loopback and lets every device in, unless
--credentials names a file with a line "username:password" for each of them. A
device hears and speaks for itself alone, but for those that --gateway names.

Examples:
  ota-sim platform --upgrade app-1.1.0.ota
  ota-sim platform --page 127.0.0.1:8090 --state kept
  ota-sim platform --listen 0.0.0.0:1883 --store-listen 0.0.0.0:9000 \
    --store-address 192.0.2.10 --credentials devices.txt --upgrade rootfs-2.ota --upgrade motor-3_1.ota
  ota-sim platform --broker mqtt://127.0.0.1:1883 --upgrade app-1.1.0.ota
  ota-sim platform --dialect native,hawkbit,quecthing --upgrade app-1.1.0.ota`,
		Flags: func(flags *pflag.FlagSet) cli.Action {
			var f platformFlags
			f.define(flags)
			return f.run
		},
	}
}

func (f *platformFlags) define(flags *pflag.FlagSet) {
	flags.StringVar(&f.listen, "listen", "127.0.0.1:1883", "where the embedded broker listens")
	flags.StringVar(&f.storeListen, "store-listen", "127.0.0.1:9000", "where the embedded object store listens")
	flags.StringVar(&f.devices, "credentials", "",
		"file of username:password lines for the embedded broker; empty lets everybody in")
	flags.StringArrayVar(&f.gateways, "gateway", nil,
		"let a gateway speak for devices behind it: GATEWAY=PRODUCT.DEVICE,…; may be repeated")
	flags.StringVar(&f.broker, "broker", "",
		"broker to use instead of the embedded one: mqtt://host:port or mqtts://host:port")
	flags.StringVar(&f.username, "username", "", "user name of the platform at that broker")
	flags.StringVar(&f.secretFile, "password-file", "", "file with the password of the platform at that broker")
	flags.StringVar(&f.prefix, "prefix", "", "prefix of the topics; empty means "+wire.DefaultPrefix)
	flags.StringVar(&f.storeAddress, "store-address", "",
		"host, or host:port, of the embedded object store for devices; needed where it listens on all addresses (0.0.0.0)")
	f.store.define(flags)
	flags.StringVar(&f.addresses, "addresses", presigned,
		"what devices get with --store: presigned addresses, or s3 ones, which take keys of their own")
	flags.StringArrayVar(&f.upgrades, "upgrade", nil, "package to upgrade to; may be repeated, in the order of upgrade")
	flags.StringVar(&f.name, "plan", "plan-1", "id of the plan")
	flags.IntVar(&f.retries, "retries", 5, "automatic retries of each component, 0 to 5")
	flags.StringVar(&f.onFailure, "on-failure", string(ota.Stop),
		"what a failed component means for the others: stop, continue or revert")
	flags.IntVar(&f.minBattery, "min-battery", 0, "percent that a device's battery needs; 0 asks for none")
	flags.IntVar(&f.minRSSI, "min-rssi", 0, "dBm that a device's signal needs; 0 asks for none")
	flags.DurationVar(&f.validity, "validity", platform.DefaultValidity, "how long package addresses work")
	flags.IntVar(&f.untilDone, "until-done", 0,
		"end when so many devices are upgraded or failed; exit code 1 if one failed")
	flags.StringVar(&f.state, "state", "", "directory in which plans, packages and reports are kept")
	f.page.define(flags, "127.0.0.1:8080",
		"where the pages and the API are served; port 0 is a free one, empty serves none")
	f.dialect.define(flags)
}

func (f *platformFlags) run(ctx context.Context, streams cli.Streams, args []string) error {
	if err := cli.NoArgs(args); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events := &eventPrinter{w: streams.Out, goal: f.untilDone, reached: make(chan struct{})}
	config, err := f.config(events)
	config.Logger = slog.New(slog.NewTextHandler(streams.Err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if err != nil {
		return &cli.Exit{Code: cli.Usage, Err: err}
	}
	beside, err := f.services(&config, config.Logger)
	if err != nil {
		return err
	}
	fakePlatform, err := platform.New(config)
	if err != nil {
		return errors.Join(f.explain(err), beside.Close())
	}
	if f.dialect.speaks(nativeDialect) {
		events.printf("broker %s, object store %s", fakePlatform.BrokerURL(), fakePlatform.StoreURL())
	}
	if f.open() {
		config.Logger.Warn("the broker is reachable from other machines and lets everybody in: give --credentials, or " +
			"--listen 127.0.0.1:1883")
	}
	plan, err := f.prepare(ctx, fakePlatform)
	if err != nil {
		return &cli.Exit{Code: cli.Usage, Err: errors.Join(err, fakePlatform.Close(), beside.Close())}
	}
	if plan != "" {
		events.printf("%s", plan)
	}
	return f.serve(ctx, cancel, events, fakePlatform, beside)
}

// explain adds the flag by which an address that cannot be had is changed.
func (f *platformFlags) explain(err error) error {
	var failed *net.OpError
	if !errors.As(err, &failed) || failed.Op != "listen" || failed.Addr == nil {
		return err
	}
	_, port, _ := net.SplitHostPort(failed.Addr.String())
	for _, where := range []struct{ flag, address string }{{"--listen", f.listen}, {"--store-listen", f.storeListen}} {
		if _, wanted, _ := net.SplitHostPort(where.address); wanted == port {
			return fmt.Errorf("%w: %s takes another address, such as 127.0.0.1:0 for a free port", err, where.flag)
		}
	}
	return err
}

// open reports whether the embedded broker lets everybody in from other machines.
func (f *platformFlags) open() bool {
	return f.broker == "" && f.devices == "" && f.dialect.speaks(nativeDialect) && !onLoopback(f.listen)
}

// onLoopback reports whether only this machine reaches an address, or it is none.
func onLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err != nil || host == "localhost" || ip != nil && ip.IsLoopback()
}

// serve runs the platform and its pages until ctx ends or the goal is reached.
func (f *platformFlags) serve(ctx context.Context, cancel context.CancelFunc, events *eventPrinter,
	fakePlatform *platform.Service, beside services) error {
	var ready sync.WaitGroup
	ready.Go(func() {
		if fakePlatform.Hears(ctx) == nil {
			events.printf("ready for devices")
		}
	})
	ready.Go(func() {
		select {
		case <-events.reached:
			drain(ctx, events, fakePlatform)
			cancel()
		case <-ctx.Done():
		}
	})
	broken := make(chan error, len(beside))
	for _, one := range beside {
		address := one.URL()
		if strings.HasPrefix(address, "http") {
			address += "/"
		}
		events.printf("%s %s", one.name, address)
		ready.Go(func() {
			if err := one.Run(ctx, fakePlatform); err != nil {
				broken <- err
				cancel()
			}
		})
	}
	// What a fleet takes here are stacks, most of all, and they count as reason for a
	// reserve that small messages do not need.
	defer debug.SetGCPercent(debug.SetGCPercent(25))
	err := fakePlatform.Run(ctx)
	cancel()
	ready.Wait()
	select {
	case failure := <-broken:
		err = errors.Join(err, failure)
	default:
	}
	if err != nil {
		return err
	}
	if events.failed() {
		return &cli.Exit{Code: cli.Failed}
	}
	return nil
}

func (f *platformFlags) config(j *eventPrinter) (platform.Config, error) {
	c := platform.Config{
		BrokerAddress: f.listen, BrokerURL: f.broker, BrokerUser: f.username, Prefix: f.prefix,
		StoreAddress: f.storeListen, StoreAdvertised: f.storeAddress, Validity: f.validity, Observe: j.observe,
		State: f.state,
	}
	password, err := readSecret(f.secretFile)
	if err != nil {
		return c, err
	}
	c.BrokerPassword = string(password)
	if f.devices != "" {
		known, err := readCredentials(f.devices)
		if err != nil {
			return c, err
		}
		f.secrets, c.Credentials = known, known.check
	} else {
		c.MaxAway = strangersAway
	}
	if c.Gateways, err = readGateways(f.gateways); err != nil {
		return c, err
	}
	if c.Store, err = f.store.remote(); err != nil {
		return c, err
	}
	switch {
	case f.addresses == presigned:
	case f.addresses != s3Addresses:
		return c, fmt.Errorf("--addresses %s: want %s or %s", f.addresses, presigned, s3Addresses)
	case c.Store == nil:
		return c, fmt.Errorf("--addresses %s needs --store: no device has keys of the embedded one", s3Addresses)
	default:
		c.Store.DeviceKeys = true
	}
	if !f.dialect.speaks(nativeDialect) {
		c.BrokerAddress = "" // a free port that is not announced
	}
	return c, f.dialect.check(&c)
}

// prepare puts the packages into the catalog and one plan for all of them into
// effect. It returns a line that says so.
func (f *platformFlags) prepare(ctx context.Context, s *platform.Service) (string, error) {
	if len(f.upgrades) == 0 {
		return "", nil
	}
	spec := engine.PlanSpec{
		ID: f.name, Name: f.name, Zone: time.UTC, Start: time.Now().Add(-time.Minute), End: time.Now().AddDate(1, 0, 0),
		Mode: ota.Silent, Retries: f.retries, OnFailure: ota.OnFailure(f.onFailure),
	}
	if f.minBattery != 0 {
		spec.MinBattery = &f.minBattery
	}
	if f.minRSSI != 0 {
		spec.MinRSSI = &f.minRSSI
	}
	var names []string
	for _, path := range f.upgrades {
		m, err := f.addBundle(ctx, s, path)
		if err != nil {
			return "", err
		}
		if spec.Product != "" && spec.Product != m.Product {
			return "", fmt.Errorf("%s is for product %s, the packages before it for %s: a plan has one product", path, m.Product,
				spec.Product)
		}
		spec.Product = m.Product
		if addComponent(&spec, m) {
			names = append(names, m.Component+" to "+m.Target)
		}
	}
	if known, err := f.known(s, &spec); known != "" || err != nil {
		return known, err
	}
	if err := s.Command(engine.CreatePlan{Plan: spec}); err != nil {
		return "", err
	}
	return fmt.Sprintf("plan %s for product %s: %s", f.name, spec.Product, strings.Join(names, ", then ")),
		s.Command(engine.Activate{Plan: f.name})
}

// known says that the plan goes on which an earlier life of the platform has
// activated; empty if there is none. A plan that offers other versions than the
// packages of the command line is refused: it would never offer them.
func (f *platformFlags) known(s *platform.Service, spec *engine.PlanSpec) (text string, err error) {
	s.View(func(e *engine.Engine) {
		p, found := e.Plan(f.name)
		if !found {
			return
		}
		fields, _ := e.Fields(f.name)
		for _, c := range spec.Components {
			same := func(o engine.ComponentSpec) bool { return o.ID == c.ID && o.Target == c.Target }
			if fields.Product != spec.Product || !slices.ContainsFunc(fields.Components, same) {
				err = fmt.Errorf("plan %s of the state directory does not offer %s %s of product %s: give --plan another id, "+
					"such as --plan %s-%s",
					f.name, c.ID, c.Target, spec.Product, f.name, "2")
				return
			}
		}
		text = fmt.Sprintf("plan %s for product %s goes on: %s", p.ID, p.Product, p.Status)
	})
	return text, err
}

// addComponent makes a package the plan's for its component, and reports whether
// the component is a new one. Of a delta and a full package to the same version
// the delta is the plan's.
func addComponent(spec *engine.PlanSpec, m *ota.Manifest) bool {
	c := engine.ComponentSpec{ID: m.Component, Type: m.Type, Package: m.Package, Target: m.Target}
	if m.Package == ota.Delta {
		c.Sources = []string{m.Source}
	}
	for i := range spec.Components {
		known := &spec.Components[i]
		if known.ID != c.ID || known.Target != c.Target || known.Package == c.Package {
			continue
		}
		if c.Package == ota.Delta {
			*known = c
		}
		return false
	}
	spec.Components = append(spec.Components, c)
	return true
}

// addBundle puts a package file into the catalog. Without a state directory it stays
// open: its files are served from it.
func (f *platformFlags) addBundle(ctx context.Context, s *platform.Service, path string) (*ota.Manifest, error) {
	b, err := bundle.Open(path)
	if err != nil {
		return nil, err
	}
	if f.state != "" {
		return b.Manifest, errors.Join(uploadBundle(ctx, s, b.Manifest, path), b.Close())
	}
	if err := b.Verify(); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot offer the package %s: %w", path, err), b.Close())
	}
	files := make([]io.ReaderAt, len(b.Manifest.Files))
	for i := range files {
		files[i] = b.File(i)
	}
	return b.Manifest, s.AddPackage(ctx, b.Envelope, b.Manifest, files)
}

// credentials are the devices that may connect.
type credentials map[string]string

func (c credentials) check(username, password string) bool {
	want, known := c[username]
	a, b := sha256.Sum256([]byte(want)), sha256.Sum256([]byte(password)) // in a time that tells nothing
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1 && known
}

// maxCredentials bounds the file of the credentials, in bytes: a million devices.
const maxCredentials = 256 << 20

func readCredentials(path string) (credentials, error) {
	text, err := files.Read(path, maxCredentials)
	if err != nil {
		return nil, fmt.Errorf("cannot read the credentials: %w", err)
	}
	known := credentials{}
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		user, password, ok := strings.Cut(line, ":")
		if !ok || user == "" || password == "" {
			return nil, fmt.Errorf("%s:%d: want username:password", path, i+1)
		}
		known[user] = password
	}
	if len(known) == 0 {
		return nil, errors.New(path + ": names no device")
	}
	return known, nil
}

// How long the platform stays when its goal is reached: for what devices still
// report of their end, such as the other components of a plan that has failed, and
// at most for those that do not read its last acknowledgements.
const (
	drainTime = time.Second
	unread    = time.Minute
)

// drain waits until the devices that are at their end know that everything is
// acknowledged.
func drain(ctx context.Context, events *eventPrinter, fakePlatform *platform.Service) {
	select {
	case <-ctx.Done():
		return
	case <-time.After(drainTime):
	}
	within, cancel := context.WithTimeout(ctx, unread)
	defer cancel()
	if err := fakePlatform.AwaitArrival(within, events.devices()); err != nil && ctx.Err() == nil {
		events.printf("the last acknowledgements have not arrived: %v", err)
	}
}
