package management

import (
	"net/http"
	"slices"
	"strings"
)

// query is a filter in the part of RSQL that fleets' scripts use: comparisons by ==, !=
// and =in=, all of which must hold.
type query []comparison

type comparison struct {
	field  string
	not    bool
	values []string // one of them; a * at an end stands for anything
}

func syntax(text string) error {
	return problem(http.StatusBadRequest, "RSQLParameterSyntaxException", "rest.param.rsqlParamSyntax",
		"the query %.200q: want field==value, field!=value or field=in=(a,b), joined by ; or and", text)
}

// parseQuery reads a query; an empty one means everything.
func parseQuery(text string) (query, error) {
	var q query
	for part := range strings.SplitSeq(strings.ReplaceAll(text, " and ", ";"), ";") {
		part = strings.TrimSpace(part)
		if part == "" && text == "" {
			continue
		}
		c, ok := parseComparison(part)
		if !ok {
			return nil, syntax(text)
		}
		q = append(q, c)
	}
	return q, nil
}

func parseComparison(text string) (comparison, bool) {
	at := strings.IndexAny(text, "=!")
	if at <= 0 {
		return comparison{}, false
	}
	c := comparison{field: strings.ToLower(text[:at])}
	value := ""
	switch rest := text[at:]; {
	case strings.HasPrefix(rest, "=="):
		value = rest[2:]
	case strings.HasPrefix(rest, "!="):
		c.not, value = true, rest[2:]
	case strings.HasPrefix(rest, "=in=(") && strings.HasSuffix(rest, ")"):
		for one := range strings.SplitSeq(rest[len("=in=("):len(rest)-1], ",") {
			c.values = append(c.values, unquoted(one))
		}
		return c, true
	default:
		return c, false
	}
	c.values = []string{unquoted(value)}
	return c, !strings.ContainsAny(value, "()")
}

func unquoted(text string) string {
	text = strings.TrimSpace(text)
	if len(text) >= 2 && (text[0] == '"' || text[0] == '\'') && text[len(text)-1] == text[0] {
		return text[1 : len(text)-1]
	}
	return text
}

// means reports whether something with these fields is meant. Fields with several
// values have them one in each line.
func (q query) means(fields map[string]string) (bool, error) {
	for _, c := range q {
		have, known := fields[c.field]
		if !known {
			return false, problem(http.StatusBadRequest, "RSQLParameterUnsupportedFieldException",
				"rest.param.rsqlInvalidField", "the query's field %.60q is not known here", c.field)
		}
		if slices.ContainsFunc(strings.Split(have, "\n"), c.like) == c.not {
			return false, nil
		}
	}
	return true, nil
}

func (c *comparison) like(have string) bool {
	return slices.ContainsFunc(c.values, func(want string) bool {
		have, want := strings.ToLower(have), strings.ToLower(want)
		before, open := strings.CutSuffix(want, "*")
		if after, front := strings.CutPrefix(before, "*"); front {
			return strings.HasSuffix(have, after) || open && strings.Contains(have, after)
		}
		return have == want || open && strings.HasPrefix(have, before)
	})
}
