package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"

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
	all := junitSuites{Name: v.Scenario.Name}
	all.addVerdict(v)
	return all.write(w)
}

func (all *junitSuites) addVerdict(v *verdict.Verdict) {
	for _, e := range v.Expectations {
		class := v.Scenario.Name
		if e.Fleet != "" {
			class += "." + e.Fleet
		}
		c := junitCase{Class: class, Name: e.Name, Out: "measured: " + e.Measured}
		switch {
		case e.Deferred:
			c.Skipped = &struct{}{}
		case !e.Held:
			c.Failure = &junitFailure{Message: e.Name + ": measured " + e.Measured}
		}
		all.add(v, c)
	}
}

// add adds a case to the suite of its class, which is about the run of a verdict.
func (all *junitSuites) add(v *verdict.Verdict, c junitCase) {
	i := slices.IndexFunc(all.Suites, func(s *junitSuite) bool { return s.Name == c.Class })
	if i < 0 {
		i = len(all.Suites)
		all.Suites = append(all.Suites, newSuite(v, c.Class))
	}
	suite := all.Suites[i]
	suite.Tests++
	all.Tests++
	if c.Skipped != nil {
		suite.Skipped++
		all.Skipped++
	}
	if c.Failure != nil {
		suite.Failures++
		all.Failures++
	}
	suite.Cases = append(suite.Cases, c)
}

func (all *junitSuites) write(w io.Writer) error {
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
