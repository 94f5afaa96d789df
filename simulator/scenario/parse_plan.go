package scenario

import (
	"fmt"
	"slices"

	"otafleet/internal/ota"
	"otafleet/internal/yamlform"
)

// maxChunks is how many chunk hashes fit in a message with their manifest: each
// takes 57 bytes there, for it is encoded as base64 twice.
const maxChunks = 16 << 10

func readPlans(root *yamlform.Map, s *Scenario) {
	plans, packages := names{}, packages{}
	var components [][]*yamlform.Map
	for _, m := range root.Maps("plans", 0, MaxPlans) {
		p, of := readPlan(m, s, packages)
		components = append(components, of)
		plans.add(m, "name", p.Name)
		s.Plans = append(s.Plans, p)
	}
	for i := range s.Plans {
		for k, m := range components[i] {
			warnSources(m, s, &s.Plans[i], &s.Plans[i].Components[k])
		}
	}
	if n := packages.size(); n > MaxPackages {
		root.Problemf("plans", "have packages of %s in all; want at most %s", yamlform.FormatSize(n),
			yamlform.FormatSize(MaxPackages))
	}
}

// packages are those that the plans name, each of which is made once.
type packages map[PackageName]Component

// add finds a second form of a package.
func (p packages) add(m *yamlform.Map, product string, c *Component) {
	name := c.PackageOf(product)
	first, known := p[name]
	same := first.Size == c.Size && first.Encoding == c.Encoding && first.Chunk == c.Chunk &&
		first.Release == c.Release && first.AllowDowngrade == c.AllowDowngrade && slices.Equal(first.Hardware, c.Hardware)
	if known && !same {
		m.Problemf("target", "this package is described otherwise in an earlier plan; want the same size, encoding, "+
			"chunk, release, allow_downgrade and hardware")
	}
	p[name] = *c
}

func (p packages) size() int64 {
	var n int64
	for _, c := range p {
		n += c.Size
	}
	return n
}

// readPlan reads a plan; components are where its components stand.
func readPlan(m *yamlform.Map, s *Scenario, made packages) (p Plan, components []*yamlform.Map) {
	p = Plan{Mode: ota.Silent, Push: true, Rejection: ota.DefaultQuiet, Retries: ota.MaxRetries, OnFailure: ota.Stop}
	m.Require("name", "product", "components")
	m.Text("name", &p.Name, planID)
	m.Text("product", &p.Product, word)
	has := s.ofProduct(p.Product)
	if p.Product != "" && len(has) == 0 {
		m.Problemf("product", "no fleet has the product %q%s", p.Product, yamlform.Suggest(p.Product, s.products()))
	}
	readLists(m, &p, s)
	ids := names{}
	components = m.Maps("components", 1, ota.MaxComponents)
	for _, c := range components {
		next := readPlanComponent(c, has)
		ids.add(c, "id", next.ID)
		p.Components = append(p.Components, next)
	}
	yamlform.Enum(m, "mode", &p.Mode, ota.Silent, ota.Manual)
	readPeriod(m, &p, s)
	readRepeat(m, &p, components, s)
	for _, making := range p.Making() {
		for i, c := range components {
			made.add(c, p.Product, &making.Components[i])
		}
	}
	readPush(m, &p)
	readUsers(m, &p)
	p.Conditions = readConditions(m.Map("conditions"))
	m.Int("retries", &p.Retries, 0, ota.MaxRetries)
	yamlform.Enum(m, "on_failure", &p.OnFailure, ota.Stop, ota.Continue, ota.Revert)
	return p, components
}

func planID(text string) error {
	return yamlform.Words(ota.ValidPlanID, fmt.Sprintf("want 1 to %d characters of A-Z a-z 0-9 _ . -", ota.MaxKey))(text)
}

// readPlanComponent reads a component of a plan for devices that have these.
func readPlanComponent(m *yamlform.Map, has []Installed) Component {
	c := Component{Encoding: ota.Plain, Chunk: ota.DefaultChunk}
	m.Require("id", "package", "target", "size")
	m.Text("id", &c.ID, componentID)
	checkPlanned(m, &c, has)
	yamlform.Enum(m, "package", &c.Package, ota.Full, ota.Delta)
	m.Texts("sources", &c.Sources, 1, ota.MaxSources, version)
	m.Text("target", &c.Target, version)
	m.Size("size", &c.Size, 1, ota.MaxFileSize)
	yamlform.Enum(m, "encoding", &c.Encoding, ota.Plain, ota.Zstd)
	m.Size("chunk", &c.Chunk, ota.MinChunk, ota.MaxChunk)
	m.Texts("hardware", &c.Hardware, 1, ota.MaxHardware, version)
	yamlform.Value(m, "release", &c.Release, parseRelease)
	m.Bool("allow_downgrade", &c.AllowDowngrade)

	if c.Package == ota.Delta && len(c.Sources) != 1 {
		m.Problemf("sources", "has %d versions; a delta starts from exactly one", len(c.Sources))
	}
	if slices.Contains(c.Sources, c.Target) {
		m.Problemf("target", "%q is a version that the package starts from; want another one", c.Target)
	}
	if n := (c.Size + c.Chunk - 1) / c.Chunk; n > maxChunks {
		m.Problemf("size", "makes %d chunks of %s; at most %d fit in a manifest, so give a larger chunk",
			n, yamlform.FormatSize(c.Chunk), maxChunks)
	}
	return c
}

// checkPlanned finds the component among those that devices have, of which it
// takes its type.
func checkPlanned(m *yamlform.Map, c *Component, has []Installed) {
	yamlform.Enum(m, "type", &c.Type, ota.Module, ota.MCU)
	i := slices.IndexFunc(has, func(h Installed) bool { return h.ID == c.ID })
	switch {
	case c.ID == "" || len(has) == 0:
	case i < 0:
		m.Problemf("id", "no fleet of this product has the component %q%s", c.ID, yamlform.Suggest(c.ID, componentIDs(has)))
	case c.Type == "":
		c.Type = has[i].Type
	case c.Type != has[i].Type:
		m.Problemf("type", "is %s; the fleet's %s is of type %s", c.Type, c.ID, has[i].Type)
	}
}

// products lists the products of the fleets.
func (s *Scenario) products() []string {
	var all []string
	for i := range s.Fleets {
		if p := s.Fleets[i].Product; p != "" && !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return all
}

// ofProduct lists the components of all fleets of a product.
func (s *Scenario) ofProduct(product string) []Installed {
	var all []Installed
	for i := range s.Fleets {
		if s.Fleets[i].Product == product {
			all = append(all, s.Fleets[i].Components...)
		}
	}
	return all
}

// componentIDs lists the ids, each once.
func componentIDs(components []Installed) []string {
	var ids []string
	for _, c := range components {
		if c.ID != "" && !slices.Contains(ids, c.ID) {
			ids = append(ids, c.ID)
		}
	}
	return ids
}
