package native

import (
	"context"

	"github.com/eclipse/paho.golang/packets"
)

// Probe opens the session that a link would open, asks for its topics and ends it
// again, so that the broker keeps nothing. The error says why there is none; of a
// broker's refusal it is a Refused.
func Probe(ctx context.Context, cfg Config) error {
	l, err := New(cfg)
	if err != nil {
		return err
	}
	s, err := l.connect(ctx, l.cfg.URLs[0])
	if err != nil {
		return err
	}
	none := uint32(0)
	err = s.conn.send(&packets.Disconnect{Properties: &packets.Properties{SessionExpiryInterval: &none}})
	s.end(nil)
	return err
}
