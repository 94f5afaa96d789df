package wire

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

const (
	ruleCase = "must not have a member whose name is not of a-z, 0-9 and _"
	ruleOnce = "must not have two members of one name"
)

// checkNames refuses what two readers of one signed text may understand
// differently, and returns the rule that it breaks, or "": a member that stands
// twice, of which some take the first and some the last, and one that differs
// from a known name in its case, which package json takes for that name. It does
// not check that the payload is JSON.
func checkNames(payload []byte) (rule string) {
	in := json.NewDecoder(bytes.NewReader(payload))
	var open [][]string // the names so far of each object within the others; nil for a list
	for isName := false; ; {
		token, err := in.Token()
		if err != nil {
			return "" // its end, or no JSON
		}
		switch t := token.(type) {
		case json.Delim:
			switch {
			case t == '}' || t == ']':
				open = open[:len(open)-1]
			case len(open) == maxDepth:
				return ruleDepth
			default:
				open = append(open, map[json.Delim][]string{'{': {}}[t])
			}
		case string:
			if !isName {
				break
			}
			if rule := checkName(t, open[len(open)-1]); rule != "" {
				return rule
			}
			open[len(open)-1] = append(open[len(open)-1], t)
			isName = false
			continue
		}
		isName = len(open) > 0 && open[len(open)-1] != nil
	}
}

func checkName(name string, before []string) (rule string) {
	switch {
	case strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "":
		return ruleCase
	case slices.Contains(before, name):
		return ruleOnce
	}
	return ""
}
