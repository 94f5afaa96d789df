package commands_test

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// synopsis is how a verb is typed, as its own help says.
type synopsis struct {
	args  string            // SCENARIO, DIR…, [NAME], or nothing
	flags map[string]string // each with the kind of its value; "" takes none
}

var (
	usageLine = regexp.MustCompile(`(?m)^Usage: \S+ \S+( \[FLAGS\])?(?: (.+))?$`)
	flagLine  = regexp.MustCompile(`(?m)^ +--([a-z-]+)(\[=true\|false\])?(?: (\S+))? {2,}`)
)

func synopsisOf(program, verb string) synopsis {
	help := helps[program][verb]
	s := synopsis{flags: map[string]string{}}
	if found := usageLine.FindStringSubmatch(help); found != nil {
		s.args = found[2]
	}
	for _, flag := range flagLine.FindAllStringSubmatch(help, -1) {
		s.flags[flag[1]] = flag[3]
	}
	return s
}

// parse holds a command line of one of the programs against its help. It reports
// whether everything is there that the verb needs.
func parse(words []string) (complete bool, err error) {
	program := words[0][strings.LastIndex(words[0], "/")+1:]
	if len(words) == 1 {
		return false, fmt.Errorf("has no verb")
	}
	verb := words[1]
	if verb == "help" {
		if len(words) > 2 && words[2] != "VERB" && helps[program][words[2]] == "" {
			return false, fmt.Errorf("%s has no verb %q", program, words[2])
		}
		return true, nil
	}
	if helps[program][verb] == "" {
		return false, fmt.Errorf("%s has no verb %q", program, verb)
	}
	s := synopsisOf(program, verb)
	args, whole, err := s.values(words[2:])
	if err != nil {
		return false, fmt.Errorf("%s %s: %w", program, verb, err)
	}
	least := len(strings.Fields(s.args))
	most := least
	switch {
	case strings.HasSuffix(s.args, "…"):
		most = len(args)
	case strings.HasPrefix(s.args, "["):
		least = 0
	}
	if len(args) > most {
		return false, fmt.Errorf("%s %s takes %q, not %q", program, verb, s.args, args)
	}
	return whole && len(args) >= least, nil
}

// values takes the flags out of the words, and gives the rest. It reports whether
// nothing is left out.
func (s *synopsis) values(words []string) (args []string, whole bool, err error) {
	for i := 0; i < len(words); i++ {
		text, is := strings.CutPrefix(words[i], "--")
		if !is {
			args = append(args, words[i])
			continue
		}
		name, value, has := strings.Cut(text, "=")
		kind, known := s.flags[name]
		switch {
		case !known:
			return nil, false, fmt.Errorf("there is no flag --%s", name)
		case kind == "" && !has:
			continue
		case kind == "":
			kind = "bool"
		case !has:
			if i++; i == len(words) {
				return args, false, nil // the flag alone is named, as in "pack --zstd"
			}
			value = words[i]
		}
		if err := right(kind, value); err != nil {
			return nil, false, fmt.Errorf("--%s %s: %w", name, value, err)
		}
	}
	return args, !slices.Contains(args, "…"), nil
}

// placeholder is a word for which a reader puts another one.
var placeholder = regexp.MustCompile(`^([A-Z]+[….]*|…|i/N)$`)

// right holds a flag's value against its kind.
func right(kind, value string) (err error) {
	switch {
	case placeholder.MatchString(value):
	case kind == "int" || kind == "N":
		_, err = strconv.Atoi(value)
	case kind == "uint":
		_, err = strconv.ParseUint(value, 10, 64)
	case kind == "bool":
		_, err = strconv.ParseBool(value)
	case kind == "duration":
		_, err = time.ParseDuration(value)
	case strings.HasPrefix(value, "--"):
		err = fmt.Errorf("its value is missing")
	}
	return err
}

// words takes a command line apart as a shell does, up to what follows in it. What
// a shell would replace stays as it is.
func words(line string) (all []string) {
	word, quote, inside := "", rune(0), false
	for _, c := range line {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word += string(c)
		case c == '\'' || c == '"':
			quote, inside = c, true
		case strings.ContainsRune("|&;<>", c) && inside:
			return append(all, word)
		case strings.ContainsRune("|&;<>", c):
			return all
		case c == ' ':
			if inside {
				all, word = append(all, word), ""
			}
			inside = false
		default:
			word += string(c)
			inside = true
		}
	}
	if inside {
		all = append(all, word)
	}
	return all
}

// TestParse: what is wrong is found.
func TestParse(t *testing.T) {
	for line, want := range map[string]string{
		"ota-sim run":                          "",
		"ota-sim rum happy":                    `ota-sim has no verb "rum"`,
		"ota-sim run happy --seed x":           "--seed x: ",
		"ota-sim run happy --seeds 1":          "there is no flag --seeds",
		"ota-sim run happy sad":                `takes "SCENARIO"`,
		"ota-agent status now":                 "takes",
		"ota-agent confirm --attempt N":        "",
		"ota-agent help statues":               "has no verb",
		"ota-sim platform --validity 5":        "--validity 5: ",
		"ota-sim run happy --virtual --json -": "",
		"ota-sim":                              "has no verb",
	} {
		_, err := parse(words(line))
		if want == "" {
			assert.NoError(t, err, line)
		} else {
			assert.ErrorContains(t, err, want, line)
		}
	}
	assert.Equal(t, []string{"a", "b c", "d'e"}, words(`a 'b c' "d'e" | f`))
}

// TestFlagsInDocuments: a flag that a sentence names is one of the programs.
func TestFlagsInDocuments(t *testing.T) {
	known := map[string]bool{}
	for program, verbs := range helps {
		for verb := range verbs {
			for name := range synopsisOf(program, verb).flags {
				known[name] = true
			}
		}
	}
	flag := regexp.MustCompile(`^--([a-z][a-z-]*)`)
	found := 0
	for _, path := range documents(t) {
		_, spans := read(t, path)
		for _, s := range spans {
			if name := flag.FindStringSubmatch(s.text); name != nil {
				found++
				assert.True(t, known[name[1]], "%s: no program has the flag %s", s.place, s.text)
			}
		}
	}
	assert.Greater(t, found, 50)
}

// TestEveryFlagIsExplained: the documents name each flag of both programs, that of
// the agent's verbs in the guide of its operators.
func TestEveryFlagIsExplained(t *testing.T) {
	for program, documents := range map[string][]string{
		"ota-agent": {"docs/OPERATOR.md"}, "ota-sim": {"docs/SCENARIOS.md", "docs/FLEETS.md", "docs/PLATFORM.md",
			"docs/CLUSTER.md", "docs/PLATFORMS.md", "docs/OPERATOR.md"},
	} {
		text := ""
		for _, name := range documents {
			text += textOf(t, name)
		}
		var all []string
		for verb := range helps[program] {
			for flag := range synopsisOf(program, verb).flags {
				all = append(all, flag)
			}
		}
		slices.Sort(all)
		for _, flag := range slices.Compact(all) {
			named := regexp.MustCompile("--" + flag + `\b`).MatchString(text)
			assert.True(t, named, "%v do not explain --%s of %s", documents, flag, program)
		}
	}
}
