package model

import (
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/verdict"
)

// Mistakes are the events of what the platform believes of a device when the run ends,
// and is not so: one for each component that runs another version. A device that it has
// never heard of gives it nothing to believe.
func (d *Device) Mistakes(e *engine.Engine, runs func(i int) string) (events []verdict.Event) {
	believed, _ := e.Versions(d.ID)
	for i, c := range d.Fleet.Components {
		for _, b := range believed {
			if b.ID == c.ID && b.Type == c.Type && b.Version != runs(i) {
				events = append(events, verdict.Event{Kind: verdict.Mistaken, Component: c.ID, Text: b.Version})
			}
		}
	}
	return events
}
