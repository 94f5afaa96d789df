package cli

import "strings"

// Retell makes the commands in a text ones that can be typed where the text is
// read: by the name that the program was called by, and with flags, such as
// " --config my.yaml", behind the verb.
func (p *Program) Retell(text string, streams Streams, flags string) string {
	called := streams.Called
	if called == "" {
		called = p.Name
	}
	parts := strings.Split(text, p.Name+" ")
	var b strings.Builder
	b.WriteString(parts[0])
	for i, part := range parts[1:] {
		verb := part[:len(part)-len(strings.TrimLeft(part, "abcdefghijklmnopqrstuvwxyz"))]
		switch whole := strings.TrimRight(parts[i], "/-") == parts[i]; {
		case whole && verb == "help":
			b.WriteString(called + " " + part)
		case whole && p.verb(verb) != nil:
			b.WriteString(called + " " + verb + flags + part[len(verb):])
		default: // it is a part of another name, or no command
			b.WriteString(p.Name + " " + part)
		}
	}
	return b.String()
}
