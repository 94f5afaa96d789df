package report

import (
	"encoding/xml"
	"fmt"
	"io"

	"otafleet/simulator/verdict"
)

type junitSuites struct {
	XMLName  xml.Name `xml:"testsuites"`
	Name     string   `xml:"name,attr"`
	Tests    int      `xml:"tests,attr"`
	Skipped  int      `xml:"skipped,attr,omitempty"`
	Failures int      `xml:"failures,attr"`
	Suites   []*junitSuite
}

type junitSuite struct {
	XMLName    xml.Name        `xml:"testsuite"`
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Skipped    int             `xml:"skipped,attr,omitempty"`
	Failures   int             `xml:"failures,attr"`
	Time       float64         `xml:"time,attr"`
	Properties []junitProperty `xml:"properties>property"`
	Cases      []junitCase     `xml:"testcase"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Failure *junitFailure `xml:"failure,omitempty"`
	Skipped *struct{}     `xml:"skipped,omitempty"` // deferred
	Out     string        `xml:"system-out"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
}

// WriteJUnit writes the verdict as a JUnit report: a test case for every
// expectation, in a suite of the scenario's name for those of the whole run, and
// in one for each fleet that expectations are about.
func WriteJUnit(w io.Writer, v *verdict.Verdict) error {
	name := v.Scenario.Name
	all := junitSuites{Name: name}
	byName := map[string]*junitSuite{}
	for _, e := range v.Expectations {
		class := name
		if e.Fleet != "" {
			class += "." + e.Fleet
		}
		suite := byName[class]
		if suite == nil {
			suite = newSuite(v, class)
			byName[class], all.Suites = suite, append(all.Suites, suite)
		}
		suite.Tests++
		all.Tests++
		c := junitCase{Class: class, Name: e.Name, Out: "measured: " + e.Measured}
		switch {
		case e.Deferred:
			suite.Skipped++
			all.Skipped++
			c.Skipped = &struct{}{}
		case !e.Held:
			suite.Failures++
			all.Failures++
			c.Failure = &junitFailure{Message: e.Name + ": measured " + e.Measured}
		}
		suite.Cases = append(suite.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	out := xml.NewEncoder(w)
	out.Indent("", "  ")
	if err := out.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// newSuite is an empty suite, with what is needed to run it again.
func newSuite(v *verdict.Verdict, name string) *junitSuite {
	return &junitSuite{Name: name, Time: v.Figures.Duration.Seconds(), Properties: []junitProperty{
		{"seed", fmt.Sprint(v.Seed)}, {"world", v.World},
		{"devices", fmt.Sprint(v.Figures.Devices)}, {"history_digest", v.HistoryDigest},
	}}
}
