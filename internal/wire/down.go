package wire

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"otafleet/internal/ota"
)

// downBody is the JSON form of a message from the platform.
type downBody interface {
	body
	message() ota.Down
}

// EncodeDown writes a message to a device. kind is the last level of its topic.
// An error is an *Invalid, if the message itself is at fault.
func EncodeDown(m ota.Down) (kind string, payload []byte, err error) {
	var b downBody
	switch m := m.(type) {
	case *ota.Plan:
		kind, b = KindPlan, newPlan(m)
	case *ota.Package:
		kind, b = KindPackage, newPackage(m)
	case *ota.Ack:
		kind, b = KindAck, &ackBody{Plan: m.Plan, Seq: m.Seq}
	case *ota.NoPlan:
		kind, b = KindNone, &noneBody{Time: instant{t: m.Time}, Reason: m.Reason}
	case *ota.Termination:
		kind, b = KindTerminate, &terminateBody{Time: instant{t: m.Time}, Plan: m.Plan, Reason: m.Reason}
	default:
		return "", nil, fmt.Errorf("cannot encode a %T for a device", m)
	}
	payload, err = encode(nil, kind, b)
	return kind, payload, err
}

// DecodeDown reads a message of a kind from the platform. An error is an
// *Invalid. The manifest of a *ota.Package is not looked into: Trust.Open does
// that.
func DecodeDown(kind string, payload []byte) (ota.Down, error) {
	var b downBody
	switch kind {
	case KindPlan:
		b = &planBody{}
	case KindPackage:
		b = &packageBody{}
	case KindAck:
		if ack := readAck(payload); ack != nil {
			return ack, nil
		}
		b = &ackBody{}
	case KindNone:
		b = &noneBody{}
	case KindTerminate:
		b = &terminateBody{}
	default:
		return nil, unknownKind(kind)
	}
	if err := decode(kind, payload, b); err != nil {
		return nil, err
	}
	return b.message(), nil
}

type planBody struct {
	Time       instant             `json:"time"`
	Plan       string              `json:"plan"`
	Name       string              `json:"name,omitempty"`
	Attempt    int                 `json:"attempt"`
	Mode       ota.Mode            `json:"mode"`
	Ends       instant             `json:"ends"`
	Conditions conditionsBody      `json:"conditions,omitzero"`
	OnFailure  ota.OnFailure       `json:"on_failure,omitempty"` // stop if left out
	Components []planComponentBody `json:"components"`
}

// conditionsBody has the fields of ota.Conditions, in its order.
type conditionsBody struct {
	MinBattery *int  `json:"min_battery,omitempty"`
	MinRSSI    *int  `json:"min_rssi,omitempty"`
	Space      int64 `json:"space,omitempty"`
}

// planComponentBody has the fields of ota.PlanComponent, in its order.
type planComponentBody struct {
	ID      string            `json:"id"`
	Type    ota.ComponentType `json:"type"`
	Package ota.PackageKind   `json:"package"`
	Sources []string          `json:"sources,omitempty"`
	Target  string            `json:"target"`
	Size    int64             `json:"size"`
}

func newPlan(m *ota.Plan) *planBody {
	return &planBody{
		Time: instant{t: m.Time}, Plan: m.ID, Name: m.Name, Attempt: m.Attempt, Mode: m.Mode,
		Ends: instant{t: m.Ends}, Conditions: conditionsBody(m.Conditions), OnFailure: m.OnFailure,
		Components: mapped(m.Components, func(v ota.PlanComponent) planComponentBody { return planComponentBody(v) }),
	}
}

func (b *planBody) message() ota.Down {
	m := &ota.Plan{
		Time: b.Time.t, ID: b.Plan, Name: b.Name, Attempt: b.Attempt, Mode: b.Mode,
		Ends: b.Ends.t, Conditions: ota.Conditions(b.Conditions), OnFailure: b.OnFailure,
		Components: mapped(b.Components, planComponentBody.value),
	}
	if m.OnFailure == "" {
		m.OnFailure = ota.Stop
	}
	return m
}

func (b planComponentBody) value() ota.PlanComponent {
	if len(b.Sources) == 0 {
		b.Sources = nil
	}
	return ota.PlanComponent(b)
}

func (b *planBody) subject() (string, int) { return b.Plan, b.Attempt }

func (b *planBody) check(c *checker) {
	c.time("time", b.Time)
	c.plan(b.Plan)
	c.text("name", b.Name, ota.MaxPlanName)
	c.attempt(b.Attempt)
	c.must(b.Mode.Valid(), "mode", "must be silent or manual")
	c.time("ends", b.Ends)
	c.must(b.OnFailure == "" || b.OnFailure.Valid(), "on_failure", "must be stop, continue or revert")
	c.enterObject("conditions")
	c.must(b.Conditions.MinBattery == nil || validBattery(*b.Conditions.MinBattery), "min_battery", ruleBattery)
	c.must(b.Conditions.MinRSSI == nil || validRSSI(*b.Conditions.MinRSSI), "min_rssi", ruleRSSI)
	c.bytes("space", b.Conditions.Space)
	c.leave()
	if !c.count("components", len(b.Components), 1, ota.MaxComponents) {
		return
	}
	seen := map[string]bool{}
	for i, v := range b.Components {
		c.enter("components", i)
		v.check(c)
		c.once(seen, v.ID, "id")
		c.leave()
	}
}

func (b *planComponentBody) check(c *checker) {
	c.must(ota.ValidComponentID(b.ID), "id", ruleComponentID)
	c.must(b.Type.Valid(), "type", ruleType)
	c.must(b.Package.Valid(), "package", rulePackageKind)
	c.must(ota.ValidVersion(b.Target), "target", ruleVersion)
	c.bytes("size", b.Size)
	switch {
	case b.Package == ota.Delta && len(b.Sources) != 1:
		c.add("sources", "must be exactly one version for a delta")
	case len(b.Sources) > ota.MaxSources:
		c.add("sources", "must be at most 8 versions")
	default:
		for i, s := range b.Sources {
			c.enter("sources", i)
			c.must(ota.ValidVersion(s), "version", ruleVersion)
			c.leave()
		}
	}
}

type packageBody struct {
	Time      instant       `json:"time"`
	Plan      string        `json:"plan"`
	Attempt   int           `json:"attempt"`
	Component string        `json:"component"`
	Manifest  *envelopeBody `json:"manifest"`
	Files     []addressBody `json:"files"`
}

type addressBody struct {
	Name    string   `json:"name"`
	URLs    []string `json:"urls"`
	Expires instant  `json:"expires,omitzero"`
}

func newPackage(m *ota.Package) *packageBody {
	return &packageBody{
		Time: instant{t: m.Time}, Plan: m.Plan, Attempt: m.Attempt, Component: m.Component,
		Manifest: newEnvelope(m.Envelope),
		Files: mapped(m.Files, func(f ota.FileAddress) addressBody {
			return addressBody{Name: f.Name, URLs: f.URLs, Expires: instant{t: f.Expires}}
		}),
	}
}

func (b *packageBody) message() ota.Down {
	return &ota.Package{
		Time: b.Time.t, Plan: b.Plan, Attempt: b.Attempt, Component: b.Component,
		Envelope: b.Manifest.envelope(),
		Files: mapped(b.Files, func(f addressBody) ota.FileAddress {
			return ota.FileAddress{Name: f.Name, URLs: f.URLs, Expires: f.Expires.t}
		}),
	}
}

func (b *packageBody) subject() (string, int) { return b.Plan, b.Attempt }

func (b *packageBody) check(c *checker) {
	c.time("time", b.Time)
	c.plan(b.Plan)
	c.attempt(b.Attempt)
	c.must(ota.ValidComponentID(b.Component), "component", ruleComponentID)
	if b.Manifest == nil {
		c.add("manifest", "must be a DSSE envelope")
	} else {
		c.enterObject("manifest")
		b.Manifest.check(c)
		c.leave()
	}
	if !c.count("files", len(b.Files), 1, ota.MaxFiles) {
		return
	}
	seen := map[string]bool{}
	for i, f := range b.Files {
		c.enter("files", i)
		f.check(c)
		c.once(seen, f.Name, "name")
		c.leave()
	}
}

func (b *addressBody) check(c *checker) {
	c.must(ota.ValidFileName(b.Name), "name", ruleFileName)
	c.optionalTime("expires", b.Expires)
	if !c.count("urls", len(b.URLs), 1, ota.MaxURLs) {
		return
	}
	for i, u := range b.URLs {
		c.enter("urls", i)
		c.must(validURL(u), "url", "must be an https, http or s3 address of at most 8192 characters")
		c.leave()
	}
}

func validURL(s string) bool {
	if len(s) > ota.MaxURL || !utf8.ValidString(s) {
		return false
	}
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" || u.Scheme == "s3"
}

type ackBody struct {
	Plan string `json:"plan"`
	Seq  int    `json:"seq"`
}

// readAck reads an acknowledgement as platforms write it, without spaces: most of what
// a device hears. Nil is any other text, good or bad.
func readAck(payload []byte) *ota.Ack {
	text, begins := strings.CutPrefix(string(payload), `{"plan":"`)
	plan, rest, _ := strings.Cut(text, `","seq":`)
	digits, end, _ := strings.Cut(rest, "}")
	seq, err := strconv.ParseUint(digits, 10, 31)
	if !begins || len(rest) != len(digits)+1 || end != "" || err != nil || digits[0] == '0' || !ota.ValidPlanID(plan) {
		return nil
	}
	return &ota.Ack{Plan: plan, Seq: int(seq)}
}

func (b *ackBody) message() ota.Down { return &ota.Ack{Plan: b.Plan, Seq: b.Seq} }

func (b *ackBody) subject() (string, int) { return b.Plan, 0 }

func (b *ackBody) check(c *checker) {
	c.plan(b.Plan)
	c.must(b.Seq >= 1, "seq", ruleSeq)
}

type noneBody struct {
	Time   instant          `json:"time"`
	Reason ota.NoPlanReason `json:"reason"`
}

func (b *noneBody) message() ota.Down { return &ota.NoPlan{Time: b.Time.t, Reason: b.Reason} }

func (b *noneBody) check(c *checker) {
	c.time("time", b.Time)
	c.must(b.Reason.Valid(), "reason", "must be a reason of the protocol")
}

type terminateBody struct {
	Time   instant               `json:"time"`
	Plan   string                `json:"plan"`
	Reason ota.TerminationReason `json:"reason"`
}

func (b *terminateBody) message() ota.Down {
	return &ota.Termination{Time: b.Time.t, Plan: b.Plan, Reason: b.Reason}
}

func (b *terminateBody) subject() (string, int) { return b.Plan, 0 }

func (b *terminateBody) check(c *checker) {
	c.time("time", b.Time)
	c.plan(b.Plan)
	c.must(b.Reason == ota.Terminated || b.Reason == ota.Ended, "reason", "must be terminated or ended")
}
