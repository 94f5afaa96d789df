package verdict

import (
	"encoding/xml"
	"io"
)

type junitSuites struct {
	XMLName xml.Name   `xml:"testsuites"`
	Suite   junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Time     float64     `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Failure *junitFailure `xml:"failure,omitempty"`
	Out     string        `xml:"system-out"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
}

// WriteJUnit writes the verdict as a JUnit report: a test case for every
// expectation, in a class named after the scenario and, where the expectation is
// about one, the fleet.
func (v *Verdict) WriteJUnit(w io.Writer) error {
	suite := junitSuite{Name: v.Scenario, Tests: len(v.Expectations), Time: v.Figures.Duration.Seconds()}
	for _, e := range v.Expectations {
		c := junitCase{Class: v.Scenario, Name: e.Name, Out: "measured: " + e.Measured}
		if e.Fleet != "" {
			c.Class += "." + e.Fleet
		}
		if !e.Held {
			suite.Failures++
			c.Failure = &junitFailure{Message: e.Name + ": measured " + e.Measured}
		}
		suite.Cases = append(suite.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	out := xml.NewEncoder(w)
	out.Indent("", "  ")
	if err := out.Encode(junitSuites{Suite: suite}); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
