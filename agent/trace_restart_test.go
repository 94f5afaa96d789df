package agent_test

import "testing"

// TestRestarts plays restarts at every status and step. The driver lets an
// upgrade bear two.
func TestRestarts(t *testing.T) { runTraces(t, "restarts") }
