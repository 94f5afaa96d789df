package real

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"otafleet/agent"
	"otafleet/agent/link/native"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
	"otafleet/simulator"
	"otafleet/simulator/model"
	"otafleet/simulator/platform"
	"otafleet/simulator/scenario"
)

// World is what the devices of a run live on: real sockets, and a platform. The zero
// value is a world with everything of its own.
type World struct {
	// BrokerURL is a broker to use instead of the embedded one: mqtt://host:port
	// or mqtts://host:port. Without FakePlatform a real platform is expected behind it,
	// with plans of its own; the scenario's are not created.
	BrokerURL string
	// TLS is for mqtts; nil for the system's authorities. If it names the server,
	// all sessions share it; else each makes a copy that does.
	TLS          *tls.Config
	FakePlatform bool   // with BrokerURL: the fake platform works through that broker
	Username     string // of every device at that broker; empty means the device key
	Password     []byte // of every device at that broker; empty for none; never logged
	// Logins are what devices have of their own, by their keys, before what is said of
	// all.
	Logins map[string]Login
	// PlatformUser and PlatformPassword are the fake platform's at that broker, which
	// must let it read and write every device's topics.
	PlatformUser     string
	PlatformPassword []byte // never logged
	// PlatformCertificate is the fake platform's at a broker with TLS; nil for none.
	PlatformCertificate *tls.Certificate
	Prefix              string // of the topics; empty means ota/v1
	// Store is an object store for the fake platform to use instead of its own.
	Store *platform.RemoteStore
	// Trust says whose packages the devices accept, with a real platform. The
	// fake platform signs with a key of the run.
	Trust *wire.Trust

	// PlanWait is how long a run against a real platform waits for the first plan that
	// comes to any device; 0 for not longer than for anything else.
	PlanWait time.Duration
	// HawkBit is an external one, for devices that speak its dialect; nil for the
	// fake platform's.
	HawkBit *Staging

	// Sources are addresses of this machine from which the devices connect to the
	// broker, in turns. Each is good for as many connections to one broker as the
	// system has ports for it, mostly 28,232. Empty leaves the choice to the
	// system.
	Sources []netip.Addr
	// Downloads is how many downloads run at once; 0 means 256.
	Downloads int
	// Serving is called with the broker's URL and the fake platform, nil for a real
	// one, before a run that is under way is given to Options.Started; nil for no call.
	// Both live as long as the run.
	Serving func(brokerURL string, p *platform.Service)
	Logger  *slog.Logger // nil discards
}

var _ simulator.World = (*World)(nil)

// Name is the world's in a verdict and a history (simulator.World).
func (w *World) Name() string { return "real" }

// external reports whether the platform is a real one, with plans of its own.
func (w *World) external() bool { return w.BrokerURL != "" && !w.FakePlatform || w.HawkBit != nil }

// Validate joins everything that is wrong with a run of some devices of a scenario in
// this world.
func (w *World) Validate(o *simulator.Options) error {
	problems := append(w.checkScenario(o.Scenario), o.Dialect.Check(o.Scenario), w.checkDialect(o.Dialect))
	if w.FakePlatform && w.BrokerURL == "" {
		problems = append(problems, errors.New(
			"the fake platform needs no broker of its own: give a broker URL (--broker), or leave it embedded"))
	}
	if w.Store != nil && w.BrokerURL != "" && !w.FakePlatform {
		problems = append(problems, errors.New(
			"a real platform has a store of its own: --store goes with --fake-platform only"))
	}
	if w.FakePlatform && w.Prefix == "" && !o.Devices.Shard().Whole() {
		problems = append(problems, errors.New(
			"every shard's fake platform would answer every device at that broker: give each shard a prefix of its own "+
				"(--prefix), or a broker"))
	}
	problems = append(problems, w.checkLink(), w.checkLogins(), w.checkPlanWait(o.Scenario.Duration))
	if w.HawkBit != nil {
		problems = append(problems, w.HawkBit.check(o.Scenario)...)
	} else if w.external() {
		if w.Trust == nil {
			problems = append(problems, errors.New(
				"a real platform signs with its own keys: give them (--trust), or allow unsigned packages (--allow-unsigned)"))
		} else if err := w.Trust.Validate(); err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

// checkPlanWait refuses to wait for a plan that is there, or beyond the end of the run.
func (w *World) checkPlanWait(duration time.Duration) error {
	switch {
	case w.PlanWait == 0:
		return nil
	case !w.external():
		return errors.New("--wait-for-plan is for a platform of yours: the fake one has the scenario's plans at once")
	case w.PlanWait < 0 || w.PlanWait > duration:
		return fmt.Errorf("--wait-for-plan %s does not fit in the run, which ends after %s: give it less, or the scenario "+
			"more", w.PlanWait, duration)
	}
	return nil
}

// checkDialect refuses what only the native dialect has.
func (w *World) checkDialect(d model.Dialect) error {
	if !slices.Contains(Dialects(), cmp.Or(d, model.Native)) {
		return fmt.Errorf("the real world has no devices that speak %s", d)
	}
	var problems []error
	for _, part := range []struct {
		given bool
		flag  string
	}{{w.BrokerURL != "", "--broker"}, {w.Prefix != "", "--prefix"}, {w.Store != nil, "--store"}} {
		if part.given && !d.IsNative() {
			problems = append(problems, fmt.Errorf("%s is for --platform %s: leave it out", part.flag, model.Native))
		}
	}
	return errors.Join(problems...)
}

// checkScenario refuses what a scenario asks of parts that are not the simulator's.
func (w *World) checkScenario(s *scenario.Scenario) (problems []error) {
	for i := range s.Events {
		e := &s.Events[i]
		part := ""
		switch {
		case e.Do == scenario.Partition || e.Do == scenario.ReconnectStorm:
		case w.external():
			part = "platform"
		case e.Do == scenario.KillBroker && w.BrokerURL != "":
			part = "broker"
		case (e.Do == scenario.KillStore || e.Do == scenario.ExpireAddresses) && w.Store != nil:
			part = "object store"
		}
		if part != "" {
			problems = append(problems, fmt.Errorf(
				"event %s at %s needs the simulator's own %s: leave yours out, or remove the event", e.Do, e.At, part))
		}
	}
	for i := range s.Faults {
		problems = append(problems, w.checkFault(&s.Faults[i]))
	}
	return problems
}

// checkFault refuses a fault of a part that is not the simulator's.
func (w *World) checkFault(f *scenario.Fault) error {
	switch {
	case w.external() && w.HawkBit == nil && f.Kind == scenario.Downgrade:
		return fmt.Errorf("fault %s (%s) needs packages that the simulator signs, and your platform signs its own: remove "+
			"the fault", f.Name, f.Kind)
	case w.external() && f.Kind == scenario.Cancel:
		return fmt.Errorf("fault %s (%s) needs the simulator's own platform, which takes orders: leave yours out, or remove "+
			"the fault", f.Name, f.Kind)
	case w.BrokerURL != "" && f.Kind == scenario.SessionTaken:
		return fmt.Errorf("fault %s (%s) needs the simulator's own broker: leave yours out, or remove the fault", f.Name,
			f.Kind)
	}
	return nil
}

// checkLink makes sure that every device can set its link up.
func (w *World) checkLink() error {
	anyone := native.Config{Identity: ota.Identity{Product: "p", Device: "d"}, URLs: []string{"mqtt://127.0.0.1"},
		Prefix: w.Prefix, Deliver: func(agent.Input) {}}
	if w.BrokerURL != "" {
		anyone.URLs = []string{w.BrokerURL}
	}
	return anyone.Validate()
}
