package e2e_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/ota"
	"otafleet/test/harness"
)

// The last words of a handler say why it failed. They arrive wherever the failure
// is reported, however much was said before them.
func TestLastWordsOfAHandlerArrive(t *testing.T) {
	t.Parallel()
	const last = "the valve is stuck"
	s := newSetting(t)
	s.device.Write("motor", []byte("#!/bin/sh\n[ $1 = inspect ] && { echo '{\"version\":\"1.0.0\"}'; exit; }\n"+
		"[ $1 = stage ] || exit 0\nyes 'it is tried again' | head -n 1000 >&2; echo "+last+" >&2; exit 1\n"), 0o755)
	s.device.Components(harness.CommandComponent("motor", "motor"))
	s.device.Start()
	s.upgrade(harness.Plan{ID: "p"}, ota.DeviceUpgradeFailed, s.packMCU("motor", "1.1.0", 1))
	detail := s.failure("p")
	assert.True(t, strings.HasPrefix(detail, "stage: exit status 1: "), detail)
	assert.True(t, strings.HasSuffix(detail, last), detail)
	assert.LessOrEqual(t, len(detail), ota.MaxDetail)
	assert.Greater(t, len(detail), 3500, "nearly 4 KiB of it")
	for _, args := range [][]string{{"status"}, {"history"}, {"history", "--events"}} {
		assert.Contains(t, s.device.Do(args[0], args[1:]...).Out, last, args)
	}
}
