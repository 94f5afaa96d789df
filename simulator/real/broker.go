package real

import (
	"context"
	"time"

	"otafleet/agent"
	"otafleet/agent/link"
	"otafleet/agent/link/native"
	"otafleet/simulator/model"
	"otafleet/simulator/platform"
)

// broker is where devices meet their platform that speak the native dialect. The fake
// platform runs its own.
type broker struct {
	url      string
	settings *World
	buffers  *native.Buffers // of all sessions
}

func (b broker) address() string                              { return b.url }
func (b broker) pace() time.Duration                          { return 0 }
func (b broker) run(context.Context, *platform.Service) error { return nil }
func (b broker) stop(p *platform.Service) error               { return p.KillBroker() }
func (b broker) start(p *platform.Service)                    { p.RestartBroker() }
func (b broker) close() error                                 { return nil }

func (b broker) session(d *device, deliver func(agent.Input), after func(func())) (link.Session, error) {
	config := b.settings.session(d.ID)
	config.Members, config.URLs = d.members(), []string{b.url}
	config.Deliver, config.After, config.Dial, config.Jitter = deliver, after, d.link.Dial, d.world.random
	config.Decode, config.Buffers = d.world.shared.decode, b.buffers
	config.KeepAlive, config.FirstDelay, config.MaxDelay = model.KeepAlive, model.FirstReconnect, model.LongestReconnect
	config.ConnectTimeout = model.ConnectTimeout
	return native.New(config)
}
