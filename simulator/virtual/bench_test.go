package virtual_test

import (
	"os"
	"testing"

	"otafleet/simulator/scenario"
	"otafleet/simulator/virtual"
)

// BenchmarkDevice is one device's whole upgrade of two components, with the
// faults of the bundled scenario "million".
func BenchmarkDevice(b *testing.B) {
	text, err := os.ReadFile("../../scenarios/million.yaml")
	if err != nil {
		b.Fatal(err)
	}
	s, err := scenario.Parse("million", text)
	if err != nil {
		b.Fatal(err)
	}
	s.Fleets[0].Count = max(1000, b.N)
	b.ReportAllocs()
	b.ResetTimer()
	if _, err := virtual.Simulate(b.Context(), virtual.Options{Scenario: s, Workers: 1}); err != nil {
		b.Fatal(err)
	}
}
