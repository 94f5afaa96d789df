// Command peers is what a developer writes in a day to load an OTA platform: a
// loop that plays the happy path of the native protocol for many devices, each
// with a session of its own, on a common MQTT client as it comes. It is
// measured beside ota-sim by scripts/peers.sh.
//
// Each device connects, tells what it runs, accepts the plan, downloads each
// package with a plain GET, reports every status, waits for the
// acknowledgement of the last one, and stays connected. The program prints how
// many are upgraded and ends when all are, or is ended by a signal.
//
// It leaves out what an agent does: it verifies neither signature nor digest,
// keeps nothing of a package, stores no report and tries nothing again. The first
// failure ends it, and a device that misses a message waits for ever. It is a
// module of its own so that nothing of it gets into the programs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// product is what scripts/peers.sh packs for.
const product = "gw-200"

func main() {
	client := flag.String("client", "autopaho", "autopaho (MQTT 5) or paho.mqtt.golang (MQTT 3.1.1)")
	broker := flag.String("broker", "mqtt://127.0.0.1:1883", "address of the broker")
	devices := flag.Int("devices", 100, "devices, 1 to 20000")
	rate := flag.Int("rate", 1000, "devices that connect a second")
	flag.Parse()

	if err := run(*client, *broker, *devices, *rate); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// run starts the devices at the rate and waits until all are upgraded.
func run(client, broker string, devices, rate int) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	connect, known := map[string]connector{"autopaho": connectV5, "paho.mqtt.golang": connectV3}[client]
	if !known {
		return fmt.Errorf("unknown client %q: use autopaho or paho.mqtt.golang", client)
	}
	if devices < 1 || devices > 20000 || rate < 1 {
		return errors.New("--devices is from 1 to 20000, --rate from 1")
	}
	store := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 256, MaxIdleConnsPerHost: 256}}
	ended := make(chan error, devices)
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	go func() {
		for i := range devices {
			d := newDevice(fmt.Sprintf("gateways-%06d", i+1), store)
			go func() { ended <- d.run(ctx, broker, connect) }()
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	for n := range devices {
		select {
		case err := <-ended:
			if err != nil {
				return fmt.Errorf("after %d upgrades: %w", n, err)
			}
		case <-ctx.Done():
			return fmt.Errorf("ended by a signal after %d upgrades", n)
		}
	}
	fmt.Printf("%d devices upgraded\n", devices)
	return nil
}
