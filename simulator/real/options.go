package real

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"otafleet/agent"
	"otafleet/agent/link/native"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
	"otafleet/simulator/platform"
	"otafleet/simulator/scenario"
	"otafleet/simulator/selection"
	"otafleet/simulator/verdict"
)

// Options say how a scenario is run.
type Options struct {
	Scenario *scenario.Scenario
	Seed     uint64 // of every draw; 0 means the scenario's
	// Shard is the part of the devices that this process runs; the zero value is
	// all of them. What is drawn for a device does not depend on it.
	Shard selection.Shard
	Only  []string // device keys: run these and no others; empty for all

	// BrokerURL is a broker to use instead of the embedded one: mqtt://host:port
	// or mqtts://host:port. Without StandIn a real platform is expected behind it,
	// with plans of its own; the scenario's are not created.
	BrokerURL string
	// TLS is for mqtts; nil for the system's authorities. If it names the server,
	// all sessions share it; else each makes a copy that does.
	TLS      *tls.Config
	StandIn  bool   // with BrokerURL: the stand-in works through that broker
	Username string // of every device at that broker; empty means the device key
	Password []byte // of every device at that broker; empty for none; never logged
	// PlatformUser and PlatformPassword are the stand-in's at that broker, which
	// must let it read and write every device's topics.
	PlatformUser     string
	PlatformPassword []byte // never logged
	Prefix           string // of the topics; empty means ota/v1
	// Store is an object store for the stand-in to use instead of its own.
	Store *platform.RemoteStore
	// Trust says whose packages the devices accept, with a real platform. The
	// stand-in signs with a key of the run.
	Trust *wire.Trust

	// Sources are addresses of this machine from which the devices connect to the
	// broker, in turns. Each is good for as many connections to one broker as the
	// system has ports for it, mostly 28,232. Empty leaves the choice to the
	// system.
	Sources []netip.Addr
	// History keeps the events of the run; nil keeps none.
	History Sink
	// Downloads is how many downloads run at once; 0 means 256.
	Downloads int
	// Started is called with the run once it is under way; nil for nobody.
	Started func(*Run)
	Logger  *slog.Logger // nil discards
}

// Sink keeps the events of a run (package history).
type Sink interface {
	// Add takes the next event, in the order in which the run judges them. One
	// call ends before another begins.
	Add(e *verdict.Event)
}

// Validate joins everything that is wrong with the options.
func (o *Options) Validate() error {
	var problems []error
	if o.Scenario == nil {
		problems = append(problems, errors.New("no scenario is given"))
	} else {
		problems = append(problems, o.checkScenario()...)
	}
	if o.StandIn && o.BrokerURL == "" {
		problems = append(problems, errors.New("the stand-in needs no broker of its own: give a broker URL (--broker), or leave it embedded"))
	}
	if o.Store != nil && o.BrokerURL != "" && !o.StandIn {
		problems = append(problems, errors.New("a real platform has a store of its own: --store goes with --stand-in only"))
	}
	if o.StandIn && o.Prefix == "" && !o.Shard.Whole() {
		problems = append(problems, errors.New("every shard's stand-in would answer every device at that broker: give each shard a prefix of its own (--prefix), or a broker"))
	}
	problems = append(problems, o.checkLink())
	if o.BrokerURL != "" && !o.StandIn {
		if o.Trust == nil {
			problems = append(problems, errors.New("a real platform signs with its own keys: give them (--trust), or allow unsigned packages (--allow-unsigned)"))
		} else if err := o.Trust.Validate(); err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

// checkScenario refuses devices that the scenario does not have, and what it asks
// of parts that are not the simulator's.
func (o *Options) checkScenario() []error {
	foreign := o.BrokerURL != "" && !o.StandIn
	_, err := selection.New(o.Scenario, o.Shard, o.Only)
	problems := []error{err}
	for i := range o.Scenario.Events {
		e := &o.Scenario.Events[i]
		part := ""
		switch {
		case e.Do == scenario.Partition || e.Do == scenario.ReconnectStorm:
		case foreign:
			part = "platform"
		case e.Do == scenario.KillBroker && o.BrokerURL != "":
			part = "broker"
		case (e.Do == scenario.KillStore || e.Do == scenario.ExpireAddresses) && o.Store != nil:
			part = "object store"
		}
		if part != "" {
			problems = append(problems, fmt.Errorf("event %s at %s needs the simulator's own %s: leave yours out, or remove the event", e.Do, e.At, part))
		}
	}
	for i := range o.Scenario.Faults {
		if f := &o.Scenario.Faults[i]; foreign && f.Kind == scenario.Downgrade {
			problems = append(problems, fmt.Errorf("fault %s (%s) needs packages that the simulator signs, and your platform signs its own: remove the fault", f.Name, f.Kind))
		}
	}
	return problems
}

// checkLink makes sure that every device can set its link up.
func (o *Options) checkLink() error {
	anyone := native.Config{Identity: ota.Identity{Product: "p", Device: "d"}, URLs: []string{"mqtt://127.0.0.1"},
		Prefix: o.Prefix, Deliver: func(agent.Input) {}}
	if o.BrokerURL != "" {
		anyone.URLs = []string{o.BrokerURL}
	}
	return anyone.Validate()
}

// Probe opens the session of the first device that has one of its own, and ends it
// again. The error says why the broker does not let it; nil with the embedded one.
func (o *Options) Probe(ctx context.Context) error {
	if o.BrokerURL == "" {
		return nil
	}
	chosen, err := selection.New(o.Scenario, o.Shard, o.Only)
	if err != nil {
		return err
	}
	for i := range o.Scenario.Fleets {
		for n := 1; o.Scenario.Fleets[i].Behind == "" && n <= o.Scenario.Fleets[i].Count; n++ {
			if !chosen.Has(i, n) {
				continue
			}
			id := o.Scenario.Fleets[i].Identity(n)
			return native.Probe(ctx, native.Config{Identity: id, URLs: []string{o.BrokerURL}, Username: o.username(id), Password: o.password(),
				Prefix: o.Prefix, TLS: o.secure(), Deliver: func(agent.Input) {}})
		}
	}
	return nil
}

func (o *Options) username(id ota.Identity) string {
	if o.Username != "" {
		return o.Username
	}
	return id.Device
}

func (o *Options) password() func() ([]byte, error) {
	if len(o.Password) == 0 {
		return nil
	}
	return func() ([]byte, error) { return o.Password, nil }
}

// reconnectCap is the longest pause between two connects of a device. A run
// lasts minutes: with a device's own minute, an outage would dominate it.
func (o *Options) reconnectCap() time.Duration { return 5 * time.Second }

// secure gives the settings of the sessions with the broker; nil for those of the
// system.
func (o *Options) secure() func() (*tls.Config, error) {
	if o.TLS == nil {
		return nil
	}
	return func() (*tls.Config, error) { return o.TLS, nil }
}
