package slot

import (
	"context"
	"fmt"
	"strconv"
)

// Boot is the memory that the installer shares with the boot loader: which slot
// starts next. Flag, GRUB and UBoot implement it.
//
// The boot loader's part is the same for all of them. Without a trial it starts
// the chosen slot, however often that fails, and never the other one: there may
// be half an image in it. On trial it counts a try before each start; when none
// is left, it chooses the other slot, for good, and starts that.
type Boot interface {
	// Choice reads what is chosen. It fails where nothing is.
	Choice(ctx context.Context) (Choice, error)
	// Choose makes a choice, durably and in one step.
	Choose(ctx context.Context, choice Choice) error
}

// Choice is what the boot loader shall start.
type Choice struct {
	Slot  Slot
	Trial bool // start Slot only Tries more times, then the other one
	// Tries is 0 to MaxTries. Without a trial nothing is read back for it; Choose
	// then fails where there is no room for a trial with so many.
	Tries int
}

// parseChoice reads a slot's name and the tries that are left; without tries
// the choice is permanent.
func parseChoice(slot, tries string) (Choice, error) {
	s, err := parseSlot(slot)
	if err != nil || tries == "" {
		return Choice{Slot: s}, err
	}
	n, err := strconv.ParseUint(tries, 10, 16)
	if err != nil || n > MaxTries {
		return Choice{}, fmt.Errorf("%q is not a number of tries; want 0 to %d", tries, MaxTries)
	}
	return Choice{Slot: s, Trial: true, Tries: int(n)}, nil
}

// tries is what parseChoice reads back.
func (c Choice) tries() string {
	if !c.Trial {
		return ""
	}
	return strconv.Itoa(c.Tries)
}
