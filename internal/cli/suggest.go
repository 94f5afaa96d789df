package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// suggest ends a message about an unknown word with the known one that it was
// meant to be: one that begins with it, or that one slip of the fingers makes of
// it. The prefix is put in front of that word.
func suggest(word string, known []string, prefix string) string {
	for _, k := range known {
		if len(word) > 1 && strings.HasPrefix(k, word) || slip(word, k) {
			return fmt.Sprintf("; did you mean %q?", prefix+k)
		}
	}
	return ""
}

// suggestFlag adds to an error of parsing the flag that an unknown one was meant
// to be.
func suggestFlag(err error, flags *pflag.FlagSet) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) || unknown.GetSpecifiedShortnames() != "" {
		return err
	}
	var names []string
	flags.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return fmt.Errorf("%w%s", err, suggest(unknown.GetSpecifiedName(), names, "--"))
}

// slip reports whether two words of several letters differ by one letter that is
// missing, too many or wrong, or by two neighbours that changed places.
func slip(a, b string) bool {
	if min(len(a), len(b)) < 2 {
		return false
	}
	for a != "" && b != "" && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for a != "" && b != "" && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	swapped := len(a) == 2 && len(b) == 2 && a[0] == b[1] && a[1] == b[0]
	return len(a) <= 1 && len(b) <= 1 || swapped
}
