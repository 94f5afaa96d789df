package verdict_test

import (
	"testing"

	"otafleet/simulator/verdict"
	"otafleet/simulator/verdict/verdicttest"
)

// BenchmarkJudge is what an event costs: given by the device's name, by its own
// judge, and with its log.
func BenchmarkJudge(b *testing.B) {
	s := verdicttest.Parse(verdicttest.Fleets(1000))
	var histories [][]verdict.Event
	for n := 1; n <= s.Fleets[0].Count; n++ {
		histories = append(histories, verdicttest.History(s, 42, 0, n))
	}
	for name, logs := range map[string]verdict.Logs{"without logs": verdict.WithoutLogs, "with logs": verdict.WithLogs} {
		b.Run("by device, "+name, func(b *testing.B) {
			j := verdict.NewJudge(s, logs)
			b.ReportAllocs()
			events := 0
			for n := 0; b.Loop(); {
				n = n%len(histories) + 1
				d := j.Device(0, n)
				for i := range histories[n-1] {
					d.Add(&histories[n-1][i])
				}
				d.Close()
				events += len(histories[n-1])
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(events), "ns/event")
		})
	}
	b.Run("by name", func(b *testing.B) {
		j := verdict.NewJudge(s, verdict.WithoutLogs)
		b.ReportAllocs()
		for n, i := 0, 0; b.Loop(); i++ {
			for i == len(histories[n]) {
				n, i = (n+1)%len(histories), 0
			}
			j.Add(histories[n][i])
		}
	})
}

// BenchmarkDeviceHash is what the digest of a device with 60 events costs.
func BenchmarkDeviceHash(b *testing.B) {
	s := verdicttest.Parse(verdicttest.Fleets(1000))
	events := verdicttest.History(s, 42, 0, 1)[:50]
	events = append(events, events[:10]...)
	var hash verdict.DeviceHash
	var scratch []byte
	b.ReportAllocs()
	for b.Loop() {
		for i := range events {
			hash.Add(&events[i], &scratch)
		}
		hash.Sum()
	}
}
