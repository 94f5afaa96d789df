package quecthing

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"otafleet/internal/ota"
)

// plan is what device and platform have said about one plan.
type plan struct {
	id      string
	attempt int
	items   []ota.PlanComponent // in its order; nil for one that was there before the start
	parts   []part
	// delivered says that the agent has it and the platform has not heard so.
	delivered bool
	answer    answer
	// implied is the address without a plan from which the plan was made; nil for one
	// that the platform has sent.
	implied   *ota.Package
	addressBy time.Time // when an address is due; zero if none is waited for
}

// part is how far a component of a plan is.
type part struct {
	id       string
	kind     ota.ComponentType
	target   string // of the last address; empty before there is one
	status   ota.Status
	attempt  int       // in which it has failed
	failed   bool      // the platform has been told of a failed download, and has sent no address since
	unsure   bool      // the connection has ended since: the platform may not have heard of it
	overdue  bool      // the platform has been told that the upgrade takes too long
	giveUpAt time.Time // when the component is given up
}

// answer is what the agent said to a plan.
type answer uint8

const (
	unanswered answer = iota
	accepted
	refused
)

// over reports whether the agent has nothing left to do for the plan.
func (p *plan) over() bool {
	if p.answer != accepted || len(p.parts) == 0 {
		return false
	}
	return !slices.ContainsFunc(p.parts, func(c part) bool { return !c.status.Done() && !c.status.Failed() })
}

// begun reports whether an address of the plan has been taken.
func (p *plan) begun() bool {
	return slices.ContainsFunc(p.parts, func(c part) bool { return c.status > ota.UpgradeConfirmed })
}

// last is the component by which the whole plan is named on the wire; nil if none is
// known.
func (p *plan) last() *part {
	if len(p.parts) == 0 {
		return nil
	}
	return &p.parts[len(p.parts)-1]
}

// part finds a component's part, and adds one for a plan that was there before the
// start.
func (p *plan) part(id string, kind ota.ComponentType) *part {
	for i := range p.parts {
		if p.parts[i].id == id {
			return &p.parts[i]
		}
	}
	p.parts = append(p.parts, part{id: id, kind: kind})
	return &p.parts[len(p.parts)-1]
}

// maxPlans is how many plans are remembered: the one in progress, those that wait, and
// some that have failed and may be tried again.
const maxPlans = 8

// remember adds a plan, in the place of the oldest that is over or not accepted.
func (x *Exchange) remember(p *plan) *plan {
	if len(x.plans) >= maxPlans {
		i := max(0, slices.IndexFunc(x.plans, func(old *plan) bool { return old.over() || old.answer != accepted }))
		x.plans = slices.Delete(x.plans, i, i+1)
	}
	x.plans = append(x.plans, p)
	return p
}

// find finds a plan by its id; nil if it is not known.
func (x *Exchange) find(id string) *plan {
	for _, p := range x.plans {
		if p.id == id {
			return p
		}
	}
	return nil
}

// current is the plan that the agent has accepted and not finished; nil for none. Of one
// that was there before the start not every component is known: the agent says whether
// it goes on.
func (x *Exchange) current() *plan {
	for _, p := range x.plans {
		if p.answer == accepted && (!p.over() || p.items == nil && x.goesOn(p)) {
			return p
		}
	}
	return nil
}

// goesOn reports whether the agent has said last that the plan is in progress.
func (x *Exchange) goesOn(p *plan) bool {
	return x.inventory != nil && x.inventory.Running != nil && x.inventory.Running.Plan == p.id
}

// planID names a plan that came at a time. Sent again it is the same one, until it is
// over: then what asks for the same is a new plan.
func (x *Exchange) planID(items []ota.PlanComponent) (id string, again *plan) {
	h := sha256.New()
	for i := range items {
		c := &items[i]
		_, _ = h.Write([]byte(strings.Join(append([]string{c.ID, string(c.Type), c.Target}, c.Sources...), "\x00") + "\x01"))
	}
	prefix := "q-" + hex.EncodeToString(h.Sum(nil)[:6]) + "-"
	for _, p := range x.plans {
		if strings.HasPrefix(p.id, prefix) && !p.over() {
			return p.id, p
		}
	}
	return prefix + strconv.FormatInt(x.now.UnixMilli(), 36), nil
}

// running finds the plan of which the agent says that it is in progress, and learns of
// it after a restart.
func (x *Exchange) running(r *ota.Running) {
	if r == nil || x.find(r.Plan) != nil {
		return
	}
	x.remember(&plan{id: r.Plan, attempt: r.Attempt, answer: accepted})
}

// settle forgets the times of a component.
func (x *Exchange) settle(c *part) {
	c.giveUpAt = time.Time{}
	if x.repeats.id == c.id {
		x.repeatAt = time.Time{}
	}
}

// repeat says later that a component is being downloaded: at most one is.
func (x *Exchange) repeat(c *part) { x.repeats, x.repeatAt = *c, x.now.Add(repeatEvery) }

// learn notes what the plan asks for.
func (p *plan) learn(items []ota.PlanComponent) {
	if p.items != nil {
		return
	}
	p.items = items
	for i := range items {
		p.part(items[i].ID, items[i].Type).kind = items[i].Type
	}
}

// partOf finds a component's part; nil for none.
func (p *plan) partOf(id string) *part {
	for i := range p.parts {
		if p.parts[i].id == id {
			return &p.parts[i]
		}
	}
	return nil
}

// itemOf finds what the plan says of a component; nil if that is not known.
func (p *plan) itemOf(id string) *ota.PlanComponent {
	for i := range p.items {
		if p.items[i].ID == id {
			return &p.items[i]
		}
	}
	return nil
}
