package harness

import (
	"regexp"
	"time"
)

// Begun reports whether the devices of a shard that begins together with others have
// begun, for half a second, by what it has written.
func Begun(output string) bool {
	m := regexp.MustCompile(`the run begins at (\S+)`).FindStringSubmatch(output)
	if m == nil {
		return false
	}
	start, err := time.Parse(time.RFC3339Nano, m[1])
	return err == nil && time.Since(start) > time.Second/2
}
