package yamlform

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// unreadable finds the first thing in a document that is not text, before the
// YAML library does, which could not say where it is.
func unreadable(data []byte) (Problem, bool) {
	line, column := 1, 1
	for rest := data; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		rest = rest[size:]
		switch {
		case r == utf8.RuneError && size == 1:
			return Problem{Line: line, Column: column, Text: "is not UTF-8 text"}, true
		case r == '\n':
			line, column = line+1, 0
		case r == '\t' || r == '\r' || r == 0x85:
		case r < ' ' || 0x7f <= r && r < 0xa0:
			return Problem{Line: line, Column: column, Text: "has the control character " + strconv.QuoteRune(r)}, true
		}
		column++
	}
	return Problem{}, false
}

// syntaxProblem gives a syntax error its line. The library leaves it out for
// the first line, counts from 0 in errors of its parser and from 1 in those of
// its scanner; so the document is read again with an empty line before it, which
// makes every number greater than 0, and the message tells who wrote it.
func syntaxProblem(data []byte, err error) Problem {
	if _, again := nextDocument(yaml.NewDecoder(bytes.NewReader(append([]byte("\n"), data...)))); again != nil {
		err = again
	}
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 0
	if after, ok := strings.CutPrefix(text, "line "); ok {
		number, message, _ := strings.Cut(after, ": ")
		if n, err := strconv.Atoi(number); err == nil {
			line, text = n, message
			if !fromParser(text) {
				line--
			}
		}
	}
	if anchor, ok := strings.CutPrefix(text, "unknown anchor '"); ok {
		anchor, _, _ = strings.Cut(anchor, "'")
		before, _, _ := bytes.Cut(data, []byte("*"+anchor))
		line = 1 + bytes.Count(before, []byte("\n"))
	}
	return Problem{Line: line, Text: "YAML syntax: " + text + hint(text)}
}

// fromParser recognises the messages of the library's parser.
func fromParser(message string) bool {
	for _, start := range []string{
		"did not find expected '", "did not find expected <", "did not find expected key",
		"did not find expected node content",
		"found undefined tag handle", "found duplicate %", "found incompatible YAML document",
	} {
		if strings.HasPrefix(message, start) {
			return true
		}
	}
	return false
}

// hint says what mends the mistakes that people make most.
func hint(message string) string {
	switch message {
	case "did not find expected comment or line break", "found character that cannot start any token",
		"did not find expected alphabetic or numeric character", "found unknown directive name":
		return "; put quotes around a value that starts with one of > | @ % & * ! `, and indent with spaces, not tabs"
	case "mapping values are not allowed in this context":
		return "; put quotes around a value that has a colon and a space in it, and check the indentation"
	}
	return ""
}
