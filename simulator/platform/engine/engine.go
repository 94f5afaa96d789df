package engine

import (
	"fmt"
	"time"

	"otafleet/internal/ota"
)

// Engine is the state of the platform. It is not safe for concurrent use; the
// views read the same state and need the same owner or lock.
type Engine struct {
	products                   map[string]*product
	plans                      map[string]*plan
	created                    []*plan // in order of creation
	packages                   map[packageKey]*versionPackage
	catalog                    []*versionPackage // in the order in which they were added
	words                      words
	acks                       ackQueue
	devices, maxDevices        int // that are remembered, and may be
	turnedAway                 turnedAway
	wake                       time.Time // when a plan next pushes or ends; zero if none does
	arrivals                   [arrivals]int
	now                        time.Time // of the current call, of Handle or Command
	numbered, activated, added int       // plans and packages so far
	kept                       kept
	out                        []Output // what the current call returns; reused by the next one
	last                       *device  // that was heard of; nil before the first
	unused                     unused
	found                      []*plan // by offers; reused by the next call
	line                       []byte  // text of a log line; reused by the next one
}

// New returns a platform that knows no package, plan or device.
func New() *Engine {
	return &Engine{
		products: map[string]*product{},
		plans:    map[string]*plan{},
		packages: map[packageKey]*versionPackage{},
		words:    newWords(),

		maxDevices: MaxDevices,
	}
}

// Handle advances the platform by one message or tick and says what to do. The
// list is valid until the next call of Handle or Command. Time must not run
// backwards by more than a device would notice.
func (e *Engine) Handle(now time.Time, in Input) []Output {
	e.begin(now)
	switch in := in.(type) {
	case Message:
		e.message(in)
	case Tick:
		e.tick()
	}
	return e.out
}

// Command carries out an order, or says why it may not. The list is valid
// until the next call of Handle or Command.
func (e *Engine) Command(now time.Time, cmd Command) ([]Output, error) {
	e.begin(now)
	err := e.command(cmd)
	return e.out, err
}

// NextTick is when the engine wants the next Tick; zero if it waits for none.
func (e *Engine) NextTick() time.Time {
	due, waiting := e.acks.due()
	if waiting && (e.wake.IsZero() || due.Before(e.wake)) {
		return due
	}
	return e.wake
}

func (e *Engine) command(cmd Command) error {
	switch cmd := cmd.(type) {
	case AddPackage:
		return e.addPackage(cmd)
	case DeletePackage:
		return e.deletePackage(cmd.Package)
	case VerifyPackage:
		return e.verifyPackage(cmd)
	case CreatePlan:
		return e.createPlan(&cmd.Plan)
	case EditPlan:
		return e.editPlan(&cmd.Plan)
	case Activate:
		return e.activate(cmd.Plan)
	case Suspend:
		return e.suspend(cmd.Plan)
	case Resume:
		return e.resume(cmd.Plan)
	case Terminate:
		return e.terminate(cmd.Plan)
	case Abandon:
		return e.abandon(cmd)
	case DeletePlan, Retire:
		return e.forgetPlan(cmd)
	case RetryDevices:
		return e.retryDevices(cmd)
	case UserAnswer:
		return e.userAnswer(cmd)
	case AutoConfirm:
		return e.autoConfirm(cmd)
	}
	return fmt.Errorf("cannot carry out %T: it is no command of this platform", cmd)
}

// message passes one message on to its rule. Whatever a device says proves that
// it is online, but for its will.
func (e *Engine) message(in Message) {
	d := e.device(in.Device)
	if d == nil {
		e.turnAway(in)
		return
	}
	_, gone := in.Message.(*ota.Offline)
	back := !d.online
	d.online = !gone
	e.meet(d, in.Message)
	if _, passing := in.Message.(*ota.Progress); !gone && !passing {
		e.keepDevice(d)
	}
	switch m := in.Message.(type) {
	case *ota.Inventory:
		e.inventory(d, m, back)
	case *ota.Decision:
		e.decision(d, m)
	case *ota.Report:
		e.report(d, m)
	case *ota.Progress:
		e.progress(d, m)
	case *ota.AddressRequest:
		e.addressRequest(d, m)
	}
}

func (e *Engine) tick() {
	e.flushAcks()
	if !e.wake.IsZero() && !e.now.Before(e.wake) {
		e.runPlans()
	}
}

// begin empties the list of outputs, and lets go of one that a push to a whole
// fleet has made large.
func (e *Engine) begin(now time.Time) {
	const usual = 1 << 12
	e.now = now
	clear(e.out)
	e.out = e.out[:0]
	if cap(e.out) > usual {
		e.out = nil
	}
}

func (e *Engine) emit(out Output) { e.out = append(e.out, out) }

func (e *Engine) send(d *device, m ota.Down) { e.emit(Send{Device: d.identity(), Message: m}) }
