package scenario_test

import (
	"maps"
	"slices"
	"strings"

	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
)

// node is a JSON Schema, or a part of one.
type node = map[string]any

// key is a key of a mapping: what an editor shows, and what the value may be.
type key struct {
	says  string
	value node
}

// keys are those of a mapping. A name that ends in ! must be given.
type keys map[string]key

// mapping is the schema of a mapping that has these keys and no others.
func mapping(k keys) node {
	properties, required := node{}, []string{}
	for name, key := range k {
		name, needed := strings.CutSuffix(name, "!")
		if needed {
			required = append(required, name)
		}
		property := orVariable(key.value)
		if key.says != "" {
			property["description"] = key.says
		}
		properties[name] = property
	}
	schema := node{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		slices.Sort(required)
		schema["required"] = required
	}
	return schema
}

// orVariable lets a variable take the place of a single value.
func orVariable(form node) node {
	kinds, several := form["type"].([]string)
	if !several {
		kind, _ := form["type"].(string)
		kinds = []string{kind}
	}
	if kinds[0] == "" || slices.Contains(kinds, "object") || slices.Contains(kinds, "array") {
		return maps.Clone(form)
	}
	return node{"anyOf": []node{form, ref("variable")}}
}

// variable is a value with a variable in it.
func variable() node { return node{"type": "string", "pattern": `\$\([A-Za-z0-9_-]+\)`} }

// The forms of values. A bare number or word in YAML is not a text in JSON, so
// each form says which of them it takes.

const (
	durationPattern = `\+?(0|(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)`
	percentPattern  = `([0-9]+\.?[0-9]*|\.[0-9]+)%`
	wholePattern    = `\+?[0-9]+`
	sizePattern     = `\+?[0-9]+( *(KiB|MiB|GiB|TiB))?`
	numberPattern   = `([0-9]+\.?[0-9]*|\.[0-9]+)`
	signed          = `-?`
)

func pattern(p string) node { return node{"type": "string", "pattern": "^(" + p + ")$"} }

func text(maxLength int) node {
	return node{"type": []string{"string", "number", "boolean"}, "minLength": 1, "maxLength": maxLength}
}

func word(maxLength int, more string) node {
	return node{"type": []string{"string", "number", "boolean"}, "pattern": "^[A-Za-z0-9_" + more + "-]+$",
		"maxLength": maxLength}
}

func whole(least, most int) node {
	return node{"type": []string{"integer", "string"}, "minimum": least, "maximum": most, "pattern": "^" + signed +
		wholePattern + "$"}
}

// orNumber adds numbers to a form of text, from least to most.
func orNumber(form node, least, most int) node {
	form["type"], form["minimum"], form["maximum"] = []string{"string", "integer"}, least, most
	return form
}

func duration() node { return orNumber(pattern(durationPattern), 0, 0) }
func size() node     { return orNumber(pattern(sizePattern), 0, 1<<40) }
func rate() node     { return orNumber(pattern("0|"+sizePattern+"/s"), 0, 0) }
func percent() node  { return pattern(percentPattern) }
func boolean() node  { return node{"type": "boolean"} }

// ranged is a range, or a distribution, of what one pattern fits.
func ranged(one string) node {
	return pattern(one + `(\.\.` + one + `)?|normal\( *` + one + ` *, *` + one + ` *\)|exp\( *` + one +
		` *\)|lognormal\( *` + one + ` *, *` + numberPattern + ` *\)`)
}

func durations() node { return orNumber(ranged(signed+durationPattern), 0, 0) }

func comparison() node {
	return orNumber(pattern(`((>=|<=|>|<|==) *)?([0-9]+|`+percentPattern+`)`), 0, 1<<32-1)
}

func growth() node { return pattern("(<=|<) *" + percentPattern) }

func list(items node, least, most int) node {
	return node{"type": "array", "items": orVariable(items), "minItems": least, "maxItems": most}
}

func ref(name string) node { return node{"$ref": "#/$defs/" + name} }

// oneOf is one of a few words, with what each means for editors that show it.
func oneOf[T ~string](words []T, sentences []string) node {
	form := node{"type": "string", "enum": words}
	if sentences != nil {
		form["markdownEnumDescriptions"] = sentences
	}
	return form
}

func choice[T ~string](words ...T) node { return oneOf(words, nil) }

// each gives the words and sentences of a table.
func each[R any, T ~string](rows []R, of func(R) (T, string)) node {
	var words []T
	var sentences []string
	for _, row := range rows {
		w, s := of(row)
		words, sentences = append(words, w), append(sentences, s)
	}
	return oneOf(words, sentences)
}

func statuses() node {
	var entered []ota.Row
	for _, row := range ota.Statuses() {
		if row.Status != ota.PlanNotReceived {
			entered = append(entered, row)
		}
	}
	return each(entered, func(r ota.Row) (string, string) { return r.Wire, r.Sentence })
}

// when is a condition on the value of one key.
func when[T ~string](key string, values []T, then node) node {
	return node{"if": node{"properties": node{key: node{"enum": values}}, "required": []string{key}}, "then": then}
}

// only forbids those of all keys that are not allowed.
func only(all, allowed []string) node {
	forbidden := node{}
	for _, name := range all {
		if !slices.Contains(allowed, name) {
			forbidden[name] = false
		}
	}
	return forbidden
}

// oneRequired is a choice of which at least one key must be given.
func oneRequired(names ...string) (choice []node) {
	for _, name := range names {
		choice = append(choice, node{"required": []string{name}})
	}
	return choice
}

// The keys of a scenario, from the whole to its parts.

func documentKeys() keys {
	return keys{
		"scenario!":   {"The scenario's name: 1 to 64 characters of A-Z a-z 0-9 _ -", word(64, "")},
		"description": {"A sentence on what it proves", node{"type": "string"}},
		"platform": {"Whose dialect devices speak, if the run does not say; native if it is not given",
			choice(scenario.Platforms()...)},
		"seed": {"Of every draw; 1 if it is not given", node{"type": []string{"integer", "string"}, "minimum": 0,
			"pattern": "^[0-9]+$"}},
		"duration!": {"Then the run ends, finished or not: 1s to 2160h, which are 90 days", duration()},
		"windows":   {"Width of a window of the rolling verdict, at most 240 in a run", duration()},
		"vars": {"Variables, by their names, and what $(NAME) stands for: a value, or nothing if --set must give it",
			node{"type": []string{"object"}, "additionalProperties": node{"type": []string{"string", "number", "boolean",
				"null"}}, "propertyNames": node{"pattern": "^[A-Za-z0-9_-]{1,64}$"}, "maxProperties": scenario.MaxVars}},
		"include": included(),
		"fleet": {"What devices there are: a list of fleets, or the file that lists them",
			node{"if": node{"type": "object"}, "then": ref("listed"), "else": list(ref("fleet"), 1, scenario.MaxFleets)}},
		"plans":   {"What the platform wants of them", list(ref("plan"), 0, scenario.MaxPlans)},
		"events":  {"What happens to the world and to the plans, at a time", list(ref("event"), 0, scenario.MaxEvents)},
		"faults":  {"What goes wrong on some devices", list(ref("fault"), 0, scenario.MaxFaults)},
		"expect":  {"What must hold in the end", ref("expect")},
		"compare": {"What makes no difference between two runs", ref("compare")},
	}
}

func included() key {
	return key{"Files beside the scenario, with more fleets, plans, events, faults and expectations",
		list(text(4096), 1, scenario.MaxParts)}
}

// part is the schema of a file that a scenario includes.
func part() node {
	all := documentKeys()
	return mapping(keys{"include": included(), "fleet": {all["fleet"].says, list(ref("fleet"), 1, scenario.MaxFleets)},
		"plans": all["plans"], "events": all["events"], "faults": all["faults"], "expect": all["expect"]})
}

func plan() node {
	users := mapping(keys{
		"confirm": {"Share of the users that want it", percent()},
		"cancel":  {"Share of the users that do not want it", percent()},
		"after":   {"How long a user takes", durations()},
	})
	users["anyOf"] = oneRequired("confirm", "cancel")
	again := mapping(keys{
		"every!": {"From the beginning of a round to that of the next: 10s or more", duration()},
		"times":  {"Rounds; as many as begin before the run ends if it is not given", whole(2, scenario.MaxRounds)},
		"versions": {"alternate, if it is not given: the target and the next number in turns; count: each round the next one",
			choice(scenario.Alternate, scenario.Count)},
	})
	form := mapping(keys{
		"name!":       {"Unique", word(ota.MaxKey, ".")},
		"product!":    {"Of some fleet", word(ota.MaxKey, "")},
		"only":        {"Fleets that alone are upgraded", list(word(ota.MaxKey, ""), 1, scenario.MaxFleets)},
		"except":      {"Fleets that are not upgraded", list(word(ota.MaxKey, ""), 1, scenario.MaxFleets)},
		"components!": {"Upgraded in this order", list(ref("package"), 1, ota.MaxComponents)},
		"mode":        {"silent if it is not given; manual waits for the user", choice(ota.Silent, ota.Manual)},
		"starts":      {"When it becomes active, after the start of the run", duration()},
		"ends":        {"When it ends, after the start of the run; after the run if it is not given", duration()},
		"repeat":      {"How it comes again and again", again},
		"push":        {"Whether the platform sends it by itself; true if it is not given", boolean()},
		"window": {"Hours of the day in which it is pushed, by a clock that shows midnight when the run starts: 1-5",
			pattern("([01]?[0-9]|2[0-3])-([01]?[0-9]|2[0-4])")},
		"rejection": {"How long it is not pushed after a refusal: 10m to 24h, 2h if it is not given", duration()},
		"users":     {"Who answers a manual plan", users},
		"conditions": {"What it asks of a device", mapping(keys{
			"min_battery": {"Percent", whole(0, 100)},
			"min_rssi":    {"dBm", whole(-113, 0)},
		})},
		"retries":    {"Attempts of the platform after the first; 5 if it is not given", whole(0, ota.MaxRetries)},
		"on_failure": {"stop if it is not given", choice(ota.Stop, ota.Continue, ota.Revert)},
	})
	form["dependentSchemas"] = node{"repeat": node{"properties": node{"ends": false}}}
	form["allOf"] = []node{{
		"if":   node{"properties": node{"mode": node{"const": ota.Manual}}, "required": []string{"mode"}},
		"then": node{"properties": node{"push": false, "window": false, "rejection": false, "repeat": false}},
		"else": node{"properties": node{"users": false}},
	}, {
		"if":   node{"properties": node{"push": node{"const": false}}, "required": []string{"push"}},
		"then": node{"properties": node{"window": false, "rejection": false}},
	}}
	return form
}

func packageOf() node {
	form := mapping(keys{
		"id!":      {"A component of the product's fleets", word(ota.MaxComponentID, ".")},
		"type":     {"The fleet's if it is not given", choice(ota.Module, ota.MCU)},
		"package!": {"", choice(ota.Full, ota.Delta)},
		"sources": {"Versions of which the device must run one; a delta has exactly one",
			list(text(ota.MaxVersion), 1, ota.MaxSources)},
		"target!":  {"The version to install", text(ota.MaxVersion)},
		"size!":    {"Of the image: 64KiB, 1MiB", size()},
		"encoding": {"identity if it is not given", choice(ota.Plain, ota.Zstd)},
		"chunk":    {"512 to 4MiB; 64KiB if it is not given", size()},
		"hardware": {"Revisions that the package fits; any if it is not given",
			list(text(ota.MaxVersion), 1, ota.MaxHardware)},
		"release": {"The package's release counter; the number of the plan if it is not given",
			whole(0, scenario.MaxRelease)},
		"allow_downgrade": {"Whether the package may go below the release that the device has run", boolean()},
	})
	form["allOf"] = []node{when("package", []ota.PackageKind{ota.Delta}, node{
		"required": []string{"sources"}, "properties": node{"sources": node{"maxItems": 1}},
	})}
	return form
}

func event() node {
	form := mapping(keys{
		"at!": {"After the start of the run", duration()},
		"do!": {"What happens", each(scenario.Actions(), func(r scenario.ActionRow) (scenario.Action,
			string) {
			return r.Action, r.Sentence
		})},
		"for":   {"How long it lasts", duration()},
		"fleet": {"Only the devices of this fleet", word(ota.MaxKey, "")},
		"plan":  {"The plan that it is about", word(ota.MaxKey, ".")},
	})
	all := []string{scenario.ParamFor, scenario.ParamFleet, scenario.ParamPlan}
	var rules []node
	for _, row := range scenario.Actions() {
		then := node{"properties": only(all, slices.Concat(row.Needs, row.Params))}
		if row.Needs != nil {
			then["required"] = row.Needs
		}
		rules = append(rules, when("do", []scenario.Action{row.Action}, then))
	}
	form["allOf"] = rules
	return form
}

func fault() node {
	name := word(64, "")
	name["not"] = node{"const": "fired"}
	form := mapping(keys{
		"name!": {"Unique", name},
		"do!": {"What happens", each(scenario.Kinds(), func(r scenario.KindRow) (scenario.Kind, string) {
			return r.Kind,
				r.Sentence
		})},
		"at!":       {"Where in its life it strikes the device", choice(scenario.Places()...)},
		"chance":    {"The probability with which each device has it", percent()},
		"exactly":   {"The share of the devices that have it, chosen by the seed", percent()},
		"fleet":     {"Only devices of this fleet", word(ota.MaxKey, "")},
		"component": {"Only while this component is in work, or about it", word(ota.MaxComponentID, ".")},
		"times": {"How often it strikes a device that has it; once if it is not given",
			orNumber(ranged(wholePattern), 1, 1000)},
		"after": {"When within the step: a share or a duration",
			orNumber(node{"type": "string", "anyOf": []node{ranged(percentPattern), durations()}}, 0, 0)},
		"for":    {"How long it lasts", durations()},
		"by":     {"By how much", durations()},
		"rate":   {"Bytes a second that are left: 16KiB/s", pattern(sizePattern + "/s")},
		"status": {"HTTP status; 503 if it is not given", whole(400, 599)},
		"retry_after": {"At poll and report: how long the answer asks to wait, in whole seconds",
			orNumber(pattern(durationPattern), 0, 0)},
		"reason": {"Of the refusal; busy if it is not given", choice(scenario.Reasons()...)},
	})
	form["anyOf"] = oneRequired("chance", "exactly")
	form["dependentSchemas"] = node{"chance": node{"properties": node{"exactly": false}}}
	all := []string{scenario.ParamComponent, scenario.ParamTimes, scenario.ParamAfter, scenario.ParamFor, scenario.ParamBy,
		scenario.ParamRate, scenario.ParamStatus, scenario.ParamRetryAfter, scenario.ParamReason}
	rules := []node{
		when("at", []scenario.Place{scenario.AtConnect}, node{"properties": node{"component": false}}),
		when("at", []scenario.Place{scenario.AtPoll, scenario.AtReport}, node{"properties": node{"after": false}}),
		when("at", []scenario.Place{scenario.At(ota.Downloading)}, node{"properties": node{"retry_after": false}}),
		{"if": node{"properties": node{"at": node{"enum": []scenario.Place{scenario.AtPoll, scenario.AtReport}},
			"do": node{"enum": []scenario.Kind{scenario.HTTPStatus}}}, "required": []string{"at", "do"}},
			"then": node{"properties": node{"component": false}}},
	}
	for _, row := range scenario.Kinds() {
		properties := only(all, row.Params)
		properties["at"] = node{"enum": row.Places}
		then := node{"properties": properties}
		if row.Needs != nil {
			then["required"] = row.Needs
		}
		rules = append(rules, when("do", []scenario.Kind{row.Kind}, then))
	}
	form["allOf"] = rules
	return form
}

func expect() node {
	byName := func(value node, k keys) node {
		form := mapping(k)
		form["additionalProperties"] = value
		return form
	}
	classes, figures, quantiles, spans, ends := keys{}, keys{}, keys{}, keys{}, keys{}
	grows, drifts := keys{}, keys{"memory": {"Of the processes, from the second tenth of the run to the last", growth()}}
	for _, class := range scenario.Classes() {
		classes[string(class)] = key{"", comparison()}
	}
	for _, figure := range scenario.Figures() {
		figures[string(figure)] = key{"", comparison()}
	}
	for _, q := range scenario.Quantiles() {
		grows[string(q)] = key{"From the first tenth of the windows to the last", growth()}
		quantiles[string(q)] = key{`A sign and a duration: "< 5m"`, pattern("(>=|<=|>|<) *" + durationPattern)}
	}
	for _, span := range scenario.Spans() {
		spans[string(span)] = key{"", mapping(quantiles)}
		drifts[string(span)] = key{"", mapping(grows)}
	}
	for _, status := range statuses()["enum"].([]string) {
		ends[status] = key{"", comparison()}
	}
	beliefs := keys{"finished": {"Whether the platform waits for no device any more", node{"type": "boolean"}}}
	for _, belief := range scenario.Beliefs() {
		beliefs[string(belief)] = key{"", comparison()}
	}
	believed := maps.Clone(beliefs)
	believed["mistaken"] = key{"Devices of which the platform believes that they run another version", comparison()}
	believed["plans"] = key{"The same under one plan, below its name", byName(mapping(beliefs), nil)}
	return mapping(keys{
		"platform": {"Devices by what the platform believes of them", mapping(believed)},
		"devices": {"Devices by the class in which they end, of all and below the name of a fleet",
			byName(mapping(classes), classes)},
		"components": {"Devices by their component's last status, below its id", byName(mapping(ends), nil)},
		"reports":    {"Reports of which something is wrong", mapping(figures)},
		"time":       {"How long things take", mapping(spans)},
		"windows": {"The rolling verdict", mapping(keys{
			"held!": {"Windows in which everything held that they can tell of", comparison()}})},
		"drift": {`By how much figures grow over the run: a sign and a share, "<= 5%"`, mapping(drifts)},
		"faults": {"How often faults strike, below their name", byName(
			orNumber(pattern(`((>=|<=|>|<|==) *)?[0-9]+`), 0, 1<<32-1),
			keys{"fired": {"Every declared fault must strike", choice("all")}})},
		"never":  {"What may never happen to a device", list(ref("never"), 0, scenario.MaxRules)},
		"always": {"What must follow whenever something happens to a device", list(ref("always"), 0, scenario.MaxRules)},
	})
}

// patternKeys are those that say what an event has to be.
func patternKeys() keys {
	return keys{
		"event!":    {"What happens", ref("event_kind")},
		"plan":      {"Only under this plan", word(ota.MaxKey, ".")},
		"component": {"Only of this component", word(ota.MaxComponentID, ".")},
		"fault":     {"Only of this fault", word(64, "")},
		"status":    {"Only reports of this status", ref("status")},
		"code":      {"Only reports of a failure with this code", ref("code")},
	}
}

func eventKinds() node {
	return each(scenario.EventKinds(), func(r scenario.EventKindRow) (scenario.EventKind, string) {
		return r.Kind,
			r.Sentence
	})
}

func codes() node {
	sentences := ota.Codes()
	return each(slices.Sorted(maps.Keys(sentences)), func(c ota.Code) (ota.Code, string) { return c, sentences[c] })
}

// eventForm is a mapping with the keys of a pattern, and more.
func eventForm(more keys) node {
	all := patternKeys()
	maps.Copy(all, more)
	form := mapping(all)
	var rules []node
	for _, row := range scenario.EventKinds() {
		then := node{"properties": only([]string{scenario.ParamPlan, scenario.ParamComponent, scenario.ParamFault,
			scenario.ParamStatus, scenario.ParamCode}, row.Params)}
		rules = append(rules, when("event", []scenario.EventKind{row.Kind}, then))
	}
	form["allOf"] = rules
	return form
}

func ruleKeys() keys {
	return keys{
		"name":  {"Unique; made of what the rule says if it is not given", text(4096)},
		"fleet": {"Only devices of this fleet", word(ota.MaxKey, "")},
		"after": {"Only if this has happened to the device before", ref("pattern")},
	}
}

func neverRule() node {
	form := eventForm(ruleKeys())
	forbidden := form["properties"].(node)
	forbidden["then"], forbidden["within"] = false, false
	return form
}

func alwaysRule() node {
	all := ruleKeys()
	all["then!"] = key{"What must follow", ref("pattern")}
	all["within"] = key{"How soon; before the end of the run if it is not given", duration()}
	return eventForm(all)
}

// schema is the JSON Schema of a scenario.
func schema() node {
	form := mapping(documentKeys())
	form["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	form["title"] = "ota-sim scenario"
	form["anyOf"] = oneRequired("fleet", "include")
	form["$defs"] = node{
		"fleet": numbered(), "listed": listed(), "link": link(), "arrive": arrive(), "install": installation(),
		"plan": plan(), "package": packageOf(), "event": event(), "fault": fault(),
		"expect": expect(), "never": neverRule(), "always": alwaysRule(), "pattern": eventForm(nil),
		"event_kind": orVariable(eventKinds()), "status": orVariable(statuses()), "code": orVariable(codes()),
		"variable": variable(), "part": part(),
	}
	maps.Copy(form["$defs"].(node), compare())
	return form
}
