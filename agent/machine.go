package agent

import (
	"slices"
	"time"

	"otafleet/firmware"
	"otafleet/internal/ota"
	"otafleet/reporter"
)

// Config is what a Machine knows of its device. Machines of one fleet may share
// it; it is never changed.
type Config struct {
	Agent      string // name and version of the program
	Hardware   string // revision that manifests may ask for; empty if unknown
	Via        string // the gateway that speaks for the device, if one does
	Components []ComponentConfig
	// Open verifies an envelope and returns the manifest in it. It must always
	// give the same answer to the same envelope. It may be called from any
	// goroutine.
	Open func(ota.Envelope) (*ota.Manifest, error)
	// Platform says which packages the device takes on its platform's word, beside
	// signed ones; nil for none. A component with keys of its own takes none.
	Platform *PlatformTrust
	// Built is when the program was made: the time is not before it. Zero if
	// unknown.
	Built time.Time
	// AskFirst leaves the answer to a plan to the operator (Decided).
	AskFirst bool
	// ContactTimeout is how long a healthy new version may stay without
	// contact to the platform before it is rolled back; 0 means 30 min.
	ContactTimeout time.Duration
	// Soak is how long a new version runs, healthy and in contact, before it is made
	// permanent; a restart begins the time anew, and the checks are made once more at
	// its end. RestartSoak is the same of a version that needed a restart. 0 for none.
	Soak, RestartSoak time.Duration
	// GiveWay is how long an accepted plan that has switched nothing keeps another
	// one away; 0 means 2 h.
	GiveWay time.Duration
	// Conditions hold for every plan, whatever less it asks for itself.
	Conditions ota.Conditions
	// Windows are when the device may be changed; none means at any time.
	Windows []Window
	// Watch is how often Measured comes, for what is said to people; 0 if it is
	// not known.
	Watch time.Duration
	// MaxRestarts is how many unasked restarts within one upgrade to one image
	// are borne before it is given up (code interrupted); 0 means 10.
	MaxRestarts int
}

// ComponentConfig is one component of the device.
type ComponentConfig struct {
	ID   string
	Type ota.ComponentType
	// Irreversible says that the component cannot roll back once it has been
	// upgraded. A plan that could ask for that is refused.
	Irreversible bool
	// Release is the release counter of the version that the device was made
	// with, below which no package is taken; 0 for none.
	Release int64
	// Open verifies the packages of this component in the place of Config.Open; nil
	// for that.
	Open func(ota.Envelope) (*ota.Manifest, error)
}

// Machine is the upgrade state machine of one device. It does no input or
// output, starts no goroutine and reads no clock: Handle turns what happened
// into what to do. It is not safe for concurrent use.
type Machine struct {
	id     ota.Identity
	config *Config

	state  State // all but Reports, which outbox holds
	outbox reporter.Outbox

	// What a restart forgets.
	now       time.Time
	booted    bool
	bootID    string
	heard     time.Time // the newest time in a message of the platform
	connected bool
	readings  Readings
	asking    bool     // the current plan waits for the operator
	refusal   *refusal // why the current plan was refused
	work      []work   // one for each part of the run
	op        Op       // the last effect's number
	running   Op       // the effect in progress; 0 if none
	kind      effectKind
	pace      reporter.Pace
	address   search            // asking for a package address again
	request   backoff           // asking for a plan again, while no answer comes
	unasked   ota.AddressReason // a question for an address that had no connection to go out on
	resend    backoff           // sending unacknowledged reports again
	changes   allowance         // of the saved state, by the platform
	contact   time.Time         // when a healthy version without contact is rolled back
	soaks     time.Time         // when a healthy version in contact has run long enough
	progress  FetchProgressed
	timer     time.Time // of the last SetTimer
	measured  time.Time // of the last readings
	// A plan that waits for new readings; nil if none does. It is on no disk: the
	// platform's is not acknowledged yet.
	unmeasured Input
	took       time.Time // when the current plan was taken up, on a clock that is never set
	waits      wait      // what the device does, for people

	// What one Handle gathers.
	dirty    bool // the state must be saved
	announce bool // the platform must hear what runs now
	sends    []Output
	effects  []Output

	out       []Output // of the last Handle
	reclaimed *State   // its memory is for the next snapshot; nil for none
}

// work is what the device holds in memory of a part's package.
type work struct {
	pkg      *ota.Package  // addresses; nil while waiting for them
	manifest *ota.Manifest // verified; nil until then
	deltas   int           // how often a delta was of no use since the start
	setbacks Setbacks      // of the download
	healthy  bool          // the new version has passed its checks since the start
	soaked   bool          // and has run for its time
	reverts  backoff       // trying to roll back again, after that has failed
	failed   int           // times that the rollback has failed since the start
}

// New returns the machine of a device with the state that it last saved; nil
// for a device that never saved one. Its first input must be Booted.
func New(id ota.Identity, config *Config, saved *State) *Machine {
	return new(Machine).Renew(id, config, saved)
}

// Renew makes of a machine that is not used any more that of a device, as New does, in
// the memory that it has.
func (m *Machine) Renew(id ota.Identity, config *Config, saved *State) *Machine {
	sends, effects, out := m.sends[:0], m.effects[:0], m.out[:0]
	*m = Machine{}
	m.id, m.config, m.sends, m.effects, m.out = id, config, sends, effects, out
	if saved != nil {
		m.state = *saved.snapshot(nil)
		m.outbox = reporter.Restore(saved.Reports)
		m.state.Reports = nil
	}
	m.matchComponents()
	if run := m.state.Run; run != nil {
		m.work = make([]work, len(run.Parts))
	}
	return m
}

// matchComponents gives the state one Component for each configured one, and
// keeps what was known of it. Of one that is not configured any more the release
// is kept: coming back, it must not run an older one.
func (m *Machine) matchComponents() {
	known := State{Components: slices.Concat(m.state.Gone, m.state.Components)}
	m.state.Components, m.state.Gone = make([]Component, len(m.config.Components)), nil
	for i, c := range m.config.Components {
		m.state.Components[i].ID = c.ID
		if k := known.component(c.ID); k >= 0 {
			m.state.Components[i] = known.Components[k]
		}
		if k := &m.state.Components[i]; k.Release < c.Release {
			k.Release, k.Content = c.Release, ota.Digest{}
		}
	}
	for _, c := range known.Components {
		if c.Release > 0 && m.state.component(c.ID) < 0 {
			m.state.Gone = append(m.state.Gone, Component{ID: c.ID, Release: c.Release, Content: c.Content})
		}
	}
	m.state.Gone = m.state.Gone[max(0, len(m.state.Gone)-MaxGone):]
}

// Handle advances the device by one input and says what to do. Outputs are
// executed in order; a Save must be durable before the next one starts. The list
// is valid until the next call.
func (m *Machine) Handle(now time.Time, in Input) []Output {
	m.now = now
	if _, start := in.(Booted); start == m.booted {
		return nil // nothing can be decided before the start is known, and there is one
	}
	m.apply(in)
	m.advance()
	m.flush()
	if m.announce {
		m.announce = false
		m.inventory(!m.working())
	}
	m.schedule()
	m.notice()
	return m.outputs()
}

// outputs hands over what this Handle gathered: the Save first, then messages,
// then effects.
func (m *Machine) outputs() []Output {
	clear(m.out)
	m.out = m.out[:0]
	if m.dirty {
		m.dirty = false
		if run := m.state.Run; run == nil || !run.switching() {
			m.state.Older = 0 // from this save on the disk has this program's form
		}
		saved := m.state.snapshot(m.reclaimed)
		m.reclaimed = nil
		saved.Reports = m.outbox.Queue()
		m.out = append(m.out, Save{saved})
	}
	m.out = append(append(m.out, m.sends...), m.effects...)
	clear(m.sends)
	clear(m.effects)
	m.sends, m.effects = m.sends[:0], m.effects[:0]
	return m.out
}

// Reclaim gets the state of an earlier Save, which nothing reads any more: its
// memory is used for one to come.
func (m *Machine) Reclaim(s *State) { m.reclaimed = s }

// take takes an input that waits for nothing.
func (m *Machine) take(in Input) {
	switch in := in.(type) {
	case Booted:
		m.boot(in)
	case Inspected:
		m.inspected(in)
	case Connected:
		m.connect()
	case Disconnected:
		m.connected = false
	case Received:
		m.receive(in.Message)
	case BadPlan:
		m.badPlan(in)
	case BadPackage:
		m.badPackage(in)
	case CheckRequested, Decided, Abandon, PauseRequested, ResumeRequested, Install:
		m.operated(in)
	case Tick:
		m.tick()
	default:
		m.worked(in)
	}
}

// worked takes what the running effect says: how far it is, or its end.
func (m *Machine) worked(in Input) {
	switch in := in.(type) {
	case FetchStarted:
		if m.current(in.Op, fetching) {
			m.fetchStarted()
		}
	case FetchProgressed:
		if m.current(in.Op, fetching) {
			m.fetchProgressed(in)
		}
	default:
		m.effectEnded(in)
	}
}

// operated takes an input of the operator.
func (m *Machine) operated(in Input) {
	switch in := in.(type) {
	case CheckRequested:
		m.inventory(!m.working())
	case Decided:
		m.decided(in)
	case Abandon:
		m.abandon(in)
	case PauseRequested:
		m.pause(in)
	case ResumeRequested:
		m.resume()
	case Install:
		m.install(in)
	}
}

func (m *Machine) receive(message ota.Down) {
	switch message := message.(type) {
	case *ota.Plan:
		m.request = backoff{}
		m.planArrived(message)
		m.hear(message.ID, message.Time)
	case *ota.Package:
		m.hear(message.Plan, message.Time)
		m.packageArrived(message)
	case *ota.Ack:
		m.acked(message)
	case *ota.Termination:
		m.terminated(message)
	case *ota.NoPlan:
		// The device asks again at its next connection, and the platform pushes
		// a plan that comes up in between.
		m.request = backoff{}
	}
}

func (m *Machine) contactTimeout() time.Duration {
	if m.config.ContactTimeout > 0 {
		return m.config.ContactTimeout
	}
	return 30 * time.Minute
}

func (m *Machine) maxRestarts() int {
	if m.config.MaxRestarts > 0 {
		return m.config.MaxRestarts
	}
	return 10
}

func (m *Machine) effect(out Output) { m.effects = append(m.effects, out) }

func (m *Machine) send(message ota.Up) {
	if m.connected {
		m.sends = append(m.sends, Send{message})
	}
}

// job is what an installer receives of a part.
func (t task) job() firmware.Job {
	job := firmware.Job{Component: t.wants.ID, Source: t.From, Target: t.wants.Target}
	if t.manifest != nil {
		job.Files = t.manifest.Files
	}
	return job
}

// version is what a component runs, as last known; empty if it never answered
// or the device does not have it.
func (m *Machine) version(component string) string {
	if i := m.state.component(component); i >= 0 {
		return m.state.Components[i].Version
	}
	return ""
}
