package harness

import (
	"context"
	"testing"

	"otafleet/simulator/platform/hawkbit"
)

// HawkBitToken is the token of every device of SpeakHawkBit.
const HawkBitToken = "0123456789abcdef"

// HawkBit serves a platform to devices that speak hawkBit's API, until the test ends,
// at an address; empty means a free port.
func (p *Platform) HawkBit(address string, config hawkbit.Config) *hawkbit.Server {
	p.t.Helper()
	server, stop := StartHawkBit(p.t, p, address, config)
	p.t.Cleanup(stop)
	return server
}

// StartHawkBit is HawkBit with an end before that of the test.
func StartHawkBit(t testing.TB, p *Platform, address string,
	config hawkbit.Config) (server *hawkbit.Server, stop func()) {
	t.Helper()
	if address == "" {
		address = "127.0.0.1:0"
	}
	server, err := hawkbit.Listen(address, config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx, p.Service) }()
	return server, func() {
		cancel()
		if err, open := <-ended; open && err != nil {
			t.Errorf("the hawkBit API failed: %v", err)
		}
	}
}

// SpeakHawkBit has the device speak hawkBit's API, with HawkBitToken.
func (d *Device) SpeakHawkBit(url string, more Settings) {
	d.t.Helper()
	d.Write("token", []byte(HawkBitToken+"\n"), 0o600)
	hawkBit := Settings{"url": url, "token_file": "token"}
	for key, value := range more {
		if hawkBit[key] = value; value == nil {
			delete(hawkBit, key)
		}
	}
	delete(d.Settings, "broker")
	d.Settings["platform"] = Settings{"hawkbit": hawkBit}
}
