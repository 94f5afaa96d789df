package cli_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/cli"
)

func TestManual(t *testing.T) {
	p := kettle()
	p.Verbs = p.Verbs[:2]
	p.Verbs[1].Help = ".looks like a request\n'and so does this\n\n  kettle pour \\ now\n  kettle pour"
	assert.Equal(t, `.TH KETTLE 1 2026-11-25
.SH NAME
kettle \- boil water
.SH SYNOPSIS
.B kettle
.I VERB
[\fIFLAGS\fR] [\fIARGUMENTS\fR]
.SH DESCRIPTION
It boils.
.SH VERBS
.SS boil
.B kettle boil
[\fIFLAGS\fR]
\fILITRES\fR
.PP
Boil some water.
.PP
Boils.
.PP
Example:
.RS 4
.nf
kettle boil 2
.fi
.RE
.TP
.B \-\-degrees \fIint\fR
how hot
.SS pour
.B kettle pour
.PP
Pour it out.
.PP
\&.looks like a request
\&'and so does this
.PP
.RS 4
.nf
kettle pour \e now
kettle pour
.fi
.RE
.SH EXIT STATUS
.TP
.B 0
done
.TP
.B 1
it stayed cold
.TP
.B 3
it is empty
.SH FILES
.TP
.I /etc/kettle\-rc
What it likes.
.SH SEE ALSO
The pot.
`, p.Manual(cli.Manual{Date: "2026-11-25", Description: "It boils.",
		Files: []cli.ManualFile{{Path: "/etc/kettle-rc", Meaning: "What it likes."}}, SeeAlso: "The pot."}))
}
