package agent

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"otafleet/internal/ota"
	"otafleet/internal/shell"
)

// situation is what the device does or waits for.
type situation uint8

const (
	nothing situation = iota // the zero hold: nothing waits
	starting
	unconnected   // no plan, and no platform
	idle          // no plan
	inPause       // the operator wants nothing new
	asked         // the current plan waits for the operator
	refusedNow    // the current plan was refused, and is looked at again
	declined      // the operator has refused it
	unanswered    // the current plan was not answered before a restart
	refusedBefore // the current plan was refused before a restart
	soaking
	waitsForContact
	waitsForQuiet
	waitsForWindow
	waitsForAddress
	waitsForLink // for an address, without a connection
	waitsToRollBack
	inStep // within the upgrade proper
	staged
	downloading
	failed
	ended
)

// wait is a situation, with what tells two of them apart and since when it lasts.
type wait struct {
	situation situation
	part      int // of the current plan, where it is about one
	since     time.Time
}

// Explanation says what a device does or waits for, and what ends that.
type Explanation struct {
	State    string // one word for programs, of a fixed list: States
	Sentence string
	Since    time.Time // zero if that is not known
	Again    time.Time // when the device looks again by itself; zero if it waits for something to happen
	Deadline time.Time // when the wait is given up; zero if it never is
	Remedy   string    // what ends the wait, or what the operator can do; empty if nothing need be done
	Checks   []Check
}

// Check is one thing on which it depends whether a plan may begin.
type Check struct {
	Name  string // pause, busy, window, battery, signal, space or connection
	Holds bool
	Have  string // what is measured; empty if the device does not measure it
	Need  string // what the plan, or the device, asks for; empty for nothing
}

// situationTable has a line for each situation: its word for programs and what
// the operator can do.
var situationTable = [...]struct{ word, remedy string }{
	nothing:         {"idle", ""},
	starting:        {"starting", ""},
	unconnected:     {"unconnected", "the agent tries again by itself, after pauses that grow"},
	idle:            {"idle", ""},
	inPause:         {"paused", "ota-agent resume"},
	asked:           {"asking", ""}, // with what is accepted: answering
	refusedNow:      {"refused", "the plan is looked at again when the reason has gone, or when it comes again"},
	declined:        {"declined", "ota-agent check asks for the plan again"},
	unanswered:      {"unanswered", "ota-agent check asks for the plan again"},
	refusedBefore:   {"unanswered", "ota-agent check asks for the plan again"},
	soaking:         {"soaking", "the new version is made permanent when it has run for its time"},
	waitsForContact: {"contact", "the new version rolls back if the platform is not reached in time"},
	waitsForQuiet:   {"busy", "the switch begins when the busy file is gone"},
	waitsForWindow:  {"window", "the switch begins when the window opens"},
	waitsForAddress: {"address", "the platform sends the address of the package; the agent asks for it again"},
	waitsForLink:    {"address", "the agent tries to connect by itself, after pauses that grow"},
	waitsToRollBack: {"working", "the rollback has failed and is tried again"},
	inStep:          {"working", ""},
	staged:          {"working", ""},
	downloading:     {"working", ""},
	failed:          {"failed", "the platform may retry the plan or send another one"},
	ended:           {"idle", ""},
}

// States lists the words of Explanation.State.
func States() []string {
	var words []string
	seen := map[string]bool{}
	for _, s := range situationTable {
		if !seen[s.word] {
			seen[s.word] = true
			words = append(words, s.word)
		}
	}
	return words
}

// notice notes since when the situation is what it is.
func (m *Machine) notice() {
	s, part := m.situation()
	if s != m.waits.situation || part != m.waits.part || m.waits.since.IsZero() {
		m.waits = wait{s, part, m.now}
	}
}

// situation says what the device does or waits for, and which part of the current
// plan that is about.
func (m *Machine) situation() (situation, int) {
	t, working := m.active()
	switch run := m.state.Run; {
	case !m.booted:
		return starting, 0
	case working:
		return m.doing(t), t.i
	case m.state.Paused != nil:
		return inPause, 0
	case run == nil && !m.connected:
		return unconnected, 0
	case run == nil:
		return idle, 0
	}
	return m.answered(), 0
}

// answered is the situation of a current plan that is not in progress.
func (m *Machine) answered() situation {
	run := m.state.Run
	switch {
	case m.asking:
		return asked
	case run.Answer == Unanswered:
		return unanswered
	case run.Answer == Refused && m.refusal == nil:
		return refusedBefore
	case run.Answer == Refused && m.refusal.reason == ota.ReasonDeclined:
		return declined
	case run.Answer == Refused:
		return refusedNow
	case run.Answer == Accepted && run.failed():
		return failed
	}
	return ended
}

// doing is the situation of a plan in progress, at one of its parts.
func (m *Machine) doing(t task) situation {
	switch {
	case t.Step == StepTrial && t.healthy:
		return m.proving()
	case t.Step == StepRevert && m.running == 0 && t.failed > 0:
		return waitsToRollBack
	case t.Step != StepNone:
		return inStep
	case t.pkg == nil && !m.connected:
		return waitsForLink
	case t.pkg == nil:
		return waitsForAddress
	case m.running == 0 && m.held(t).why != nothing:
		return m.held(t).why
	case t.Status == ota.DownloadSucceeded:
		return staged
	}
	return downloading
}

// proving is the situation of a healthy version on trial.
func (m *Machine) proving() situation {
	switch {
	case !m.connected && !m.local():
		return waitsForContact
	case !m.soaks.IsZero():
		return soaking
	}
	return inStep
}

// stepSentences say what the steps of an upgrade do.
var stepSentences = [...]string{
	StepActivate: "is being activated",
	StepRestart:  "needs a restart, which is under way",
	StepTrial:    "runs on trial: its health is being checked",
	StepConfirm:  "is being made permanent",
	StepRevert:   "is being rolled back to its previous version",
	StepReturn:   "needs a restart into its previous version, which is under way",
}

// sentence says in one sentence what the device does or waits for.
func (m *Machine) sentence() string {
	s, i := m.situation()
	run := m.state.Run
	switch s {
	case starting:
		return "starting: the components are being inspected"
	case unconnected:
		return "waiting for a connection to the platform"
	case idle:
		return "idle: no plan yet"
	case inPause:
		return m.pauseSentence()
	case asked:
		return "plan " + run.Plan.ID + " waits for your answer: ota-agent confirm, or ota-agent refuse"
	case declined:
		return fmt.Sprintf("plan %s is refused (%s: %s); you are asked when it comes again", run.Plan.ID, m.refusal.reason,
			m.refusal.detail)
	case refusedNow:
		return fmt.Sprintf("plan %s is refused (%s: %s); it is looked at again when that changes or the plan comes again",
			run.Plan.ID, m.refusal.reason, m.refusal.detail)
	case unanswered:
		return "plan " + run.Plan.ID + " is not answered: it waits until the platform sends it again"
	case refusedBefore:
		return "plan " + run.Plan.ID + " is refused: it waits until the platform sends it again"
	case failed:
		if m.local() {
			return "idle: the local package has failed on this device"
		}
		return "idle: plan " + run.Plan.ID + " has failed on this device; it may be retried, or another one may come"
	case ended:
		return "idle: plan " + run.Plan.ID + " is at its end on this device"
	}
	t := m.task(i)
	return "component " + t.wants.ID + " " + m.partSentence(s, t)
}

// partSentence goes on behind the name of a component.
func (m *Machine) partSentence(s situation, t task) string {
	switch s {
	case waitsForContact:
		return "is healthy and waits for contact to the platform"
	case soaking:
		return "is healthy, and runs on trial for a while"
	case waitsToRollBack:
		return "cannot roll back to its previous version, and tries again"
	case inStep:
		return stepSentences[t.Step]
	case waitsForLink:
		return "waits for a package address; the device is not connected"
	case waitsForAddress:
		if t.Full {
			return "waits for the full package, since the delta does not fit what runs, and asks again at " +
				m.address.at.UTC().Format("15:04:05Z")
		}
		return "waits for a package address, and asks again at " + m.address.at.UTC().Format("15:04:05Z")
	case waitsForQuiet:
		return "is downloaded, and is switched when the device is not busy"
	case waitsForWindow:
		opens, _ := m.closed()
		if opens.IsZero() {
			return "is downloaded, and is not switched: " + neverOpens
		}
		return "is downloaded, and is switched in the next maintenance window, at " + opens.Format("2006-01-02 15:04 MST")
	case staged:
		return "is being staged"
	}
	return "is being downloaded"
}

func (m *Machine) pauseSentence() string {
	sentence := "paused by the operator"
	if reason := m.state.Paused.Reason; reason != "" {
		sentence += " (" + reason + ")"
	}
	if m.working() {
		return sentence + ": plan " + m.state.Run.Plan.ID + " goes on after ota-agent resume"
	}
	return sentence + ": nothing new begins before ota-agent resume"
}

// explain says what the device waits for, since when, and when it looks again.
func (m *Machine) explain() Explanation {
	s, i := m.situation()
	e := Explanation{State: situationTable[s].word, Sentence: m.named(m.sentence()), Since: m.waits.since,
		Remedy: m.named(situationTable[s].remedy), Checks: m.checks()}
	switch s {
	case inPause:
		e.Since = m.state.Paused.Since
	case asked:
		e.Deadline, e.Remedy = m.state.Run.Plan.Ends, m.named(m.state.Run.answering())
	case refusedNow:
		e.Again = m.looksAgain()
	case waitsForContact:
		e.Deadline = m.contact
	case soaking:
		e.Again = m.soaks
	case waitsToRollBack:
		e.Again = m.task(i).reverts.at
	case waitsForAddress:
		e.Again, e.Deadline = m.address.at, m.address.since.Add(refreshGiveUp)
	case waitsForWindow:
		e.Again, _ = m.closed()
	case waitsForQuiet:
		e.Again = m.watchedAgain()
	case idle, ended, failed:
		e.Again = m.request.at
	}
	if at := m.partSince(s, i); !at.IsZero() {
		e.Since = at
	}
	return e
}

// troubled names what keeps the device from what it would do: the state cannot be
// saved, or the restart does not come.
func (e Explanation) troubled(unsaved, unrestarted string) Explanation {
	switch {
	case unsaved != "":
		e.Sentence = "nothing goes on before the state can be saved, which is tried at least once a minute: " + unsaved
		e.Remedy = "make the state directory writable, or make room in it"
		e.Again, e.Deadline = time.Time{}, time.Time{}
	case unrestarted != "":
		e.Sentence += "; " + unrestarted
		e.Remedy = "restart the system by hand; the upgrade is given up after " + restartGiveUp.String()
	}
	return e
}

// delay is why what goes on takes longer than it should: something failed, and is
// tried again.
type delay struct {
	why   string // empty for nothing
	again time.Time
}

// delayed adds what is tried again.
func (e Explanation) delayed(d delay) Explanation {
	if d.why != "" {
		e.Sentence += "; " + d.why
		e.Again = d.again
	}
	return e
}

// unreached adds why there is no connection, or what is of no use of what comes over it.
func (e Explanation) unreached(why string) Explanation {
	for i := range e.Checks {
		if c := &e.Checks[i]; c.Name == "connection" && why != "" {
			c.Have += ": " + why
		}
	}
	return e
}

// named makes what a text says to type be about the device, where that is not the
// agent's own.
func (m *Machine) named(text string) string {
	if m.config.Via == "" {
		return text
	}
	for _, verb := range []string{"confirm", "refuse", "check", "resume"} {
		command := "ota-agent " + verb
		text = strings.ReplaceAll(text, command, command+" --device "+m.id.Device)
	}
	return text
}

// answering is what to type to answer the current plan as it is now: an answer to
// another attempt, or to other versions, does not count.
func (r *Run) answering() string {
	flags := " " + shell.Line("--plan", r.Plan.ID, "--attempt", strconv.Itoa(r.Attempt), "--targets",
		strings.Join(r.Plan.Targets(), ","))
	return "ota-agent confirm" + flags + ", or ota-agent refuse" + flags
}

// partSince is since when a part has its status, which a restart does not
// forget; zero in a situation that is not about that.
func (m *Machine) partSince(s situation, i int) time.Time {
	switch s {
	case inStep, staged, downloading, waitsForAddress, waitsForLink, waitsForQuiet, waitsForWindow:
		return m.state.Run.Parts[i].At
	}
	return time.Time{}
}

// looksAgain is when a refused plan is looked at again.
func (m *Machine) looksAgain() time.Time {
	if at := m.retryAt(); !at.IsZero() || !m.refusal.retryAt.IsZero() {
		return at
	}
	switch m.refusal.reason {
	case ota.ReasonBattery, ota.ReasonSignal, ota.ReasonSpace, ota.ReasonBusy:
		return m.watchedAgain()
	}
	return time.Time{}
}

// watchedAgain is when the next readings come.
func (m *Machine) watchedAgain() time.Time {
	if m.config.Watch <= 0 || m.measured.IsZero() {
		return time.Time{}
	}
	return m.measured.Add(m.config.Watch)
}
