package agent

import (
	"time"

	"otafleet/firmware"
)

// SaveRetry is the first pause before a state is saved again that could not be.
const SaveRetry = time.Second

// save does not return before the state is durable, because nothing that comes
// after may happen without it. A full disk stops the device's upgrade, not the
// device: inputs wait, nothing is lost, and the platform hears of it.
func (r *Runner) save(state *State) {
	heard, session := "", 0
	for wait := SaveRetry; ; wait = min(2*wait, time.Minute) {
		err := r.ports.Store.Save(state)
		r.setTrouble(&r.unsaved, err)
		if err == nil || r.ctx.Err() != nil {
			r.kept = state.Run.running()
			if heard != "" {
				r.tell("")
			}
			return
		}
		text := "cannot save the state: " + err.Error()
		if heard != text { // once, and again when the reason changes
			r.ports.Logger.Error("cannot save the state; trying again", "error", err)
			r.record(Event{Kind: EventTrouble, Detail: text})
		}
		if now := r.session(); heard != text || session != now {
			r.tell(text)
			heard, session = text, now
		}
		if firmware.Pause(r.ctx, wait) != nil {
			return
		}
	}
}

// session numbers the connections, also those that the machine has not heard of.
func (r *Runner) session() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sessions
}

// tell says to the platform what keeps the device, or that it is over. The machine
// cannot: it waits. Of the plan in progress only what was saved is reported.
func (r *Runner) tell(trouble string) {
	r.machineMu.Lock()
	inv := r.machine.newInventory(trouble == "" && !r.machine.working())
	r.machineMu.Unlock()
	inv.Time, inv.Running, inv.Trouble = r.ports.Now(), r.kept, trouble
	r.ports.Link.Send(inv)
}

// setTrouble notes in one of the Runner's troubles what is wrong; nil for nothing.
func (r *Runner) setTrouble(which *string, err error) {
	r.machineMu.Lock()
	defer r.machineMu.Unlock()
	*which = ""
	if err != nil {
		*which = err.Error()
	}
}
