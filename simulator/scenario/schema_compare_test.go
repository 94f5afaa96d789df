package scenario_test

import "otafleet/simulator/scenario"

// compare gives the forms of the key compare, by name. Most tolerances are for several
// figures, or in a mapping for those of them.
func compare() node {
	number := orNumber(pattern(percentPattern+"|"+wholePattern), 0, 1<<32-1)
	duration := orNumber(pattern(percentPattern+"|"+durationPattern), 0, 0)
	bytes := orNumber(pattern(percentPattern+"|"+sizePattern), 0, 1<<40)
	or := func(all node, name string) node {
		return node{"if": node{"type": "object"}, "then": ref(name), "else": all}
	}
	classes, spans, figures, resources := keys{}, keys{}, keys{}, keys{}
	for _, class := range scenario.Classes() {
		classes[string(class)] = key{"", number}
	}
	quantiles := keys{}
	for _, q := range scenario.Quantiles() {
		quantiles[string(q)] = key{"", duration}
	}
	for _, span := range scenario.Spans() {
		spans[string(span)] = key{"", or(duration, "compare_span")}
	}
	for _, figure := range scenario.Figures() {
		figures[string(figure)] = key{"", number}
	}
	units := map[scenario.Unit]node{scenario.Number: number, scenario.Seconds: duration, scenario.Bytes: bytes}
	for _, word := range scenario.Resources() {
		m, _ := scenario.MeasureOf("resources." + word)
		resources[word] = key{m.Sentence, units[m.Unit]}
	}
	named := func(k keys) node {
		form := mapping(k)
		form["additionalProperties"] = number
		return form
	}
	return node{
		"compare": mapping(keys{
			"spread": {"How many times the spread of several baselines makes no difference; 2 if it is not given",
				node{"type": []string{"number", "string"}, "minimum": 0, "maximum": 100, "pattern": "^" + numberPattern + "$"}},
			"devices":   {"Devices by class, in a mapping by class or below the name of a fleet", or(number, "compare_devices")},
			"time":      {"How long things take", or(duration, "compare_time")},
			"codes":     {"Failures by their code", number},
			"refusals":  {"Decisions that said no by their reason", number},
			"faults":    {"Devices that faults struck, in a mapping by fault", or(number, "compare_faults")},
			"reports":   {"Reports of which something is wrong", or(number, "compare_reports")},
			"resources": {"What the run takes", or(percent(), "compare_resources")},
		}),
		"compare_devices": named(classes), "compare_time": mapping(spans), "compare_span": mapping(quantiles),
		"compare_faults": named(keys{}), "compare_reports": mapping(figures), "compare_resources": mapping(resources),
	}
}
