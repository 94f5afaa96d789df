package engine

import (
	"fmt"
	"strings"

	"otafleet/internal/ota"
)

// FileTypes are the endings that the platform's form takes of a package's files.
func FileTypes() []string {
	return []string{
		".bin", ".rar", ".pack", ".mini_1", ".mini_2", ".py", ".tar", ".s19", ".bin_1", ".bin_2", ".zip", ".tar.gz",
	}
}

// CheckUpload holds a package that an operator uploads against the rules of the
// platform's form, which are narrower than those of the protocol: the endings of
// its files, and the letters of its target version. It joins every problem.
func CheckUpload(m *ota.Manifest, types []string) error {
	var p problems
	for i := range m.Files {
		name := m.Files[i].Name
		p.unless(hasType(name, types), fmt.Sprintf("files[%d]", i),
			"file %.128q: its type is none of %s (the flag --file-types adds others)", name, strings.Join(types, " "))
	}
	p.unless(ota.ValidFileName(m.Target), "target", "target %.64q: must be letters, digits, _, - and .", m.Target)
	return p.join()
}

// hasType reports whether a file name has more than one of these endings.
func hasType(name string, types []string) bool {
	for _, end := range types {
		if len(name) > len(end) && strings.EqualFold(name[len(name)-len(end):], end) {
			return true
		}
	}
	return false
}
