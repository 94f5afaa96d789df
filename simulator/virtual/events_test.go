package virtual_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/simulator/scenario"
)

// TestUsersAnswerAtOnce: what they say is not lost because the platform has not
// heard of their device yet.
func TestUsersAnswerAtOnce(t *testing.T) {
	for answer, class := range map[string]scenario.Class{"confirm": scenario.Upgraded, "cancel": scenario.UpgradeFailed} {
		text := one + "    mode: manual\n    users: {confirm: 0%, cancel: 0%}\n"
		text = strings.Replace(text, answer+": 0%", answer+": 100%", 1)
		for _, line := range []string{"", "    link: {latency: 300ms}\n"} {
			f := figures(t, strings.Replace(text, "    install:", line+"    install:", 1))
			assert.Equal(t, 5, f.Classes[class], "%s %s", answer, line)
		}
	}
}
