package engine

import (
	"fmt"

	"otafleet/internal/ota"
)

// maxLog bounds the log of one device under one plan; the oldest lines go.
const maxLog = 128

// logKind is what a log line is about. The numbers are on disks: kinds are added
// at the end.
type logKind uint8

const (
	logAsked logKind = iota
	logPushed
	logOffered
	logRefused
	logAccepted
	logIssued
	logStatus
	logCredited
	logRetrying
	logExhausted
	logRetried
	logWithdrawn
	logUser
	logIllegal
	logStartedOver
	logNeverHad
	logNotAccepted
	logGoesOn
	logAbandoned
)

// sentences are the texts of the lines; %s is the noted word, %d the number.
var sentences = [...]string{
	logAsked:       "Device asked for an upgrade plan; versions: %s",
	logPushed:      "Platform started the upgrade; versions last reported: %s",
	logOffered:     "Plan issued, attempt %d",
	logRefused:     "Device refused the upgrade: %s",
	logAccepted:    "Device confirmed the upgrade",
	logIssued:      "Package address issued (%s)",
	logStatus:      "Status: %s",
	logCredited:    "Version reported equals the target of the running upgrade",
	logRetrying:    "Upgrade failed, the platform tries again: attempt %d",
	logExhausted:   "Upgrade failed, no attempt is left",
	logRetried:     "Upgrade started over by hand: attempt %d",
	logWithdrawn:   "Plan withdrawn: %s",
	logUser:        "User's answer: %s",
	logIllegal:     "Report out of order, not counted: %s",
	logStartedOver: "Device has no memory of the plan and starts over",
	logNeverHad:    "Plan %s before the device had it",
	logNotAccepted: "Plan %s before the device had accepted it",
	logGoesOn:      "Plan %s; the device has accepted it and goes on",
	logAbandoned:   "The operator ended the plan for this device",
}

// counts reports whether a line of the kind notes a number and not a word.
func (k logKind) counts() bool { return k == logOffered || k == logRetrying || k == logRetried }

// entry is one line of a log, in twelve bytes.
type entry struct {
	at     second
	note   uint32 // number of a word, or a number
	kind   logKind
	part   uint8 // 1 for the first component; 0 for the device
	status ota.Status
}

// partOf numbers component i for an entry; an unknown one counts as the device.
func partOf(i int) uint8 { return uint8(i + 1) }

func (e *Engine) note(t *task, line entry) {
	e.keepDevice(t.device)
	line.at = secondOf(e.now)
	if len(t.log) == maxLog {
		t.log = append(t.log[:0], t.log[1:]...)
	}
	t.log = append(t.log, line)
}

// versionsNote is the number of a line that lists what a device runs.
func (e *Engine) versionsNote(d *device) uint32 {
	b := e.line[:0]
	for i, c := range d.components {
		if len(b)+len(c.id)+len(c.version) > maxWord-len(", …  ") {
			b = append(b, ", …"...)
			break
		}
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(append(append(b, c.id...), ' '), c.version...)
	}
	e.line = b
	if n, known := e.words.numbers[string(b)]; known {
		return n // which takes no string
	}
	return e.words.number(string(b))
}

func (e *Engine) codeNote(f *ota.Failure) uint32 {
	if f == nil {
		return 0
	}
	return e.words.number(string(f.Code))
}

// text renders a line.
func (e *Engine) text(line entry) string {
	sentence := sentences[line.kind]
	switch line.kind {
	case logStatus, logIllegal:
		name := line.status.Row().Name
		if code := e.words.at(line.note); code != "" {
			name += " (" + code + ")"
		}
		return fmt.Sprintf(sentence, name)
	case logOffered, logRetrying, logRetried:
		return fmt.Sprintf(sentence, line.note)
	case logAsked, logPushed, logRefused, logIssued, logWithdrawn, logUser, logNeverHad, logNotAccepted, logGoesOn:
		return fmt.Sprintf(sentence, e.words.at(line.note))
	}
	return sentence
}
