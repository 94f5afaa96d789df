package report

import (
	"fmt"
	"strings"

	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// newHeadline says the verdict in a word and a sentence or two.
func newHeadline(v *verdict.Verdict) headline {
	o := headline{Word: "Held"}
	n := len(v.Expectations)
	switch _, deferred := judged(v); {
	case v.Held && deferred > 0:
		o.Sentence = fmt.Sprintf("%s of %s expectations held, and %s. ", grouped(n-deferred), grouped(n), later(v))
	case v.Held:
		o.Sentence = fmt.Sprintf("All %s expectations held. ", grouped(n))
	default:
		o.Word = "Not held"
		for _, e := range v.Expectations {
			if !e.Held {
				o.Failed = append(o.Failed, e)
			}
		}
		o.Sentence = fmt.Sprintf("%s of %s expectations did not hold. ", grouped(len(o.Failed)), grouped(n))
	}
	o.Sentence += devicesSentence(v.Figures)
	return o
}

// urgency is how far up a reader looks for the expectation: the smallest first.
func urgency(e *verdict.Expectation) int {
	switch {
	case !e.Held:
		return 0
	case !e.Deferred:
		return 1
	}
	return 2
}

// devicesSentence says what became of the devices.
func devicesSentence(f *verdict.Figures) string {
	var others []string
	for _, class := range scenario.Classes() {
		if n := f.Classes[class]; n > 0 && class != scenario.Upgraded {
			others = append(others, grouped(n)+" "+classSays(class, n))
		}
	}
	text := fmt.Sprintf("Of %s, %s", groupedDevices(f.Devices), grouped(f.Classes[scenario.Upgraded]))
	if f.Classes[scenario.Upgraded] == 1 {
		text += " was upgraded"
	} else {
		text += " were upgraded"
	}
	switch len(others) {
	case 0:
		return text + "."
	case 1:
		return text + " and " + others[0] + "."
	}
	return text + ", " + strings.Join(others[:len(others)-1], ", ") + " and " + others[len(others)-1] + "."
}

// classSays says of some devices that they are in a class.
func classSays(class scenario.Class, n int) string {
	switch class {
	case scenario.UpgradeFailed:
		return "failed"
	case scenario.NoUpdateRequired:
		return "needed nothing"
	case scenario.NotUpgraded:
		return "never began"
	case scenario.Refused:
		return "refused"
	case scenario.Unfinished:
		return "did not come to an end"
	case scenario.Unreachable:
		return "never connected"
	}
	if n == 1 {
		return "is unaccounted for"
	}
	return "are unaccounted for"
}

func keyFigures(v *verdict.Verdict) []keyFigure {
	f := v.Figures
	upgraded := keyFigure{"Upgraded", percentOf(f.Classes[scenario.Upgraded], f.Devices),
		grouped(f.Classes[scenario.Upgraded]) + " of " + groupedDevices(f.Devices)}
	times := keyFigure{"Upgrade time", "none", "no device was upgraded"}
	if d := &f.Times.Upgrade; d.Count() > 0 {
		times = keyFigure{"Upgrade time", verdict.Seconds(d.At(scenario.P50)),
			"median; 99% within " + verdict.Seconds(d.At(scenario.P99))}
	}
	struck, fired := 0, 0
	for i := range f.Faults {
		fired += f.Faults[i].Fired
		if f.Faults[i].Fired > 0 {
			struck++
		}
	}
	wrong := f.Reports.OutOfOrder + f.Reports.Conflicting + f.Reports.Illegal
	return []keyFigure{
		upgraded, times,
		{"Reports lost", grouped(f.Reports.Lost),
			fmt.Sprintf("of %s; %s wrong", grouped(f.Reports.Numbered), grouped(wrong))},
		{"Faults fired", grouped(fired), fmt.Sprintf("%d of %d that are declared", struck, len(f.Faults))},
		{"Downloaded", ota.FormatSize(f.Bytes), "verified" + rate(f.Bytes, f.Duration)},
		{"Run", verdict.Seconds(f.Duration), v.World + " world, seed " + fmt.Sprint(v.Seed)},
	}
}

// grouped prints a number with a comma between thousands.
func grouped(n int) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

func groupedDevices(n int) string {
	if n == 1 {
		return "1 device"
	}
	return grouped(n) + " devices"
}

// percentOf prints a share. What is not all is never printed as 100%, and what
// is not nothing never as 0%.
func percentOf(n, total int) string {
	if total == 0 {
		return "none"
	}
	share := 100 * float64(n) / float64(total)
	switch {
	case n == total:
		return "100%"
	case n == 0:
		return "0%"
	case share > 99.99:
		return ">99.99%"
	case share < 0.01:
		return "<0.01%"
	case share > 99 || share < 1:
		return fmt.Sprintf("%.2f%%", share)
	}
	return fmt.Sprintf("%.1f%%", share)
}

// judged divides the expectations: how many failed, and how many were deferred.
func judged(v *verdict.Verdict) (failed, deferred int) {
	for _, e := range v.Expectations {
		switch {
		case !e.Held:
			failed++
		case e.Deferred:
			deferred++
		}
	}
	return failed, deferred
}

// outcome is the verdict in a few words.
func outcome(v *verdict.Verdict) string {
	n := len(v.Expectations)
	failed, deferred := judged(v)
	switch {
	case !v.Held:
		return fmt.Sprintf("NOT HELD: %d of %s failed", failed, ota.Counted(n, "expectation"))
	case deferred > 0:
		return fmt.Sprintf("HELD: %d of %s, and %s", n-deferred, ota.Counted(n, "expectation"), later(v))
	}
	return "HELD"
}

// later says when the deferred expectations are judged.
func later(v *verdict.Verdict) string {
	if v.Figures.Chosen {
		return "the others are not judged, since only all devices can tell"
	}
	return "the others are judged when all parts of the run are merged"
}
