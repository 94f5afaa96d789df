package agent_test

import (
	"strings"

	"otafleet/internal/ota"
)

// platform is the other side: it offers one plan, sends an address for the
// component whose turn it is, stores reports and retries what failed. Nothing
// that it stores is ever lost.
type platform struct {
	plan      *ota.Plan
	retries   map[string]int // left, of each component
	manifest  func(component string) (twist string)
	ledger    ledger
	confirmed bool
	exhausted map[string]bool
	full      map[string]bool // asked for in the place of the delta
}

func (p *platform) account() *account { return p.ledger.account(p.plan.ID) }

// receive takes one message and gives the answers.
func (p *platform) receive(message ota.Up) ([]ota.Down, error) {
	switch m := message.(type) {
	case *ota.Inventory:
		if m.Request && !p.finished() {
			return append([]ota.Down{p.plan}, p.issue()...), nil
		}
		return p.issue(), nil
	case *ota.Decision:
		p.confirmed = p.confirmed || m.Accept
		return p.issue(), nil
	case *ota.AddressRequest:
		i := p.plan.Component(m.Component)
		p.full[m.Component] = p.full[m.Component] || m.Reason == ota.AddressFull
		return p.address(m.Component, p.plan.Components[i].Target), nil
	case *ota.Report:
		return p.report(m)
	}
	return nil, nil
}

func (p *platform) report(r *ota.Report) ([]ota.Down, error) {
	known := len(p.account().reports)
	if err := p.ledger.take(r); err != nil {
		return nil, err
	}
	answers := []ota.Down{&ota.Ack{Plan: r.Plan, Seq: len(p.account().reports)}}
	if known == len(p.account().reports) {
		return answers, nil // it came again
	}
	p.confirmed = p.confirmed || r.Status != ota.PlanReceived
	switch {
	case r.Status.Failed() && r.Failure.Code != ota.Skipped && r.Failure.Code != ota.Reverted:
		if p.retries[r.Component] == 0 {
			p.exhausted[r.Component] = true
			break
		}
		p.retries[r.Component]--
		again := *p.plan
		again.Attempt++
		p.plan = &again
	case !r.Status.Failed() && !r.Status.Done():
		return answers, nil
	}
	return append(answers, p.issue()...), nil
}

// issue sends the address of the component whose turn it is.
func (p *platform) issue() []ota.Down {
	if component, target := p.next(); component != "" {
		return p.address(component, target)
	}
	return nil
}

func (p *platform) address(component, target string) []ota.Down {
	twist := p.manifest(component)
	return []ota.Down{&ota.Package{
		Time: epoch, Plan: p.plan.ID, Attempt: p.plan.Attempt, Component: component,
		Envelope: ota.Envelope{Payload: []byte(component + ">" + target + twist)},
		Files:    []ota.FileAddress{{Name: "image", URLs: []string{"https://oss.example.com/" + component}}},
	}}
}

func (p *platform) next() (component, target string) {
	if !p.confirmed || p.dead() || p.reverting() {
		return "", ""
	}
	for _, c := range p.plan.Components {
		if status := p.account().status[c.ID]; !status.Done() && !p.exhausted[c.ID] {
			if strings.HasPrefix(status.String(), "download") && !status.Failed() || status == ota.Upgrading {
				return "", "" // it is at work and needs no address
			}
			return c.ID, c.Target
		}
	}
	return "", ""
}

// dead reports whether a failure that is not retried holds back all others.
func (p *platform) dead() bool { return len(p.exhausted) > 0 && p.plan.OnFailure != ota.Continue }

// reverting reports whether upgraded components are in the rollback.
func (p *platform) reverting() bool {
	upgraded, failed := false, false
	for _, c := range p.plan.Components {
		status := p.account().status[c.ID]
		upgraded = upgraded || status == ota.UpgradeSucceeded
		failed = failed || status.Failed()
	}
	if p.plan.OnFailure != ota.Revert || !upgraded || !failed {
		return false
	}
	last := 0 // the last failure; what succeeded after it stays
	for _, r := range p.account().reports {
		if r.Status.Failed() && r.Failure.Code != ota.Skipped && r.Failure.Code != ota.Reverted {
			last = r.Seq
		}
	}
	for _, r := range p.account().reports[:last] {
		if r.Status == ota.UpgradeSucceeded && p.standing(r.Seq, r.Component) {
			return true
		}
	}
	return false
}

// standing reports whether nothing has been reported of a component since seq.
func (p *platform) standing(seq int, component string) bool {
	for _, r := range p.account().reports[seq:] {
		if r.Component == component {
			return false
		}
	}
	return true
}

// finished reports whether every component is at its end.
func (p *platform) finished() bool {
	if !p.confirmed || p.reverting() {
		return false
	}
	for _, c := range p.plan.Components {
		status := p.account().status[c.ID]
		if !status.Done() && (!status.Failed() || !p.dead() && !p.exhausted[c.ID]) {
			return false
		}
	}
	return true
}
