package scenario

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"otafleet/internal/yamlform"
)

// allowing is a figure, or several whose names begin with the same words, that a
// tolerance can be for.
type allowing struct {
	word  string
	unit  Unit
	below []allowing // figures of which one alone may be meant
}

// allowings are the figures of the scenario that tolerances can name.
func (s *Scenario) allowings() []allowing {
	devices := leaves(Number, Classes())
	for _, name := range s.fleetNames() {
		devices = append(devices, allowing{word: name, unit: Number})
	}
	var spans, resources []allowing
	for _, span := range Spans() {
		spans = append(spans, allowing{string(span), Seconds, leaves(Seconds, Quantiles())})
	}
	for _, word := range Resources() {
		m, _ := MeasureOf("resources." + word)
		resources = append(resources, allowing{word: word, unit: m.Unit})
	}
	return []allowing{
		{"devices", Number, devices}, {"time", Seconds, spans}, {word: "codes", unit: Number},
		{word: "refusals", unit: Number}, {"faults", Number, leaves(Number, s.faultNames())},
		{"reports", Number, leaves(Number, Figures())}, {"resources", mixed, resources},
	}
}

// faultNames lists the faults that are declared, each once.
func (s *Scenario) faultNames() (all []string) {
	for i := range s.Faults {
		if name := s.Faults[i].Name; name != "" && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

func leaves[T ~string](unit Unit, words []T) (all []allowing) {
	for _, word := range words {
		all = append(all, allowing{word: string(word), unit: unit})
	}
	return all
}

func readCompare(m *yamlform.Map, s *Scenario) {
	s.Compare.Spread = DefaultSpread
	yamlform.Value(m, "spread", &s.Compare.Spread, parseSpread)
	s.Compare.read(m, "", s.allowings())
}

// read reads tolerances: each of a figure, or a mapping with those of the figures below it.
func (c *Compare) read(m *yamlform.Map, prefix string, figures []allowing) {
	for i := range figures {
		f := &figures[i]
		name := prefix + f.word
		if f.below != nil && m.HasMap(f.word) {
			c.read(m.Map(f.word), name+".", f.below)
			continue
		}
		var t Tolerance
		yamlform.Value(m, f.word, &t, f.parse)
		if m.Has(f.word) {
			c.Allow(name, t)
		}
	}
}

// parse reads a tolerance of the figure: a share, or so much.
func (f *allowing) parse(text string) (t Tolerance, err error) {
	if strings.HasSuffix(text, "%") {
		t.Share, err = parsePercent(text)
		return t, err
	}
	var d time.Duration
	var n int64
	switch f.unit {
	case Seconds:
		d, err = yamlform.Between(0, MaxDuration, yamlform.ParseDuration, show[time.Duration])(text)
		t.Least = d.Seconds()
	case Bytes:
		n, err = yamlform.ParseSize(text)
		t.Least = float64(n)
	case Number:
		var whole uint64
		whole, err = strconv.ParseUint(text, 10, 32)
		t.Least = float64(whole)
	default:
		err = fmt.Errorf("%q cannot be for all of them; want a share, such as 20%%", text)
	}
	if err != nil && f.unit != mixed {
		err = fmt.Errorf("%q is not a tolerance; want a share or %s", text, f.unit.example())
	}
	return t, err
}

// example says in which form so much of a unit is written.
func (u Unit) example() string {
	switch u {
	case Seconds:
		return "a duration, such as 10% or 2s"
	case Bytes:
		return "a size, such as 10% or 4MiB"
	}
	return "a number, such as 1% or 2"
}

// maxSpread bounds the number of times that a spread makes no difference.
const maxSpread = 100

func parseSpread(text string) (float64, error) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n >= 0 && n <= maxSpread) {
		return 0, fmt.Errorf("%q is not a number of times; want 0 to %d, such as 3", text, maxSpread)
	}
	return n, nil
}

// ParseTolerance reads a tolerance by the name of what it is for, in the form of the
// key compare: time.download.p99=10%.
func (s *Scenario) ParseTolerance(text string) (figure string, t Tolerance, err error) {
	figure, value, found := strings.Cut(text, "=")
	if !found {
		return "", t, fmt.Errorf("%q is not a tolerance; want a figure and how much, such as time.download=10%%", text)
	}
	among := s.allowings()
	var at *allowing
	for word := range strings.SplitSeq(figure, ".") {
		known := make([]string, len(among))
		for i := range among {
			known[i] = among[i].word
		}
		if at = find(among, word); at == nil {
			return "", t, fmt.Errorf("%s: no tolerance is for %q%s", figure, word, yamlform.Suggest(word, known))
		}
		among = at.below
	}
	if t, err = at.parse(value); err != nil {
		return "", t, fmt.Errorf("%s: %w", figure, err)
	}
	return figure, t, nil
}

func find(among []allowing, word string) *allowing {
	for i := range among {
		if among[i].word == word {
			return &among[i]
		}
	}
	return nil
}
