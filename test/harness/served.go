package harness

import (
	"regexp"
	"testing"
)

// ready is what the platform prints when it hears what devices say.
const ready = "ready for devices\n"

// Served is `ota-sim platform` as a process of its own.
type Served struct {
	*Process
	BrokerURL, StoreURL string
}

// ServePlatform starts `ota-sim platform` on free ports in dir and waits until
// it hears what devices say.
func ServePlatform(t testing.TB, programs Programs, dir string, args ...string) *Served {
	t.Helper()
	args = append(
		[]string{"platform", "--listen", "127.0.0.1:0", "--store-listen", "127.0.0.1:0", "--page", "127.0.0.1:0"},
		args...)
	s := &Served{Process: Start(t, dir, programs.Sim, args...)}
	s.AwaitOutput(ready)
	found := regexp.MustCompile(`broker (mqtt://\S+), object store (https?://\S+)\n`).FindStringSubmatch(s.Output())
	if found == nil {
		t.Fatalf("ota-sim platform does not say where it listens:\n%s", s.Output())
	}
	s.BrokerURL, s.StoreURL = found[1], found[2]
	return s
}
