package link

import (
	"strings"

	"otafleet/internal/terminal"
)

// maxText bounds a remote text in a log or a message, in bytes.
const maxText = 300

// Clip bounds a text of another end, and makes it safe to show.
func Clip(s string) string {
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + "…"
	}
	return terminal.Escape(s)
}

// Reason gives an error's text without what differs between equal troubles: ports
// of this side ("127.0.0.1:40712->127.0.0.1:53") and the current time of a
// certificate that is not valid.
func Reason(err error) string {
	text := strings.ReplaceAll(err.Error(), "\n", "; ")
	for before, after, found := strings.Cut(text, "->"); found; before, after, found = strings.Cut(text, "->") {
		text = before[:strings.LastIndexByte(before, ' ')+1] + after
	}
	const now = "current time "
	if before, after, found := strings.Cut(text, now); found {
		_, after, _ = strings.Cut(after, " ")
		text = before + "the current time " + after
	}
	return Clip(text)
}
