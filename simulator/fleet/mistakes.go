package fleet

import (
	"fmt"

	"otafleet/internal/yamlform"
)

// Mistakes gathers what is wrong with the lines of a device file. The first
// yamlform.MaxProblems are kept, the others are counted.
type Mistakes struct{ all yamlform.Error }

// Mistakes gathers what is wrong with this file for whoever uses it.
func (f *File) Mistakes() *Mistakes { return &Mistakes{yamlform.Error{Name: f.Name}} }

// Addf adds a mistake: in a line and at a byte of it, both from 1 and 0 if unknown,
// in a column, which may be empty.
func (m *Mistakes) Addf(line, at int, column, format string, args ...any) {
	if len(m.all.Problems) == yamlform.MaxProblems {
		m.all.More++
		return
	}
	m.all.Problems = append(m.all.Problems,
		yamlform.Problem{Line: line, Column: at, Path: column, Text: fmt.Sprintf(format, args...)})
}

// Err is a *yamlform.Error with all of them; nil if there are none.
func (m *Mistakes) Err() error {
	if len(m.all.Problems) == 0 {
		return nil
	}
	return &m.all
}
