package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

// Ports is the real parts of a device. Every field is needed but those that
// say otherwise.
type Ports struct {
	Link     Link
	Store    Store
	URLCache URLCache
	Marks    Marks // nil keeps nothing: a file without chunks begins anew after a restart
	Fetcher  Fetcher
	// Installer finds the installer of a component; nil if it has none.
	Installer func(component string) firmware.Installer
	Health    Health
	Power     Power
	Sensors   Sensors
	// RolledBack says why the version of a component on trial was rolled back before
	// this start; empty if none was.
	RolledBack string
	Confirmer  Confirmer // answers plans when the machine asks first; nil leaves it to Post(Decided)
	Events     Recorder  // keeps what happened, for technicians; nil keeps nothing
	// Unsaved says that the store took nothing when it was opened: the state is saved
	// before anything is done.
	Unsaved bool
	// Unreached says why there is no connection, or what is of no use of what comes over
	// it; empty for nothing. Nil if that is unknown.
	Unreached func() string
	// Now is the wall clock; nil means time.Now.
	Now func() time.Time
	// Logger takes what the device does; nil discards it.
	Logger *slog.Logger
}

// Runner executes the outputs of a Machine on the ports of one device. Its
// methods may be called from any goroutine.
//
// It needs no goroutine while nothing happens, but for a silent component: an
// input that is posted to an idle Runner starts one, which ends when the inputs
// are used up. That is what lets one process hold a hundred thousand of them.
type Runner struct {
	ports     Ports
	ctx       context.Context
	tasks     *sync.WaitGroup
	connected atomic.Bool // to the platform, as the machine was last told
	silent    silences

	mu       sync.Mutex // guards the following
	queue    queue
	probe    chan struct{} // closed when the probe in the queue is answered; nil without one
	sessions int           // connections so far
	draining bool          // a goroutine works on the queue; true from the start until Booted is in it
	effects  []effect      // that wait for the one that runs
	working  bool          // a goroutine works on them
	timer    *time.Timer

	machineMu sync.Mutex // guards the following; held only while the machine thinks
	machine   *Machine
	// Why the state is not saved, and the device not restarted; empty if all is well.
	unsaved, unrestarted string
	delay                delay // of what goes on

	// Owned by the draining goroutine.
	cancelOp context.CancelFunc // stops the effect that was started last
	question question           // what the confirm command is being asked
	steps    stepLog
	kept     *ota.Running // the plan in progress, as it was saved
}

// NewRunner returns the runner of a machine that has handled nothing yet.
func NewRunner(machine *Machine, ports Ports) *Runner {
	if ports.Now == nil {
		ports.Now = time.Now
	}
	if ports.Logger == nil {
		ports.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Runner{ports: ports, machine: machine, draining: true,
		kept: machine.state.Run.running()}
	r.steps = newStepLog(ports.Logger, machine.state.Run)
	if ports.Events != nil {
		r.steps.keep = r.recordReport
	}
	return r
}

// Run starts the device and serves it until ctx ends. It returns when every
// effect has stopped. bootID changes with every restart of the system.
func (r *Runner) Run(ctx context.Context, bootID string) error {
	var tasks sync.WaitGroup
	r.Start(ctx, &tasks, bootID)
	<-ctx.Done()
	r.Stop()
	tasks.Wait()
	return nil
}

// Start inspects the components and hands the machine its first input; what is
// posted before that waits. All goroutines belong to tasks. To end them, end ctx, call
// Stop and wait for tasks. Post may be called only after Start.
func (r *Runner) Start(ctx context.Context, tasks *sync.WaitGroup, bootID string) {
	r.ctx, r.tasks = ctx, tasks
	r.tasks.Go(func() {
		found := r.inspectAll()
		readings := r.ports.Sensors.Read(r.ctx)
		r.mu.Lock()
		r.queue = append(queue{Booted{BootID: bootID, Components: found, Readings: readings}}, r.queue...)
		r.mu.Unlock()
		r.drain()
	})
}

// Stop is for a device whose context has ended, which ends it as a power cut does: no
// further output is executed and the running effect is cancelled. Nothing that is posted
// after Stop starts a goroutine, so that the tasks can be waited for.
func (r *Runner) Stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.timer != nil {
		r.timer.Stop()
	}
}

// Post queues an input for the machine and returns at once. What supersedes an input
// that waits takes its place.
func (r *Runner) Post(in Input) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.post(in)
}

// post is Post for who holds the lock.
func (r *Runner) post(in Input) {
	if r.enqueue(in) {
		r.tasks.Go(r.drain)
	}
}

// enqueue queues an input and reports whether no goroutine works on the queue: then the caller
// has to. It holds the lock.
func (r *Runner) enqueue(in Input) (drain bool) {
	if r.ctx.Err() != nil {
		return false
	}
	if kindOf(in) == isConnected {
		r.sessions++
	}
	if !r.queue.add(in) {
		r.ports.Logger.Warn("too many orders of the operator wait; one is dropped", "order", fmt.Sprintf("%T", in))
		return false
	}
	drain = !r.draining
	r.draining = true
	return drain
}

// After calls back when every input that was posted before has been handled, and
// what it decided is durable; never if the device ends before.
func (r *Runner) After(then func()) { r.Post(marker{then}) }

// marker is a place in the queue.
type marker struct{ passed func() }

func (marker) input() {}

// drain handles inputs until none is left.
func (r *Runner) drain() {
	for {
		in, ok := r.next()
		if !ok {
			return
		}
		switch in := in.(type) {
		case probe:
			r.answer()
			continue
		case marker:
			in.passed()
			continue
		}
		r.handle(in)
	}
}

func (r *Runner) next() (Input, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx.Err() != nil || len(r.queue) == 0 {
		r.queue, r.draining = nil, false
		return nil, false
	}
	in := r.queue[0]
	r.queue = r.queue[1:]
	return in, true
}

func (r *Runner) handle(in Input) {
	r.recordInput(in)
	switch in.(type) {
	case Connected:
		r.connected.Store(true)
	case Disconnected:
		r.connected.Store(false)
	}
	r.machineMu.Lock()
	if _, start := in.(Booted); start {
		r.machine.dirty = r.ports.Unsaved
	}
	outputs := r.machine.Handle(r.ports.Now(), in)
	defer clear(outputs) // an idle device holds no memory for what it has done
	open := r.machine.asks(r.question.plan)
	r.machineMu.Unlock()
	if !open {
		r.question.end()
	}
	for _, out := range outputs {
		if r.ctx.Err() != nil {
			return
		}
		r.execute(out)
	}
}

func (r *Runner) execute(out Output) {
	switch out := out.(type) {
	case Save:
		r.save(out.State)
		r.steps.reports(out.State)
	case Send:
		if d, is := out.Message.(*ota.Decision); is && r.steps.decision(d) {
			r.recordDecision(d)
		}
		r.ports.Link.Send(out.Message)
	case Note:
		r.steps.report(&out.Report)
	case SetTimer:
		r.setTimer(out.At)
	case Ask:
		r.ask(out.Plan)
	case Measure:
		r.measure(out.Plan)
	case Cancel:
		r.cancelOp()
	case Forget:
		r.ports.URLCache.ForgetPackage(out.Component)
	case Broken:
		r.ports.Logger.Error("the agent has made a mistake, and ended what it was about; please report it", "error", out.Err)
		r.record(Event{Kind: EventTrouble, Detail: out.Err.Error()})
	case Restart:
		r.restart(out)
	default:
		r.startEffect(out)
	}
}

// measure reads the sensors for a plan. The readings go before all that waits.
func (r *Runner) measure(plan *ota.Plan) {
	r.silent.named(plan)
	readings := r.ports.Sensors.Read(r.ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue = append(queue{Measured{readings}}, r.queue...)
}

// delayed notes why what goes on is tried again after a pause; an empty text says
// that it goes on.
func (r *Runner) delayed(why string, pause time.Duration) {
	r.machineMu.Lock()
	defer r.machineMu.Unlock()
	r.delay = delay{why: why, again: r.ports.Now().Add(pause)}
}

func (r *Runner) setTimer(at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
	if !at.IsZero() && r.ctx.Err() == nil {
		wait := min(max(0, at.Sub(r.ports.Now())), lookAgain)
		r.timer = time.AfterFunc(wait, func() { r.Post(Tick{}) })
	}
}

// lookAgain is the longest time until the clock is looked at again: it may be set,
// and goes on while the device sleeps, of which a timer knows nothing.
const lookAgain = time.Minute

// ask puts a plan to the confirm command, if there is one.
func (r *Runner) ask(plan *ota.Plan) {
	worth := r.steps.worth(r.ports.Now())
	if worth {
		r.record(Event{Kind: EventAsked, Plan: plan.ID, Attempt: plan.Attempt})
	}
	if r.ports.Confirmer == nil && worth {
		r.ports.Logger.Info("plan waits for the operator: ota-agent confirm, or ota-agent refuse",
			"device", r.machine.id.Device, "plan", plan.ID)
	}
	q := &r.question
	if r.ports.Confirmer == nil || q.plan != nil && q.ctx.Err() == nil {
		return // it is being asked: a connection that comes back asks nothing new
	}
	ctx, end := context.WithCancel(r.ctx)
	r.question = question{plan, ctx, end}
	r.tasks.Go(func() {
		defer end()
		accept, detail, err := r.putQuestion(ctx, plan)
		if ctx.Err() != nil {
			return // the question is not open any more
		}
		if err != nil {
			r.ports.Logger.Warn("cannot ask for confirmation; the plan waits for the operator", "plan", plan.ID, "error", err)
			return
		}
		r.Post(Decided{Accept: accept, Detail: detail, Plan: plan.ID, Attempt: plan.Attempt, Targets: plan.Targets()})
	})
}

// confirmAgain is the pause before a confirm command is asked again that wants it.
const confirmAgain = time.Minute

// putQuestion asks the confirm command until it has an answer.
func (r *Runner) putQuestion(ctx context.Context, plan *ota.Plan) (accept bool, detail string, err error) {
	defer r.delayed("", 0)
	for {
		accept, detail, err = r.ports.Confirmer.Confirm(ctx, plan)
		if !errors.Is(err, firmware.ErrRetry) {
			return accept, detail, err
		}
		r.ports.Logger.Info("the confirm command wants to be asked again", "plan", plan.ID, "wait", confirmAgain)
		r.delayed("the confirm command wants another try ("+err.Error()+")", confirmAgain)
		if err := firmware.Pause(ctx, confirmAgain); err != nil {
			return false, "", err
		}
	}
}

// question is a plan that the confirm command is asked about. There is one at a
// time, and it ends with what it is about.
type question struct {
	plan   *ota.Plan       // nil for none
	ctx    context.Context // ends with the question, or with its answer
	cancel context.CancelFunc
}

func (q *question) end() {
	if q.plan != nil {
		q.cancel()
		*q = question{}
	}
}

// KnownTime is the clock's time, or a later one that is known to have passed.
func (r *Runner) KnownTime() time.Time {
	r.machineMu.Lock()
	defer r.machineMu.Unlock()
	return r.machine.KnownTime(r.ports.Now())
}

// View is what the device is doing, for people.
func (r *Runner) View() View {
	r.machineMu.Lock()
	defer r.machineMu.Unlock()
	v := r.machine.View()
	if r.ports.Unreached != nil {
		why := &v.Unreached
		if v.Connected {
			why = &v.Unusable
		}
		*why = r.ports.Unreached()
	}
	for i := range v.Components {
		if q := r.silent.find(v.Components[i].ID); q != nil {
			v.Components[i].Silent = q.why
		}
	}
	v.Explained = v.Explained.delayed(r.delay).unreached(cmp.Or(v.Unreached, v.Unusable))
	v.Explained = v.Explained.troubled(r.unsaved, r.unrestarted)
	v.Waiting = v.Explained.Sentence
	v.Trouble = cmp.Or(r.unsaved, r.unrestarted)
	return v
}

// Rehearse says what would become of a package if it were installed now. The
// machine goes on while the package is verified.
func (r *Runner) Rehearse(in Install) Rehearsal {
	readings := r.ports.Sensors.Read(r.ctx)
	opened := r.machine.Open(in)
	r.machineMu.Lock()
	defer r.machineMu.Unlock()
	return r.machine.Rehearse(in, opened, readings)
}
