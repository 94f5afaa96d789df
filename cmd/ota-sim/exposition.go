package main

import (
	"fmt"
	"strconv"
	"sync"

	"otafleet/internal/exposition"
	"otafleet/internal/ota"
	"otafleet/simulator"
)

// figures are those of a run: whoever reads the page of --metrics and whoever they are
// pushed to has them from here.
type figures struct {
	mu     sync.Mutex // guards the following
	run    simulator.Run
	labels runLabels
}

// runLabels say which run the figures are of.
type runLabels struct {
	scenario string
	seed     uint64
	world    string
	shard    string // empty for a whole run
}

// watch lets the figures be those of a run that has begun.
func (f *figures) watch(run simulator.Run, labels runLabels) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.run, f.labels = run, labels
}

// fill gives the figures of now: those of the run once it has begun, and of the process.
func (f *figures) fill(to exposition.Sink) {
	f.mu.Lock()
	run, labels := f.run, f.labels
	f.mu.Unlock()
	if run != nil {
		fillRun(to, run.Snapshot(), labels)
	}
	exposition.Process(to)
}

// fillRun gives the figures of a run.
func fillRun(to exposition.Sink, s simulator.Snapshot, labels runLabels) {
	single := func(name, kind, help string, value float64) { exposition.Single(to, name, kind, help, value) }
	to.Family("ota_sim_run_info", "gauge", "The run whose figures these are; always 1.")
	to.Sample("ota_sim_run_info", 1, "scenario", labels.scenario, "seed", fmt.Sprint(labels.seed),
		"world", labels.world, "shard", labels.shard)
	single("ota_sim_run_seconds", "gauge", "Time since the start of the run.", s.Elapsed.Seconds())
	to.Family("ota_sim_devices", "gauge", "Devices of the run by their status at the platform.")
	for status, n := range s.Statuses {
		to.Sample("ota_sim_devices", float64(n), "status", ota.DeviceStatus(status).String())
	}
	to.Sample("ota_sim_devices", float64(s.Devices-s.Arrived), "status", "not_arrived")
	single("ota_sim_connected_devices", "gauge", "Devices with a session.", float64(s.Connected))
	single("ota_sim_reports_total", "counter", "Status reports that the platform has stored.", float64(s.Reports))
	single("ota_sim_refusals_total", "counter", "Plans that devices have refused.", float64(s.Refusals))
	single("ota_sim_power_cuts_total", "counter", "Power cuts of devices.", float64(s.PowerCuts))
	single("ota_sim_downloaded_bytes_total", "counter",
		"Verified bytes that devices have put in place.", float64(s.Bytes))
	fillTallies(to, "ota_sim_faults_fired_total", "Times that each fault of the scenario has fired.", "fault", s.Faults)
	fillTallies(to, "ota_sim_failures_total", "Reports of a failure by its code.", "code", s.Failures)
	fillTimes(to, "ota_sim_upgrade_duration_seconds",
		"Time from the plan at the device to its upgrade at the platform.", s.Upgrades)
}

// fillTallies gives a counter with a value for each name.
func fillTallies(to exposition.Sink, name, help, label string, all []simulator.Tally) {
	to.Family(name, "counter", help)
	for _, t := range all {
		to.Sample(name, float64(t.N), label, t.Name)
	}
}

// fillTimes gives a histogram.
func fillTimes(to exposition.Sink, name, help string, t simulator.Times) {
	to.Family(name, "histogram", help)
	for i, bound := range simulator.TimeBounds() {
		to.Sample(name+"_bucket", float64(t.UpTo[i]), "le", strconv.FormatFloat(bound.Seconds(), 'g', -1, 64))
	}
	to.Sample(name+"_bucket", float64(t.Count), "le", "+Inf")
	to.Sample(name+"_sum", t.Sum.Seconds())
	to.Sample(name+"_count", float64(t.Count))
}
