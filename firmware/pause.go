package firmware

import (
	"context"
	"time"
)

// Pause waits for a time, between two tries or two questions; ctx ends it with
// its error. Without a time it only asks ctx.
func Pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
