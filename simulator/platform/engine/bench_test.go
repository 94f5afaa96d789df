package engine_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
)

// BenchmarkFleet takes 100,000 devices through the whole life of a plan of two
// components and reports the time of one message and the memory kept for one
// device after it.
func BenchmarkFleet(b *testing.B) {
	const devices = 100_000
	for b.Loop() {
		b.StopTimer()
		s := newScript(b)
		s.all("plan p onrequest")
		histories := make([][]ota.Up, 0, devices)
		identities := make([]ota.Identity, 0, devices)
		for i := range devices {
			identities = append(identities, identity(fmt.Sprintf("device-%06d", i)))
			histories = append(histories, history(s.now))
		}
		before := heap()
		b.StartTimer()
		start, messages := time.Now(), 0
		for step := range histories[0] {
			s.now = s.now.Add(time.Second)
			for i := range histories {
				s.engine.Handle(s.now, engine.Message{Device: identities[i], Message: histories[i][step]})
				messages++
			}
			s.engine.Handle(s.now, engine.Tick{})
		}
		spent := time.Since(start)
		b.StopTimer()
		b.ReportMetric(float64(spent.Nanoseconds())/float64(messages), "ns/message")
		b.ReportMetric(float64(heap()-before)/devices, "B/device")
		runtime.KeepAlive(histories)
		if n := s.engine.Totals()[ota.DeviceUpgraded]; n != devices {
			b.Fatalf("%d of %d devices are upgraded", n, devices)
		}
		b.StartTimer()
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// history is every message of a device that upgrades two components.
func history(now time.Time) []ota.Up {
	versions := func(request bool, a, b string) *ota.Inventory {
		return &ota.Inventory{Request: request, Components: []ota.ComponentVersion{
			{ID: "A", Type: ota.Module, Version: a}, {ID: "B", Type: ota.MCU, Version: b}}}
	}
	seq := 0
	report := func(id string, s ota.Status) *ota.Report {
		seq++
		return &ota.Report{Time: now, Plan: "p", Attempt: 1, Seq: seq, Component: id, Status: s, Version: "1"}
	}
	all := []ota.Up{
		versions(true, "1", "1"), report("A", ota.PlanReceived), report("B", ota.PlanReceived),
		&ota.Decision{Plan: "p", Attempt: 1, Accept: true},
		report("A", ota.UpgradeConfirmed), report("B", ota.UpgradeConfirmed),
	}
	for _, id := range []string{"A", "B"} {
		for _, s := range []ota.Status{ota.ReadyToDownload, ota.Downloading, ota.DownloadSucceeded, ota.Upgrading,
			ota.UpgradeSucceeded} {
			all = append(all, report(id, s))
		}
	}
	return append(all, versions(true, "2", "2"))
}
