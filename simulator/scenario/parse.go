package scenario

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"otafleet/internal/ota"
	"otafleet/internal/yamlform"
)

// Parse reads a scenario. The name stands in front of every mistake: give the
// path by which the user knows the file. The error is a *yamlform.Error with
// all mistakes at once. What is no mistake and can never happen is in Warnings.
func Parse(name string, data []byte) (*Scenario, error) { return ParseWith(name, data, Devices{}) }

// ParseWith is Parse of a scenario whose devices are not, or not only, in its text.
func ParseWith(name string, data []byte, from Devices) (*Scenario, error) {
	s, _, err := Compose(name, data, &Beside{Devices: from})
	return s, err
}

// read reads the document, when it is composed.
func (s *Scenario) read(m *yamlform.Map, c *composition) {
	m.Require("scenario", "duration", "fleet")
	m.Text("scenario", &s.Name, word)
	m.Text("description", &s.Description, prose)
	yamlform.Value(m, "seed", &s.Seed, parseSeed)
	m.Duration("duration", &s.Duration, MinDuration, MaxDuration)
	yamlform.Enum(m, "platform", &s.Platform, Platforms()...)
	readFleets(m, s, c)
	readPlans(m, s)
	readWindows(m, s)
	readEvents(m, s)
	readFaults(m, s)
	readExpect(m.Map("expect"), s)
	readCompare(m.Map("compare"), s)
}

func parseSeed(text string) (uint64, error) {
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a seed; want a whole number from 0 to %d", text, uint64(math.MaxUint64))
	}
	return seed, nil
}

// The rules of the texts in a scenario.

func word(text string) error {
	return yamlform.Words(ota.ValidKey, "want 1 to 64 characters of A-Z a-z 0-9 _ -")(text)
}

func componentID(text string) error {
	return yamlform.Words(ota.ValidComponentID, "want 1 to 32 characters of A-Z a-z 0-9 _ . -")(text)
}

func version(text string) error {
	return yamlform.Words(ota.ValidVersion, "want 1 to 64 printable characters")(text)
}

func prose(text string) error {
	return yamlform.Line(strings.ReplaceAll(strings.TrimSpace(text), "\n", " "))
}

// names finds the second use of a name.
type names map[string]string // where each is used first

func (n names) add(m *yamlform.Map, key, name string) {
	first, used := n[name]
	if name != "" && used {
		m.Problemf(key, "%q is there already, at %s; names are unique", name, first)
		return
	}
	n[name] = m.Where(key)
}
