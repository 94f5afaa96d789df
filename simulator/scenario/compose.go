package scenario

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"otafleet/internal/yamlform"
)

// The bounds of what a scenario is composed of.
const (
	MaxVars     = 100               // variables of a scenario
	MaxParts    = 100               // files that a scenario includes, in all
	MaxIncludes = 8                 // how deep they may include each other
	MaxText     = yamlform.MaxBytes // bytes of the scenario and its parts together, and of what comes of them
)

// Beside is what a scenario has beside its text. The zero value is nothing: the
// scenario may not name files, and its variables are what it says.
type Beside struct {
	Devices
	// Read reads a file in the directory of the scenario or below, by its path from
	// there, with slashes, of at most so many bytes; nil refuses every file.
	Read func(path string, limit int64) ([]byte, error)
	// Set is what variables are set to, as name=value.
	Set []string
}

// Compose is Parse of a scenario that may have variables and parts. Beside the
// scenario it returns the text that is the same scenario by itself: data, unless there
// was something to put in. Mistakes in a part have the file and the line of the part.
func Compose(name string, data []byte, from *Beside) (*Scenario, []byte, error) {
	doc := yamlform.Parse(name, data)
	c := composition{name: name, from: from, doc: doc, size: len(data),
		parts: map[string]string{path.Base(name): name}, dirs: map[string]string{}}
	composed := c.compose()
	s := &Scenario{Seed: 1}
	s.read(doc.Root(), &c)
	if err := doc.Err(); err != nil {
		return nil, nil, err
	}
	if warnings := doc.Warnings(); len(warnings) > 0 {
		s.Warnings = warnings
	}
	if !composed && !c.inlined {
		return s, data, nil
	}
	text, err := doc.Text()
	return s, text, err
}

// composition is a scenario that is being put together.
type composition struct {
	name    string
	from    *Beside
	doc     *yamlform.Document
	vars    map[string]*variable
	varMap  *yamlform.Map
	size    int               // bytes of all texts so far
	parts   map[string]string // where each file is included, by its path
	dirs    map[string]string // of the parts, by their names in messages
	inlined bool              // something of a file has been put into the text
}

// compose puts in what the variables of the document stand for, and its parts. It
// reports whether the document has any.
func (c *composition) compose() bool {
	root := c.doc.Root()
	if !root.Has("vars") && !root.Has("include") {
		for _, setting := range c.from.Set {
			root.Problemf("vars", "--set %s: the scenario has no variables", setting)
		}
		c.doc.WarnOf("$(", "has a variable, and the scenario has no vars: it stays as it is")
		return false
	}
	c.readVars(root)
	root.Remove("vars")
	c.doc.Expand(c.find)
	c.include(c.doc, []string{path.Base(c.name)})
	c.checkUse()
	return true
}

// include joins the parts that a document names, and their parts. trail are the paths
// of the files that lead here, the document's own the last.
func (c *composition) include(doc *yamlform.Document, trail []string) {
	root := doc.Root()
	places := root.Places("include")
	var parts []namedText
	var files []string
	yamlform.Values(root, "include", &files, 1, MaxParts, func(given string) (string, error) {
		at := places[0]
		places = places[1:]
		if err := yamlform.Line(given); err != nil {
			return "", err
		}
		file := path.Join(path.Dir(trail[len(trail)-1]), given)
		text, err := c.open(file, given, trail)
		if err == nil {
			c.parts[file] = at
			parts = append(parts, namedText{file, text})
		}
		return file, err
	})
	root.Remove("include")
	for _, p := range parts {
		name := path.Join(path.Dir(c.name), p.file)
		c.dirs[name] = path.Dir(p.file)
		part := yamlform.Parse(name, p.text)
		part.Expand(c.find)
		c.include(part, append(slices.Clip(trail), p.file))
		if !doc.Join(part, partKeys()...) {
			return
		}
	}
}

// namedText is a part before it is read.
type namedText struct {
	file string // its path from the scenario's directory
	text []byte
}

// partKeys are those that a part may have, beside include.
func partKeys() []string { return []string{"fleet", "plans", "events", "faults", "expect"} }

// open reads the part at a path, which is written as given.
func (c *composition) open(file, given string, trail []string) ([]byte, error) {
	switch {
	case slices.Contains(trail, file):
		return nil, fmt.Errorf("leads in a circle: %s", strings.Join(append(slices.Clip(trail), file), " includes "))
	case c.parts[file] != "":
		return nil, fmt.Errorf("%s is included already, at %s", file, c.parts[file])
	case len(trail) > MaxIncludes:
		return nil, fmt.Errorf("parts include each other more than %d deep", MaxIncludes)
	case len(c.parts) > MaxParts:
		return nil, fmt.Errorf("the scenario has more than %d parts", MaxParts)
	}
	text, err := c.from.read(file, given, MaxText)
	if err != nil {
		return nil, err
	}
	if c.size += len(text); c.size > MaxText {
		return nil, fmt.Errorf("the scenario has more than %d bytes with its parts", MaxText)
	}
	return text, nil
}

// read reads a file beside the scenario.
func (b *Beside) read(file, given string, limit int64) ([]byte, error) {
	switch {
	case path.IsAbs(given) || !fs.ValidPath(file):
		return nil, fmt.Errorf("%q is no path of a file in the scenario's directory or below", given)
	case b.Read == nil:
		return nil, fmt.Errorf("%q cannot be looked for: the scenario is not in a file of its own", given)
	}
	return b.Read(file, limit)
}

// variable is one of a scenario.
type variable struct {
	yamlform.Variable
	blank bool // it has no default
	given bool // it is set
	used  bool
}

// readVars reads the variables and what they are set to.
func (c *composition) readVars(root *yamlform.Map) {
	m := root.Map("vars")
	c.varMap = m
	names := m.Names()
	if len(names) > MaxVars {
		root.Problemf("vars", "has %d variables; want at most %d", len(names), MaxVars)
		names = names[:MaxVars]
	}
	c.vars = map[string]*variable{}
	for _, name := range names {
		v := &variable{}
		c.vars[name] = v
		if err := word(name); err != nil {
			m.Problemf(name, "%s", err)
		}
		if v.blank = m.IsBlank(name); !v.blank {
			yamlform.Value(m, name, &v.Text, plainText)
			v.Origin = "of " + m.Where(name)
		}
	}
	c.readSettings(root)
	for _, name := range names {
		if v := c.vars[name]; v.blank && !v.given {
			m.Problemf(name, "has no value: give one here, or --set %s=VALUE", name)
		}
	}
}

// plainText is the default of a variable.
func plainText(text string) (string, error) {
	if strings.Contains(text, "$(") {
		return "", errors.New("a variable is plain text, and does not refer to others")
	}
	return text, nil
}

// readSettings gives variables the values that they are set to.
func (c *composition) readSettings(root *yamlform.Map) {
	for _, setting := range c.from.Set {
		name, text, isSetting := strings.Cut(setting, "=")
		v := c.vars[name]
		switch {
		case !isSetting:
			root.Problemf("vars", "--set %s: want name=value", setting)
		case v == nil:
			root.Problemf("vars", "--set %s: there is no variable %q%s", setting, name, yamlform.Suggest(name, c.names()))
		case v.given:
			root.Problemf("vars", "--set %s: %s is set twice", setting, name)
		default:
			v.Variable, v.given = yamlform.Variable{Text: text, Origin: "of --set"}, true
		}
	}
}

// names lists the variables.
func (c *composition) names() []string { return slices.Sorted(maps.Keys(c.vars)) }

// find is the variable of a name.
func (c *composition) find(name string) (yamlform.Variable, error) {
	v := c.vars[name]
	if v == nil {
		return yamlform.Variable{}, fmt.Errorf("there is no variable %q%s", name,
			cmp.Or(yamlform.Suggest(name, c.names()), "; vars declares them"))
	}
	v.used = true
	return v.Variable, nil
}

// checkUse reports variables that are set, and warns of the other ones, that stand nowhere.
func (c *composition) checkUse() {
	for _, name := range c.names() {
		switch v := c.vars[name]; {
		case v.used:
		case v.given:
			c.varMap.Problemf(name, "--set %s=%s: $(%s) stands nowhere in the scenario", name, v.Text, name)
		default:
			c.varMap.Warnf(name, "$(%s) stands nowhere in the scenario", name)
		}
	}
}
