package main

import (
	"fmt"
	"strconv"

	"otafleet/internal/exposition"
	"otafleet/internal/ota"
	"otafleet/simulator"
)

// runPage is a page of a run's figures.
type runPage struct{ exposition.Page }

// tallies adds a counter with a value for each name.
func (p *runPage) tallies(name, help, label string, all []simulator.Tally) {
	p.Family(name, "counter", help)
	for _, t := range all {
		p.Sample(name, float64(t.N), label, t.Name)
	}
}

// writeRun adds the figures of a run.
func (p *runPage) writeRun(s simulator.Snapshot, labels runLabels) {
	p.Family("ota_sim_run_info", "gauge", "The run whose figures these are; always 1.")
	p.Sample("ota_sim_run_info", 1, "scenario", labels.scenario, "seed", fmt.Sprint(labels.seed),
		"world", labels.world, "shard", labels.shard)
	p.Single("ota_sim_run_seconds", "gauge", "Time since the start of the run.", s.Elapsed.Seconds())
	p.Family("ota_sim_devices", "gauge", "Devices of the run by their status at the platform.")
	for status, n := range s.Statuses {
		p.Sample("ota_sim_devices", float64(n), "status", ota.DeviceStatus(status).String())
	}
	p.Sample("ota_sim_devices", float64(s.Devices-s.Arrived), "status", "not_arrived")
	p.Single("ota_sim_connected_devices", "gauge", "Devices with a session.", float64(s.Connected))
	p.Single("ota_sim_reports_total", "counter", "Status reports that the platform has stored.", float64(s.Reports))
	p.Single("ota_sim_refusals_total", "counter", "Plans that devices have refused.", float64(s.Refusals))
	p.Single("ota_sim_power_cuts_total", "counter", "Power cuts of devices.", float64(s.PowerCuts))
	p.Single("ota_sim_downloaded_bytes_total", "counter",
		"Verified bytes that devices have put in place.", float64(s.Bytes))
	p.tallies("ota_sim_faults_fired_total", "Times that each fault of the scenario has fired.", "fault", s.Faults)
	p.tallies("ota_sim_failures_total", "Reports of a failure by its code.", "code", s.Failures)
	p.writeTimes("ota_sim_upgrade_duration_seconds",
		"Time from the plan at the device to its upgrade at the platform.", s.Upgrades)
}

// writeTimes adds a histogram.
func (p *runPage) writeTimes(name, help string, t simulator.Times) {
	p.Family(name, "histogram", help)
	for i, bound := range simulator.TimeBounds() {
		p.Sample(name+"_bucket", float64(t.UpTo[i]), "le", strconv.FormatFloat(bound.Seconds(), 'g', -1, 64))
	}
	p.Sample(name+"_bucket", float64(t.Count), "le", "+Inf")
	p.Sample(name+"_sum", t.Sum.Seconds())
	p.Sample(name+"_count", float64(t.Count))
}
