package agent_test

import "testing"

// TestPlans plays the life of a plan up to its packages, and the session.
func TestPlans(t *testing.T) { runTraces(t, "plans") }
