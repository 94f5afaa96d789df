package hawkbit

import (
	"strings"

	"otafleet/internal/ota"
)

// outcome is how a component's upgrade has ended, as a line of feedback says it.
type outcome struct {
	status  ota.Status // PlanNotReceived if the line says nothing of the kind
	version string     // that the component runs now
	failure *ota.Failure
}

// lineOf finds the line about a component, "<component>: <text>", and gives its text.
func lineOf(details []string, component string) (text string, found bool) {
	for _, line := range details {
		if rest, is := strings.CutPrefix(line, component+": "); is {
			text, found = rest, true // the last word counts
		}
	}
	return text, found
}

// parseOutcome reads "runs <version>", "runs <version> already" and
// "<status> (<code>[: <detail>]); runs <version>".
func parseOutcome(text string) outcome {
	if version, is := strings.CutPrefix(text, "runs "); is {
		version, already := strings.CutSuffix(version, " already")
		switch {
		case !ota.ValidVersion(version):
			return outcome{}
		case already:
			return outcome{ota.NoUpdateRequired, version, nil}
		}
		return outcome{ota.UpgradeSucceeded, version, nil}
	}
	name, rest, _ := strings.Cut(text, " (")
	status, known := ota.ParseStatus(name)
	if !known || !status.Failed() {
		return outcome{}
	}
	cause, version := rest, ""
	if i := strings.LastIndex(rest, "); runs "); i >= 0 && ota.ValidVersion(rest[i+len("); runs "):]) {
		cause, version = rest[:i], rest[i+len("); runs "):]
	}
	code, detail, _ := strings.Cut(cause, ": ")
	failure := &ota.Failure{Code: ota.Code(code), Detail: ota.Clip(detail, ota.MaxDetail)}
	if !failure.Code.Known() {
		failure = &ota.Failure{Code: ota.Internal, Detail: ota.Clip(cause, ota.MaxDetail)}
	}
	return outcome{status, version, failure}
}

// refusalIn finds "refused: <reason>[: <detail>]" among the lines. A device that says
// nothing of the kind is busy.
func refusalIn(details []string) (reason ota.Reason, detail string, found bool) {
	for _, line := range details {
		rest, is := strings.CutPrefix(line, "refused: ")
		if !is {
			continue
		}
		word, detail, _ := strings.Cut(rest, ": ")
		if reason := ota.Reason(word); reason.Valid() {
			return reason, ota.Clip(detail, ota.MaxDetail), true
		}
	}
	return ota.ReasonBusy, joined(details), false
}

// codeOf is the code of a failure that a refusal for good is.
func codeOf(r ota.Reason) ota.Code {
	switch r {
	case ota.ReasonExpired:
		return ota.PlanExpired
	case ota.ReasonIncompatible:
		return ota.VersionMismatch
	case ota.ReasonInvalidPlan:
		return ota.ManifestMismatch
	}
	return ota.PlanTerminated
}

// afterSwitch reports whether a failure is one of a component whose switch had begun.
func afterSwitch(c ota.Code) bool {
	switch c {
	case ota.VerifyFailed, ota.BootFailed, ota.HealthCheckFailed, ota.Interrupted:
		return true
	}
	return false
}

func joined(details []string) string { return ota.Clip(strings.Join(details, "\n"), ota.MaxDetail) }
