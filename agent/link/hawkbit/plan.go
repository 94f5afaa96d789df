package hawkbit

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

// manifestOf finds the signed manifest among the artifacts of a module.
func manifestOf(c *chunk) (*artifact, error) {
	var found *artifact
	for i := range c.Artifacts {
		a := &c.Artifacts[i]
		switch {
		case !strings.HasSuffix(a.Name, wire.SidecarSuffix):
		case found != nil:
			return nil, fmt.Errorf("module %q has two signed manifests, %s and %s: want one", c.Name, found.Name, a.Name)
		default:
			found = a
		}
	}
	switch {
	case found == nil:
		return nil, fmt.Errorf("module %q %s has no artifact *%s: upload it beside the package's files (docs/PLATFORMS.md)",
			c.Name, c.Version, wire.SidecarSuffix)
	case found.Size > maxManifest:
		return nil, fmt.Errorf("the signed manifest %s has %d bytes: at most %d are read", found.Name, found.Size,
			maxManifest)
	case found.url() == "":
		return nil, fmt.Errorf("the artifact %s has no reference for its download", found.Name)
	}
	return found, nil
}

// module is a chunk with where its signed manifest is.
type module struct {
	chunk
	manifest string
}

func countModules(chunks []chunk) error {
	if len(chunks) == 0 || len(chunks) > ota.MaxComponents {
		return fmt.Errorf("it has %d modules: want 1 to %d", len(chunks), ota.MaxComponents)
	}
	return nil
}

// wanted lists the modules of an action.
func wanted(chunks []chunk) ([]module, error) {
	if err := countModules(chunks); err != nil {
		return nil, err
	}
	var modules []module
	for _, c := range ordered(chunks) {
		m, err := manifestOf(&c)
		if err != nil {
			return nil, err
		}
		modules = append(modules, module{c, m.url()})
	}
	return modules, nil
}

// packageOf makes the package of a module from its signed manifest. What the
// manifest says is not verified here: the agent does that, and holds it against the
// plan.
func packageOf(now time.Time, a *action, c *chunk, envelope []byte) (*ota.Package, ota.PlanComponent, error) {
	none := ota.PlanComponent{}
	sealed, err := wire.DecodeEnvelope(envelope)
	if err != nil {
		return nil, none, fmt.Errorf("the signed manifest of module %q: %w", c.Name, err)
	}
	m, err := wire.DecodeManifest(sealed.Payload)
	if err != nil {
		return nil, none, fmt.Errorf("the signed manifest of module %q: %w", c.Name, err)
	}
	p := &ota.Package{Time: now, Plan: a.id, Attempt: a.attempt, Component: m.Component, Envelope: sealed}
	for i := range m.Files {
		address := ""
		for k := range c.Artifacts {
			if c.Artifacts[k].Name == m.Files[i].Name {
				address = c.Artifacts[k].url()
			}
		}
		if address == "" {
			return nil, none, fmt.Errorf("module %q has no artifact %s, of which its signed manifest speaks: upload it", c.Name,
				m.Files[i].Name)
		}
		p.Files = append(p.Files, ota.FileAddress{Name: m.Files[i].Name, URLs: []string{address}})
	}
	component := ota.PlanComponent{ID: m.Component, Type: m.Type, Package: m.Package, Target: m.Target,
		Size: m.TransferSize()}
	if m.Package == ota.Delta {
		component.Sources = []string{m.Source}
	}
	return p, component, nil
}

// newPlan makes the plan of an action from its components, in their order.
func newPlan(now time.Time, a *action, components []ota.PlanComponent, mode ota.OnFailure) (*ota.Plan, error) {
	plan := &ota.Plan{Time: now, ID: a.id, Name: "hawkBit action " + a.id, Attempt: a.attempt, Mode: ota.Silent,
		OnFailure: mode,
		Ends:      now.Add(planLasts), Components: components}
	_, _, err := wire.EncodeDown(plan) // it states what a plan may be
	var invalid *wire.Invalid
	if errors.As(err, &invalid) {
		return nil, fmt.Errorf("the modules make no plan: %s", strings.Join(invalid.Problems, "; "))
	}
	return plan, err
}

// planLasts is how long a plan may be accepted: hawkBit knows no end but its cancel.
const planLasts = 10 * 365 * 24 * time.Hour
