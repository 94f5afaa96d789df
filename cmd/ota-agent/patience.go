package main

import (
	"context"
	"log/slog"
	"time"

	"otafleet/agent/statefile"
)

// storageAgain is how often a start is tried that the storage keeps back.
const storageAgain = 10 * time.Second

// patiently starts the agent, and tries again while the storage does not give the
// state: without it the agent would forget which releases have run and what it is in
// the middle of, and an end for good would leave the device offline when the storage
// has long come back. It returns nil when ctx ends before.
func patiently(ctx context.Context, log *slog.Logger, start func() error) error {
	tick := time.NewTicker(storageAgain)
	defer tick.Stop()
	for heard := ""; ; {
		err := start()
		if err == nil || !statefile.Passes(err) {
			return err
		}
		if text := err.Error(); text != heard {
			heard = text
			log.Error("cannot start without the saved state; trying again until the storage gives it", "error", err, "every",
				storageAgain)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
