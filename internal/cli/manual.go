package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// Manual is what a manual page says beside what the program knows of itself.
type Manual struct {
	Description string // a paragraph
	Date        string // of the last change that matters to a reader, as 2026-11-25
	Files       []ManualFile
	SeeAlso     string
}

// ManualFile is a file that the program uses.
type ManualFile struct{ Path, Meaning string }

// Manual gives the manual page of the program, for section 1, in man(7).
func (p *Program) Manual(m Manual) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %s 1 %s\n.SH NAME\n%s \\- %s\n", escape(strings.ToUpper(p.Name)), m.Date, escape(p.Name),
		escape(p.Summary))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n.I VERB\n[\\fIFLAGS\\fR] [\\fIARGUMENTS\\fR]\n.SH DESCRIPTION\n%s\n.SH VERBS\n",
		escape(p.Name), escape(m.Description))
	for i := range p.Verbs {
		p.manualVerb(&b, &p.Verbs[i])
	}
	fmt.Fprintf(&b, ".SH EXIT STATUS\n.TP\n.B %d\ndone\n", OK)
	for _, e := range p.Exits {
		fmt.Fprintf(&b, ".TP\n.B %d\n%s\n", e.Code, escape(e.Meaning))
	}
	if len(m.Files) > 0 {
		b.WriteString(".SH FILES\n")
	}
	for _, f := range m.Files {
		fmt.Fprintf(&b, ".TP\n.I %s\n%s\n", escape(f.Path), escape(f.Meaning))
	}
	if m.SeeAlso != "" {
		fmt.Fprintf(&b, ".SH SEE ALSO\n%s\n", escape(m.SeeAlso))
	}
	return b.String()
}

// manualVerb writes a verb: what it does, its help, its flags.
func (p *Program) manualVerb(b *strings.Builder, v *Verb) {
	fmt.Fprintf(b, ".SS %s\n.B %s %s\n", escape(v.Name), escape(p.Name), escape(v.Name))
	set := p.flagSet(v)
	v.Flags(set)
	if set.HasFlags() {
		b.WriteString("[\\fIFLAGS\\fR]\n")
	}
	if v.Args != "" {
		fmt.Fprintf(b, "\\fI%s\\fR\n", escape(v.Args))
	}
	fmt.Fprintf(b, ".PP\n%s.\n", escape(strings.ToUpper(v.Summary[:1])+v.Summary[1:]))
	manualText(b, v.Help)
	set.VisitAll(func(f *pflag.Flag) {
		value, usage := pflag.UnquoteUsage(f)
		fmt.Fprintf(b, ".TP\n.B \\-\\-%s", escape(f.Name))
		if value != "" {
			fmt.Fprintf(b, " \\fI%s\\fR", escape(value))
		}
		fmt.Fprintf(b, "\n%s\n", escape(usage))
	})
}

// manualText writes paragraphs. Indented lines, which are examples, stay as they
// are.
func manualText(b *strings.Builder, text string) {
	for _, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if paragraph == "" {
			continue
		}
		b.WriteString(".PP\n")
		example := false
		for _, line := range strings.Split(paragraph, "\n") {
			switch indented := strings.HasPrefix(line, "  "); {
			case indented && !example:
				b.WriteString(".RS 4\n.nf\n")
			case !indented && example:
				b.WriteString(".fi\n.RE\n")
			}
			example = strings.HasPrefix(line, "  ")
			fmt.Fprintf(b, "%s\n", escape(strings.TrimSpace(line)))
		}
		if example {
			b.WriteString(".fi\n.RE\n")
		}
	}
}

// escape keeps a text from being read as requests of the formatter.
func escape(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "’", "'").Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}
