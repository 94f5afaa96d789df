package agent_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"otafleet/agent"
	"otafleet/firmware"
	"otafleet/internal/ota"
)

// bench is a device on a test bench: every part is played, and what happens to
// it is written down.
type bench struct {
	t      *testing.T
	runner *agent.Runner
	end    context.CancelFunc
	tasks  sync.WaitGroup
	config agent.Config

	// What the parts do; set before start. Nil does what works.
	fetch     func(ctx context.Context, job agent.FetchJob) agent.FetchResult
	inspect   func(ctx context.Context, component string) (string, error)
	install   func(ctx context.Context, step, component string) error
	health    func() error
	power     func() error
	unsaved   bool
	confirmer agent.Confirmer
	unreached func() string
	events    *events
	now       func() time.Time

	mu       sync.Mutex // guards the following
	save     func() error
	log      []string
	runs     map[string]string
	saved    *agent.State
	urlCache map[string]*ota.Package
	restart  firmware.Restart // that an activation asks for
}

// newBench gives a device with the components app and motor, which both run 1.
func newBench(t *testing.T) *bench {
	b := &bench{t: t, runs: map[string]string{"app": "1", "motor": "1"}, urlCache: map[string]*ota.Package{},
		restart: firmware.RestartNone}
	b.config = agent.Config{Agent: "ota-agent/test", Open: openText, Components: []agent.ComponentConfig{
		{ID: "app", Type: ota.Module}, {ID: "motor", Type: ota.Module},
	}}
	return b
}

// start boots the device in a bubble whose time is played too.
func (b *bench) start() {
	machine := agent.New(ota.Identity{Product: "gw-200", Device: "gw-0001"}, &b.config, b.saved)
	ports := agent.Ports{
		Link: b, Store: b, URLCache: b, Fetcher: b, Health: b, Power: b, Sensors: b, Confirmer: b.confirmer,
		Unreached: b.unreached, Now: b.now, Unsaved: b.unsaved,
		Installer: func(component string) firmware.Installer { return &benchInstaller{b, component} },
	}
	if b.events != nil {
		ports.Events = b.events
	}
	b.runner = agent.NewRunner(machine, ports)
	b.run("boot-1")
}

// run starts the runner.
func (b *bench) run(bootID string) {
	ctx, end := context.WithCancel(b.t.Context())
	b.end = end
	b.runner.Start(ctx, &b.tasks, bootID)
}

// stop ends the device and waits for its goroutines.
func (b *bench) stop() {
	b.cut()
	b.tasks.Wait()
}

// cut takes the device's power.
func (b *bench) cut() {
	b.end()
	b.runner.Stop()
}

// post gives inputs, each after the device has done what the one before asked.
func (b *bench) post(inputs ...agent.Input) {
	for _, in := range inputs {
		b.runner.Post(in)
		synctest.Wait()
	}
}

// plan is a plan for both components or for one of them.
func (b *bench) plan(components ...string) agent.Input {
	plan := &ota.Plan{Time: epoch, ID: "p1", Attempt: 1, Mode: ota.Silent, Ends: time.Now().Add(100 * 24 * time.Hour),
		OnFailure: ota.Stop}
	for _, id := range components {
		plan.Components = append(plan.Components, ota.PlanComponent{ID: id, Type: ota.Module, Package: ota.Full, Target: "2"})
	}
	return agent.Received{Message: plan}
}

func (b *bench) pkg(component string) agent.Input {
	return agent.Received{Message: &ota.Package{
		Time: epoch, Plan: "p1", Attempt: 1, Component: component, Envelope: ota.Envelope{Payload: []byte(component + ">2")},
		Files: []ota.FileAddress{{Name: "image", URLs: []string{"https://oss.example.com/" + component}}},
	}}
}

// saving says how a Save goes from now on; nil for well.
func (b *bench) saving(save func() error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.save = save
}

// note writes down what happens.
func (b *bench) note(what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.log = append(b.log, what)
}

// noted returns what has happened since the last call.
func (b *bench) noted() []string {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	log := b.log
	b.log = nil
	return log
}

// count is how often something has happened since the last call of noted.
func (b *bench) count(what string) int {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, w := range b.log {
		if w == what {
			n++
		}
	}
	return n
}

func (b *bench) has(what string) bool { return slices.Contains(b.noted(), what) }

// bench is every part of the device but the installers.

func (b *bench) Send(message ota.Up) { b.note(describeMessage(message)) }

func (b *bench) Save(state *agent.State) error {
	b.mu.Lock()
	save := b.save
	b.mu.Unlock()
	if save != nil {
		if err := save(); err != nil {
			b.note("save fails")
			return err
		}
	}
	b.note("save")
	b.mu.Lock()
	defer b.mu.Unlock()
	b.saved = state
	return nil
}

func (b *bench) KeepPackage(p *ota.Package) error {
	if b.install != nil {
		if err := b.install(context.Background(), "keep", p.Component); err != nil {
			return err
		}
	}
	b.note("keep:" + p.Component)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.urlCache[p.Component] = p
	return nil
}

func (b *bench) KeptPackage(component string) *ota.Package {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.urlCache[component]
}

func (b *bench) ForgetPackage(component string) {
	b.note("forget:" + component)
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.urlCache, component)
}

func (b *bench) Fetch(ctx context.Context, job agent.FetchJob) agent.FetchResult {
	b.note("fetch")
	job.Started()
	job.Progress(1, 2)
	if b.fetch != nil {
		return b.fetch(ctx, job)
	}
	return agent.FetchResult{}
}

func (b *bench) Check(context.Context) error {
	b.note("health")
	if b.health != nil {
		return b.health()
	}
	return nil
}

func (b *bench) Restart(_ context.Context, scope firmware.Restart) error {
	b.note("restart:" + string(scope))
	if b.power != nil {
		return b.power()
	}
	return nil
}

func (b *bench) Read(context.Context) agent.Readings {
	b.note("read")
	return agent.Readings{}
}

// benchInstaller is the installer of one component of a bench.
type benchInstaller struct {
	b         *bench
	component string
}

func (i *benchInstaller) call(ctx context.Context, step string) error {
	i.b.note(step + ":" + i.component)
	if i.b.install != nil {
		return i.b.install(ctx, step, i.component)
	}
	return nil
}

func (i *benchInstaller) Inspect(ctx context.Context) (firmware.Inspection, error) {
	if i.b.inspect != nil {
		version, err := i.b.inspect(ctx, i.component)
		return firmware.Inspection{Version: version}, err
	}
	i.b.mu.Lock()
	defer i.b.mu.Unlock()
	return firmware.Inspection{Version: i.b.runs[i.component]}, nil
}

func (i *benchInstaller) Open(ctx context.Context, job firmware.Job) ([]firmware.Target, error) {
	if err := i.call(ctx, "open"); err != nil {
		return nil, err
	}
	places := make([]firmware.Target, len(job.Files))
	for k := range places {
		places[k] = benchPlace{i}
	}
	return places, nil
}

func (i *benchInstaller) Stage(ctx context.Context, _ firmware.Job) error {
	return i.call(ctx, "stage")
}

func (i *benchInstaller) Activate(ctx context.Context, job firmware.Job) (firmware.Restart, error) {
	if err := i.call(ctx, "activate"); err != nil {
		return firmware.RestartNone, err
	}
	return i.becomes(job.Target), nil
}

func (i *benchInstaller) Commit(ctx context.Context, _ firmware.Job) error {
	return i.call(ctx, "confirm")
}

func (i *benchInstaller) Revert(ctx context.Context, job firmware.Job) (firmware.Restart, error) {
	if err := i.call(ctx, "revert"); err != nil {
		return firmware.RestartNone, err
	}
	return i.becomes(job.Source), nil
}

func (i *benchInstaller) becomes(version string) firmware.Restart {
	i.b.mu.Lock()
	defer i.b.mu.Unlock()
	i.b.runs[i.component] = version
	return i.b.restart
}

// benchPlace is an inactive place that nothing is written to.
type benchPlace struct{ i *benchInstaller }

func (p benchPlace) ReadAt([]byte, int64) (int, error)  { return 0, errors.New("nothing is here") }
func (p benchPlace) WriteAt([]byte, int64) (int, error) { return 0, errors.New("nothing fits") }
func (p benchPlace) Sync() error                        { return nil }
func (p benchPlace) Close() error                       { p.i.b.note("close:" + p.i.component); return nil }
