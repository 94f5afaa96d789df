package ota

import (
	"fmt"
	"strings"
)

// FormatSize prints a number of bytes for people: 640 B, 3.7 MiB. Machines are
// given the number itself.
func FormatSize(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, prefix := float64(n)/unit, 0
	for value >= unit && prefix < 4 {
		value /= unit
		prefix++
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTP"[prefix])
}

// Counted is a number with the word for what was counted: 1 retry, 2 retries.
func Counted(n int, what string) string {
	switch {
	case n == 1:
	case strings.HasSuffix(what, "s") || strings.HasSuffix(what, "h"):
		what += "es"
	case strings.HasSuffix(what, "try"):
		what = strings.TrimSuffix(what, "y") + "ies"
	default:
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
