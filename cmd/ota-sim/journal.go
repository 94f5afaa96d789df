package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"otafleet/internal/ota"
	"otafleet/internal/terminal"
	"otafleet/simulator/platform/engine"
)

// eventPrinter prints what happens, a line each, and knows when the goal is reached.
type eventPrinter struct {
	goal    int           // 0 if there is none
	reached chan struct{} // closed when the goal is reached

	mu    sync.Mutex // guards the following
	w     io.Writer
	ended map[ota.Identity]ota.DeviceStatus
	done  bool // the goal is reached
	met   int  // devices that were heard of for the first time
}

// printf prints a line. What devices wrote stands in it escaped, so that none of
// them commands the terminal or makes up a line.
func (j *eventPrinter) printf(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	fmt.Fprintf(j.w, "%s  %s\n", time.Now().Format("15:04:05"), terminal.Escape(fmt.Sprintf(format, args...)))
}

func (j *eventPrinter) observe(_ time.Time, fact engine.Output) {
	switch fact := fact.(type) {
	case engine.Appeared:
		j.meet(fact)
	case engine.Recorded:
		j.report(fact)
	case engine.Decided:
		if fact.Decision.Accept {
			j.printf("%s  accepts plan %s", fact.Device.Device, fact.Decision.Plan)
		} else {
			j.printf("%s  refuses plan %s: %s %s", fact.Device.Device, fact.Decision.Plan, fact.Decision.Reason,
				fact.Decision.Detail)
		}
	case engine.Issue:
		j.printf("%s  %s  address issued (%s, attempt %d)", fact.Device.Device, fact.Component, fact.Reason, fact.Attempt)
	case engine.Changed:
		j.printf("%s  is now: %s", fact.Device.Device, fact.To.Name())
		j.end(fact.Device, fact.To)
	case engine.PlanChanged:
		j.printf("plan %s is now: %s", fact.Plan, fact.Status)
	}
}

// firstContacts is how many devices have a line of their own when they are first
// heard of. Of more, only counts are printed, in ever larger steps: a fleet does not
// flood the terminal.
const firstContacts = 20

// meet prints that a device is heard of for the first time.
func (j *eventPrinter) meet(fact engine.Appeared) {
	n := j.count()
	switch {
	case n <= firstContacts:
		j.printf("%s", contactLine(fact))
	case round(n):
		j.printf("%d devices have made contact, the last one is %s; the page Devices lists them", n, fact.Device.Device)
	}
}

func (j *eventPrinter) count() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.met++
	return j.met
}

// round reports whether n is 1, 2 or 5 times a power of ten.
func round(n int) bool {
	for n%10 == 0 {
		n /= 10
	}
	return n == 1 || n == 2 || n == 5
}

// maxContactLine is how long the line of a first contact may be, in bytes: a device
// may say that it has many components.
const maxContactLine = 200

func contactLine(fact engine.Appeared) string {
	text := fmt.Sprintf("%s  first contact: product %s", fact.Device.Device, fact.Device.Product)
	if fact.Via != "" {
		text += ", behind " + fact.Via
	}
	for _, c := range fact.Components {
		next := fmt.Sprintf(", %s %s", c.ID, c.Version)
		if len(text)+len(next) > maxContactLine {
			return text + ", …"
		}
		text += next
	}
	return text
}

func (j *eventPrinter) report(fact engine.Recorded) {
	r := fact.Report
	text := r.Status.Row().Name
	if r.Failure != nil {
		text += ": " + r.Failure.Error()
	}
	if fact.Arrival != engine.Stored {
		text += fmt.Sprintf(" (%s, number %d)", fact.Arrival, r.Seq)
	}
	j.printf("%s  %s  %s", fact.Device.Device, r.Component, text)
}

// end counts a device at its end; the goal is reached when there are enough.
func (j *eventPrinter) end(device ota.Identity, status ota.DeviceStatus) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ended == nil {
		j.ended = map[ota.Identity]ota.DeviceStatus{}
	}
	if status == ota.DeviceUpgrading || status == ota.DeviceNotUpgraded {
		delete(j.ended, device)
		return
	}
	j.ended[device] = status
	if j.goal > 0 && len(j.ended) >= j.goal && !j.done {
		j.done = true
		close(j.reached)
	}
}

// devices are those at their end.
func (j *eventPrinter) devices() []ota.Identity {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Collect(maps.Keys(j.ended))
}

func (j *eventPrinter) failed() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.ended {
		if s == ota.DeviceUpgradeFailed {
			return true
		}
	}
	return false
}
