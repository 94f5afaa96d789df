package firmware

import "fmt"

// Problems collects everything that is wrong with an installer's configuration, for
// errors.Join.
type Problems []error

// When adds a problem if there is one.
func (p *Problems) When(wrong bool, format string, args ...any) {
	if wrong {
		*p = append(*p, fmt.Errorf(format, args...))
	}
}
