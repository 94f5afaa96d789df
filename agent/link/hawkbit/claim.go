package hawkbit

import (
	"fmt"
	"slices"
	"strings"

	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

// claimed makes the package of a module from what the server says of its file.
func (x *Exchange) claimed(a *action, c *chunk) (*ota.Package, ota.PlanComponent, error) {
	none := ota.PlanComponent{}
	component, err := x.componentOf(c)
	if err != nil {
		return nil, none, err
	}
	file, err := fileOf(c)
	if err != nil {
		return nil, none, err
	}
	claim := &ota.Claim{Target: c.Version, Name: fileName(file.Name), Size: file.Size, Sum: file.sum()}
	if problem := claim.Problem(); problem != "" {
		return nil, none, fmt.Errorf("module %q: %s", c.Name, problem)
	}
	p := &ota.Package{Time: x.now, Plan: a.id, Attempt: a.attempt, Component: component.ID, Claim: claim,
		Files: []ota.FileAddress{{Name: claim.Name, URLs: []string{file.url()}}}}
	return p, ota.PlanComponent{ID: component.ID, Type: component.Type, Package: ota.Full, Target: claim.Target,
		Size: claim.Size}, nil
}

// componentOf is the component that a module is for: by the configuration, else the
// one that is called like it, or like its type.
func (x *Exchange) componentOf(c *chunk) (*ota.ComponentVersion, error) {
	for _, id := range []string{x.settings.Modules[c.Name], x.settings.Modules[c.Part], c.Name, c.Part} {
		i := slices.IndexFunc(x.inventory.Components, func(v ota.ComponentVersion) bool { return v.ID == id })
		if i >= 0 {
			return &x.inventory.Components[i], nil
		}
	}
	return nil, fmt.Errorf("module %q of type %q is for no component of this device: call it like one, or name it in "+
		"platform.hawkbit.modules", c.Name, c.Part)
}

// fileOf is the one file of a module. A signed manifest beside it is for other agents.
func fileOf(c *chunk) (*artifact, error) {
	var found *artifact
	for i := range c.Artifacts {
		a := &c.Artifacts[i]
		switch {
		case strings.HasSuffix(a.Name, wire.SidecarSuffix):
		case found != nil:
			return nil, fmt.Errorf("module %q has two files, %s and %s: want one, the image as it is", c.Name, found.Name,
				a.Name)
		default:
			found = a
		}
	}
	switch {
	case found == nil:
		return nil, fmt.Errorf("module %q %s has no file", c.Name, c.Version)
	case found.url() == "" || len(found.url()) > ota.MaxURL:
		return nil, fmt.Errorf("the artifact %s has no reference for its download", found.Name)
	}
	return found, nil
}

// sum is the best digest that the server names.
func (a *artifact) sum() ota.Checksum {
	for _, s := range []ota.Checksum{{Kind: ota.SHA256, Hex: a.Hashes.SHA256}, {Kind: ota.SHA1, Hex: a.Hashes.SHA1}} {
		if s.Hex != "" {
			s.Hex = strings.ToLower(s.Hex)
			return s
		}
	}
	return ota.Checksum{Kind: ota.MD5, Hex: strings.ToLower(a.Hashes.MD5)}
}

// fileName makes a name of a package's file of any other one.
func fileName(name string) string {
	safe := strings.Map(func(r rune) rune {
		if r < 0x80 && ota.ValidFileName("x"+string(r)) {
			return r
		}
		return '_'
	}, name)
	if safe = safe[max(0, len(safe)-ota.MaxFileName):]; !ota.ValidFileName(safe) {
		return "image"
	}
	return safe
}
