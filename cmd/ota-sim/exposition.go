package main

import (
	"fmt"
	"os"
	"runtime"
	rtmetrics "runtime/metrics"
	"strconv"
	"strings"

	"otafleet/internal/ota"
	"otafleet/simulator"
)

// exposition is a page in the text format of Prometheus.
type exposition struct{ text strings.Builder }

// family begins a metric, of kind gauge, counter or histogram.
func (p *exposition) family(name, kind, help string) {
	fmt.Fprintf(&p.text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

// sample adds a value, with the names and values of its labels in turn.
func (p *exposition) sample(name string, value float64, labels ...string) {
	p.text.WriteString(name)
	for i := 0; i+1 < len(labels); i += 2 {
		open := ","
		if i == 0 {
			open = "{"
		}
		fmt.Fprintf(&p.text, `%s%s="%s"`, open, labels[i], strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(labels[i+1]))
	}
	if len(labels) > 0 {
		p.text.WriteString("}")
	}
	fmt.Fprintf(&p.text, " %s\n", strconv.FormatFloat(value, 'g', -1, 64))
}

// single adds a metric of one value.
func (p *exposition) single(name, kind, help string, value float64) {
	p.family(name, kind, help)
	p.sample(name, value)
}

// tallies adds a counter with a value for each name.
func (p *exposition) tallies(name, help, label string, all []simulator.Tally) {
	p.family(name, "counter", help)
	for _, t := range all {
		p.sample(name, float64(t.N), label, t.Name)
	}
}

// writeRun adds the figures of a run.
func (p *exposition) writeRun(s simulator.Snapshot, labels runLabels) {
	p.family("ota_sim_run_info", "gauge", "The run whose figures these are; always 1.")
	p.sample("ota_sim_run_info", 1, "scenario", labels.scenario, "seed", fmt.Sprint(labels.seed), "world", labels.world, "shard", labels.shard)
	p.single("ota_sim_run_seconds", "gauge", "Time since the start of the run.", s.Elapsed.Seconds())
	p.family("ota_sim_devices", "gauge", "Devices of the run by their status at the platform.")
	for status, n := range s.Statuses {
		p.sample("ota_sim_devices", float64(n), "status", ota.DeviceStatus(status).String())
	}
	p.sample("ota_sim_devices", float64(s.Devices-s.Arrived), "status", "not_arrived")
	p.single("ota_sim_connected_devices", "gauge", "Devices with a session.", float64(s.Connected))
	p.single("ota_sim_reports_total", "counter", "Status reports that the platform has stored.", float64(s.Reports))
	p.single("ota_sim_refusals_total", "counter", "Plans that devices have refused.", float64(s.Refusals))
	p.single("ota_sim_power_cuts_total", "counter", "Power cuts of devices.", float64(s.PowerCuts))
	p.single("ota_sim_downloaded_bytes_total", "counter", "Verified bytes that devices have put in place.", float64(s.Bytes))
	p.tallies("ota_sim_faults_fired_total", "Times that each fault of the scenario has fired.", "fault", s.Faults)
	p.tallies("ota_sim_failures_total", "Reports of a failure by its code.", "code", s.Failures)
	p.writeTimes("ota_sim_upgrade_duration_seconds", "Time from the plan at the device to its upgrade at the platform.", s.Upgrades)
}

// writeTimes adds a histogram.
func (p *exposition) writeTimes(name, help string, t simulator.Times) {
	p.family(name, "histogram", help)
	for i, bound := range simulator.TimeBounds() {
		p.sample(name+"_bucket", float64(t.UpTo[i]), "le", strconv.FormatFloat(bound.Seconds(), 'g', -1, 64))
	}
	p.sample(name+"_bucket", float64(t.Count), "le", "+Inf")
	p.sample(name+"_sum", t.Sum.Seconds())
	p.sample(name+"_count", float64(t.Count))
}

// writeProcess adds the figures of this process, under the names that Prometheus'
// own clients use.
func (p *exposition) writeProcess() {
	p.single("go_goroutines", "gauge", "Goroutines that exist.", float64(runtime.NumGoroutine()))
	samples := []rtmetrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/total:bytes"}}
	rtmetrics.Read(samples)
	p.single("go_memstats_heap_alloc_bytes", "gauge", "Bytes of objects on the heap.", float64(samples[0].Value.Uint64()))
	p.single("go_memstats_sys_bytes", "gauge", "Bytes that Go has taken from the system.", float64(samples[1].Value.Uint64()))
	if resident, ok := residentMemory(); ok {
		p.single("process_resident_memory_bytes", "gauge", "Resident memory.", float64(resident))
	}
	if files, err := os.ReadDir("/proc/self/fd"); err == nil {
		p.single("process_open_fds", "gauge", "Open files.", float64(len(files)-1)) // one of them is the directory itself
	}
}

// residentMemory is what the process has in memory now, in bytes.
func residentMemory() (n int64, ok bool) {
	text, err := os.ReadFile("/proc/self/statm") // in pages: size, resident, shared and so on
	if err != nil {
		return 0, false
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, false
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err == nil
}
