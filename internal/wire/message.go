package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"otafleet/internal/ota"
)

// ContentType is the MQTT content type of every message.
const ContentType = "application/json"

// The kinds of message from a device to the platform: the last level of their
// topics.
const (
	KindInventory = "inventory"
	KindDecision  = "decision"
	KindStatus    = "status"
	KindProgress  = "progress"
	KindFetch     = "fetch"
	KindOffline   = "offline"
)

// The kinds of message from the platform to a device.
const (
	KindPlan      = "plan"
	KindPackage   = "package"
	KindAck       = "ack"
	KindNone      = "none"
	KindTerminate = "terminate"
)

// QoS is the MQTT quality of service with which a kind is published: 0 for
// progress, which may be lost, else 1.
func QoS(kind string) byte {
	if kind == KindProgress {
		return 0
	}
	return 1
}

// Invalid says what is wrong with a message, a manifest or an envelope. Its
// text is bounded and holds nothing of the message itself, so that it can be
// logged and sent as a detail.
type Invalid struct {
	Kind string // a kind of message, "manifest" or "envelope"
	// Plan and Attempt name the plan that the message is about, where they
	// could be read and are valid: with them a device can refuse a plan that it
	// cannot accept. Otherwise they are "" and 0.
	Plan    string
	Attempt int
	// Component is that of a package message, under the same rule.
	Component string
	// Problems are the faults that were found, each with the path of its field
	// ("components[2].target: must be …"); at least one.
	Problems []string
}

// Error gives the kind and every problem, in one line.
func (e *Invalid) Error() string {
	return "invalid " + e.Kind + ": " + strings.Join(e.Problems, "; ")
}

// body is the JSON form of a message.
type body interface {
	check(c *checker)
}

// planned is a body that is about a plan.
type planned interface {
	subject() (plan string, attempt int)
}

// encode checks a body and appends it as JSON.
func encode(to []byte, kind string, b body) ([]byte, error) {
	var c checker
	b.check(&c)
	if c.failed() {
		return nil, c.invalid(kind, b)
	}
	buf := bytes.NewBuffer(to)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false) // addresses are full of ampersands
	if err := enc.Encode(b); err != nil {
		return nil, fmt.Errorf("cannot encode a message of kind %s: %w", kind, err)
	}
	payload := bytes.TrimSuffix(buf.Bytes(), []byte{'\n'})
	if len(payload)-len(to) > ota.MaxPayload {
		c.add("message", ruleSize)
		return nil, c.invalid(kind, b)
	}
	return payload, nil
}

// decode reads JSON into an empty body and checks it. A wrong type of one field
// does not hide the faults of the others.
func decode(kind string, payload []byte, b body) error {
	var c checker
	if rule := checkShape(payload); rule != "" {
		c.add("message", rule)
		return c.invalid(kind, b)
	}
	err := json.Unmarshal(payload, b)
	var wrongType *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &wrongType):
		// Value may hold a whole number of the message after its first word.
		value, _, _ := strings.Cut(wrongType.Value, " ")
		c.add(wrongType.Field, "must not be of the JSON type "+value)
	case errors.As(err, &syntax):
		c.add("message", fmt.Sprintf("must be JSON: %v at byte %d", syntax, syntax.Offset))
		return c.invalid(kind, b)
	case err != nil:
		return fmt.Errorf("cannot decode a message of kind %s: %w", kind, err)
	}
	b.check(&c)
	if c.failed() {
		return c.invalid(kind, b)
	}
	return nil
}

// CutTime takes the time off a message that begins with it, as those do that EncodeDown
// writes and that have one. What is left decides all that DecodeDown makes of the
// message but the time itself.
func CutTime(payload []byte) (at time.Time, rest []byte, ok bool) {
	text, ok := bytes.CutPrefix(payload, []byte(`{"time":"`))
	if !ok {
		return time.Time{}, nil, false
	}
	text, rest, ok = bytes.Cut(text, []byte{'"'})
	var t instant
	_ = t.UnmarshalText(text) // never fails
	return t.t, rest, ok && t.valid()
}

// unknownKind refuses a message whose kind the protocol does not have.
func unknownKind(kind string) error {
	return &Invalid{Kind: "message", Problems: []string{fmt.Sprintf("kind: %.32q is unknown", kind)}}
}
