package wire

import (
	"fmt"
	"slices"
	"strconv"

	"otafleet/internal/ota"
)

// maxAgent is the characters of an agent's name and version.
const maxAgent = 128

// upBody is the JSON form of a message from a device.
type upBody interface {
	body
	message() ota.Up
}

// EncodeUp writes a message to the platform. kind is the last level of its
// topic. An error is an *Invalid, if the message itself is at fault.
func EncodeUp(m ota.Up) (kind string, payload []byte, err error) { return AppendUp(nil, m) }

// AppendUp is EncodeUp into the memory behind to, where there is room: payload is to and
// the message.
func AppendUp(to []byte, m ota.Up) (kind string, payload []byte, err error) {
	var b upBody
	switch m := m.(type) {
	case *ota.Inventory:
		kind, b = KindInventory, newInventory(m)
	case *ota.Decision:
		kind, b = KindDecision, newDecision(m)
	case *ota.Report:
		if payload = appendPlain(to, m); payload != nil {
			return KindStatus, payload, nil
		}
		status := statusOf(m)
		kind, b = KindStatus, &status
	case *ota.Progress:
		kind, b = KindProgress, newProgress(m)
	case *ota.AddressRequest:
		kind, b = KindFetch, newFetch(m)
	case *ota.Offline:
		kind, b = KindOffline, &offlineBody{}
	default:
		return "", nil, fmt.Errorf("cannot encode a %T for the platform", m)
	}
	payload, err = encode(to, kind, b)
	return kind, payload, err
}

// DecodeUp reads a message of a kind from a device. An error is an *Invalid.
func DecodeUp(kind string, payload []byte) (ota.Up, error) {
	var b upBody
	switch kind {
	case KindInventory:
		b = &inventoryBody{}
	case KindDecision:
		b = &decisionBody{}
	case KindStatus:
		b = &statusBody{}
	case KindProgress:
		b = &progressBody{}
	case KindFetch:
		b = &fetchBody{}
	case KindOffline:
		b = &offlineBody{}
	default:
		return nil, unknownKind(kind)
	}
	if err := decode(kind, payload, b); err != nil {
		return nil, err
	}
	return b.message(), nil
}

type inventoryBody struct {
	Time       instant         `json:"time"`
	Agent      string          `json:"agent"`
	Request    bool            `json:"request"`
	Components []componentBody `json:"components,omitempty"`
	Battery    *int            `json:"battery,omitempty"`
	RSSI       *int            `json:"rssi,omitempty"`
	FreeBytes  *int64          `json:"free_bytes,omitempty"`
	Running    *runningBody    `json:"running,omitempty"`
	Via        string          `json:"via,omitempty"`
	Trouble    string          `json:"trouble,omitempty"`
}

// componentBody has the fields of ota.ComponentVersion, in its order.
type componentBody struct {
	ID      string            `json:"id"`
	Type    ota.ComponentType `json:"type"`
	Version string            `json:"version,omitempty"` // left out if the component does not answer
}

// runningBody has the fields of ota.Running, in its order.
type runningBody struct {
	Plan    string `json:"plan"`
	Attempt int    `json:"attempt"`
	Seq     int    `json:"seq"`
}

func newInventory(m *ota.Inventory) *inventoryBody {
	return &inventoryBody{
		Time: instant{t: m.Time}, Agent: m.Agent, Request: m.Request,
		Components: mapped(m.Components, func(v ota.ComponentVersion) componentBody { return componentBody(v) }),
		Battery:    m.Battery, RSSI: m.RSSI, FreeBytes: m.FreeBytes,
		Running: (*runningBody)(m.Running), Via: m.Via, Trouble: clip(m.Trouble),
	}
}

func (b *inventoryBody) message() ota.Up {
	return &ota.Inventory{
		Time: b.Time.t, Agent: b.Agent, Request: b.Request,
		Components: mapped(b.Components, func(v componentBody) ota.ComponentVersion { return ota.ComponentVersion(v) }),
		Battery:    b.Battery, RSSI: b.RSSI, FreeBytes: b.FreeBytes,
		Running: (*ota.Running)(b.Running), Via: b.Via, Trouble: clip(b.Trouble),
	}
}

func (b *inventoryBody) check(c *checker) {
	c.time("time", b.Time)
	c.text("agent", b.Agent, maxAgent)
	c.must(b.Battery == nil || validBattery(*b.Battery), "battery", ruleBattery)
	c.must(b.RSSI == nil || validRSSI(*b.RSSI), "rssi", ruleRSSI)
	c.must(b.FreeBytes == nil || *b.FreeBytes >= 0, "free_bytes", "must not be negative")
	c.must(b.Via == "" || ota.ValidKey(b.Via), "via", ruleKey)
	if b.Running != nil {
		c.enterObject("running")
		c.plan(b.Running.Plan)
		c.attempt(b.Running.Attempt)
		c.must(b.Running.Seq >= 0, "seq", "must not be negative")
		c.leave()
	}
	if !c.count("components", len(b.Components), 0, ota.MaxInventory) {
		return
	}
	seen := map[string]bool{}
	for i, v := range b.Components {
		c.enter("components", i)
		c.must(ota.ValidComponentID(v.ID), "id", ruleComponentID)
		c.once(seen, v.ID, "id")
		c.must(v.Type.Valid(), "type", ruleType)
		c.must(v.Version == "" || ota.ValidVersion(v.Version), "version", ruleVersion)
		c.leave()
	}
}

func validBattery(percent int) bool { return percent >= 0 && percent <= 100 }

func validRSSI(dBm int) bool { return dBm >= -200 && dBm <= 100 }

type decisionBody struct {
	Time    instant    `json:"time"`
	Plan    string     `json:"plan"`
	Attempt int        `json:"attempt,omitempty"`
	Accept  bool       `json:"accept"`
	Reason  ota.Reason `json:"reason,omitempty"`
	Detail  string     `json:"detail,omitempty"`
	RetryAt instant    `json:"retry_at,omitzero"`
}

func newDecision(m *ota.Decision) *decisionBody {
	return &decisionBody{
		Time: instant{t: m.Time}, Plan: m.Plan, Attempt: m.Attempt, Accept: m.Accept,
		Reason: m.Reason, Detail: clip(m.Detail), RetryAt: instant{t: m.RetryAt},
	}
}

func (b *decisionBody) message() ota.Up {
	return &ota.Decision{
		Time: b.Time.t, Plan: b.Plan, Attempt: b.Attempt, Accept: b.Accept,
		Reason: b.Reason, Detail: clip(b.Detail), RetryAt: b.RetryAt.t,
	}
}

func (b *decisionBody) subject() (string, int) { return b.Plan, b.Attempt }

func (b *decisionBody) check(c *checker) {
	c.time("time", b.Time)
	c.plan(b.Plan)
	// Whoever refuses a plan as invalid may not have been able to read its
	// attempt.
	if b.Attempt != 0 || b.Reason != ota.ReasonInvalidPlan {
		c.attempt(b.Attempt)
	}
	if b.Accept {
		c.must(b.Reason == "", "reason", "must not stand beside accept true")
	} else {
		c.must(b.Reason.Valid(), "reason", "must be a refusal of the protocol")
	}
	c.optionalTime("retry_at", b.RetryAt)
}

type statusBody struct {
	Time      instant      `json:"time"`
	Plan      string       `json:"plan"`
	Attempt   int          `json:"attempt"`
	Seq       int          `json:"seq"`
	Component string       `json:"component"`
	Status    string       `json:"status"`
	Version   string       `json:"version,omitempty"` // left out if the component does not answer
	Error     *failureBody `json:"error,omitempty"`
}

type failureBody struct {
	Code   ota.Code `json:"code"`
	Detail string   `json:"detail,omitempty"`
}

func statusOf(m *ota.Report) statusBody {
	return statusBody{
		Time: instant{t: m.Time}, Plan: m.Plan, Attempt: m.Attempt, Seq: m.Seq,
		Component: m.Component, Status: m.Status.String(), Version: m.Version, Error: newFailure(m.Failure),
	}
}

func newFailure(f *ota.Failure) *failureBody {
	if f == nil {
		return nil
	}
	return &failureBody{Code: f.Code, Detail: clip(f.Detail)}
}

func (b *statusBody) message() ota.Up {
	status, _ := ota.ParseStatus(b.Status)
	m := &ota.Report{
		Time: b.Time.t, Plan: b.Plan, Attempt: b.Attempt, Seq: b.Seq,
		Component: b.Component, Status: status, Version: b.Version,
	}
	if b.Error != nil {
		m.Failure = &ota.Failure{Code: b.Error.Code, Detail: clip(b.Error.Detail)}
	}
	return m
}

func (b *statusBody) subject() (string, int) { return b.Plan, b.Attempt }

// plain reports whether every text of a status stands in JSON as it is: nearly always,
// since of those without a failure only the version is not made of letters and digits.
func (b *statusBody) plain() bool {
	for i := range len(b.Version) {
		if c := b.Version[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// plainStatus is the bytes of most of them.
const plainStatus = 208

// appendPlain writes the JSON of a status that is plain and valid, the message that a
// device sends most often, without memory of its own; nil for any other.
func appendPlain(to []byte, m *ota.Report) []byte {
	if m.Failure != nil {
		return nil
	}
	var c checker
	b := statusOf(m)
	b.check(&c)
	if c.failed() || !b.plain() {
		return nil
	}
	to = append(slices.Grow(to, plainStatus), `{"time":"`...)
	to = b.Time.append(to)
	to = append(to, `","plan":"`...)
	to = append(to, b.Plan...)
	to = append(to, `","attempt":`...)
	to = strconv.AppendInt(to, int64(b.Attempt), 10)
	to = append(to, `,"seq":`...)
	to = strconv.AppendInt(to, int64(b.Seq), 10)
	to = append(to, `,"component":"`...)
	to = append(to, b.Component...)
	to = append(to, `","status":"`...)
	to = append(to, b.Status...)
	if b.Version != "" {
		to = append(to, `","version":"`...)
		to = append(to, b.Version...)
	}
	return append(to, `"}`...)
}

func (b *statusBody) check(c *checker) {
	c.time("time", b.Time)
	c.plan(b.Plan)
	c.attempt(b.Attempt)
	c.must(b.Seq >= 1, "seq", ruleSeq)
	c.must(ota.ValidComponentID(b.Component), "component", ruleComponentID)
	c.must(b.Version == "" || ota.ValidVersion(b.Version), "version", ruleVersion)
	status, known := ota.ParseStatus(b.Status)
	if !known || status == ota.PlanNotReceived {
		c.add("status", "must be a status that a device reports")
		return
	}
	switch {
	case status.Failed() && b.Error == nil:
		c.add("error", "must stand on a failed status")
	case !status.Failed() && b.Error != nil:
		c.add("error", "must stand on a failed status only")
	case b.Error != nil:
		c.enterObject("error")
		c.must(validCode(b.Error.Code), "code", "must be 1 to 64 characters of a-z _")
		c.leave()
	}
}

// validCode reports whether code has the form of an error code. A platform
// takes codes that it does not know from devices that are newer than itself.
func validCode(code ota.Code) bool {
	for i := range len(code) {
		if (code[i] < 'a' || code[i] > 'z') && code[i] != '_' {
			return false
		}
	}
	return len(code) >= 1 && len(code) <= 64
}

type progressBody struct {
	Time      instant   `json:"time"`
	Plan      string    `json:"plan"`
	Component string    `json:"component"`
	Phase     ota.Phase `json:"phase"`
	Done      int64     `json:"done"`
	Total     int64     `json:"total"`
}

func newProgress(m *ota.Progress) *progressBody {
	return &progressBody{
		Time: instant{t: m.Time}, Plan: m.Plan, Component: m.Component,
		Phase: m.Phase, Done: m.Done, Total: m.Total,
	}
}

func (b *progressBody) message() ota.Up {
	return &ota.Progress{
		Time: b.Time.t, Plan: b.Plan, Component: b.Component,
		Phase: b.Phase, Done: b.Done, Total: b.Total,
	}
}

func (b *progressBody) subject() (string, int) { return b.Plan, 0 }

func (b *progressBody) check(c *checker) {
	c.time("time", b.Time)
	c.plan(b.Plan)
	c.must(ota.ValidComponentID(b.Component), "component", ruleComponentID)
	c.must(b.Phase == ota.PhaseDownloading || b.Phase == ota.PhaseUpgrading, "phase", "must be downloading or upgrading")
	c.bytes("done", b.Done)
	c.bytes("total", b.Total)
	c.must(b.Done <= b.Total, "done", "must not be larger than total")
}

type fetchBody struct {
	Time      instant           `json:"time"`
	Plan      string            `json:"plan"`
	Attempt   int               `json:"attempt"`
	Component string            `json:"component"`
	Reason    ota.AddressReason `json:"reason"`
}

func newFetch(m *ota.AddressRequest) *fetchBody {
	return &fetchBody{
		Time: instant{t: m.Time}, Plan: m.Plan, Attempt: m.Attempt,
		Component: m.Component, Reason: m.Reason,
	}
}

func (b *fetchBody) message() ota.Up {
	return &ota.AddressRequest{
		Time: b.Time.t, Plan: b.Plan, Attempt: b.Attempt,
		Component: b.Component, Reason: b.Reason,
	}
}

func (b *fetchBody) subject() (string, int) { return b.Plan, b.Attempt }

func (b *fetchBody) check(c *checker) {
	c.time("time", b.Time)
	c.plan(b.Plan)
	c.attempt(b.Attempt)
	c.must(ota.ValidComponentID(b.Component), "component", ruleComponentID)
	c.must(b.Reason.Valid(), "reason", "must be url_expired, mirrors_failed, missing or delta_unusable")
}

// offlineBody has no fields: a will is written before anything is known.
type offlineBody struct{}

func (*offlineBody) message() ota.Up { return &ota.Offline{} }

func (*offlineBody) check(*checker) {}
