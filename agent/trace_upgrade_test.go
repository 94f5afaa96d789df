package agent_test

import "testing"

// TestUpgrades plays packages, failures and retries.
func TestUpgrades(t *testing.T) { runTraces(t, "upgrades") }
