package harness

import (
	"context"

	"otafleet/simulator/platform/quecthing"
)

// QuecThingSecret is the product secret of every device of SpeakQuecThing.
const QuecThingSecret = "d2c5Q1FsVWpwT1k3"

// QuecThing serves a platform to devices that speak as Quectel's SDK does, until the
// test ends.
func (p *Platform) QuecThing(config quecthing.Config) *quecthing.Server {
	p.t.Helper()
	server, err := quecthing.Listen("127.0.0.1:0", config)
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx, p.Service) }()
	p.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			p.t.Errorf("the quecthing platform failed: %v", err)
		}
	})
	return server
}

// SpeakQuecThing has the device speak as Quectel's SDK does.
func (d *Device) SpeakQuecThing(url string, more Settings) {
	d.t.Helper()
	d.Write("product-secret", []byte(QuecThingSecret+"\n"), 0o600)
	platform := Settings{"url": url, "product_secret_file": "product-secret", "manifest": "platform"}
	for key, value := range more {
		platform[key] = value
	}
	delete(d.Settings, "broker")
	d.Settings["platform"] = Settings{"quecthing": platform}
}
