package platform

import (
	"context"
	"time"

	"otafleet/internal/ota"
)

// lookAgain is how often AwaitArrival looks.
const lookAgain = 20 * time.Millisecond

// AwaitArrival waits until everything that was said to some devices has arrived:
// at the embedded broker when the devices have acknowledged it, at an external
// broker when that has, since it keeps what its clients have not read. It returns
// ctx's error if that ends first. Run must have been called.
func (s *Service) AwaitArrival(ctx context.Context, devices []ota.Identity) error {
	if err := s.flush(); err != nil {
		return err
	}
	for s.owes(devices) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lookAgain):
		}
	}
	return nil
}

// owes reports whether something is on its way to one of the devices.
func (s *Service) owes(devices []ota.Identity) bool {
	carrier := s.carrier()
	for _, id := range devices {
		if carrier.Owes(id) {
			return true
		}
	}
	return false
}
