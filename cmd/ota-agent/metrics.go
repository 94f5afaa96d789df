package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"otafleet/agent"
	"otafleet/internal/cli"
	"otafleet/internal/exposition"
	"otafleet/internal/httpserver"
	"otafleet/internal/ota"
)

// metrics serves the agent's figures to Prometheus, at /metrics.
type metrics struct{ listener net.Listener }

const (
	metricsLimit  = 10 * time.Second // for one request, in either direction
	metricsHeader = 8 << 10          // bytes
)

// listenMetrics listens at an address; nil without one. Without a host it is of
// this machine alone: what runs on a device is private by default.
func listenMetrics(address string) (*metrics, error) {
	if address == "" {
		return nil, nil
	}
	if !strings.Contains(address, ":") {
		address = ":" + address
	}
	if strings.HasPrefix(address, ":") {
		address = "127.0.0.1" + address
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil,
			cli.Exitf(cli.Usage, "cannot serve metrics at %s: %w; want a free address of this device, such as 127.0.0.1:9464",
				address, err)
	}
	return &metrics{listener}, nil
}

// serve answers until ctx ends.
func (m *metrics) serve(ctx context.Context, d *device) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		var p exposition.Page
		d.writeMetrics(&p)
		p.Process()
		w.Header().Set("Content-Type", exposition.ContentType)
		_, _ = fmt.Fprint(w, p.Text())
	})
	server := httpserver.New(mux, d.log)
	server.ReadTimeout, server.WriteTimeout, server.MaxHeaderBytes = metricsLimit, metricsLimit, metricsHeader
	d.log.Info("metrics are served", "address", m.listener.Addr().String())
	return httpserver.Run(ctx, server, m.listener, 0)
}

func (m *metrics) close() {
	if m != nil {
		_ = m.listener.Close() // it may be closed already
	}
}

// writeMetrics adds the figures of the device.
func (d *device) writeMetrics(p *exposition.Page) {
	v := d.runner.View()
	p.Family("ota_agent_info", "gauge", "The agent whose figures these are; always 1.")
	p.Sample("ota_agent_info", 1, "version", version, "product", v.Identity.Product, "device", v.Identity.Device)
	p.Single("ota_agent_uptime_seconds", "gauge", "Time since the start of the agent.", time.Since(d.started).Seconds())
	p.Single("ota_agent_connected", "gauge", "1 while there is a session with the platform.", truth(v.Connected))
	p.Single("ota_agent_paused", "gauge", "1 while the operator has paused the agent.", truth(v.Paused != nil))
	p.Family("ota_agent_state", "gauge", "1 for what the agent does or waits for, 0 for everything else.")
	for _, state := range agent.States() {
		p.Sample("ota_agent_state", truth(state == v.Explained.State), "state", state)
	}
	p.Family("ota_agent_component_info", "gauge", "The version that each component runs; always 1.")
	for _, c := range v.Components {
		p.Sample("ota_agent_component_info", 1, "component", c.ID, "type", string(c.Type), "version", c.Version)
	}
	p.Family("ota_agent_component_release", "gauge", "Highest release counter that has run.")
	for _, c := range v.Components {
		p.Sample("ota_agent_component_release", float64(c.Release), "component", c.ID)
	}
	d.writePlan(p, v.Plan)
	p.Single("ota_agent_pending_reports", "gauge", "Reports that the platform has not acknowledged.", float64(v.Pending))
	p.Single("ota_agent_journal_saves_total", "counter", "Saves of the state since the state directory was new.",
		float64(d.state.Health().Saves))
	p.Single("ota_agent_trouble", "gauge", "1 while the state cannot be saved, or the device not restarted.",
		truth(v.Trouble != ""))
	writeReadings(p, &v.Readings)
}

// writePlan adds the current plan.
func (d *device) writePlan(p *exposition.Page, plan *agent.PlanView) {
	if plan == nil {
		return
	}
	p.Family("ota_agent_plan_status", "gauge", "1 for the status of each component of the current plan, 0 for the others.")
	for _, c := range plan.Components {
		for _, s := range ota.Statuses() {
			p.Sample("ota_agent_plan_status", truth(c.Status.String() == s.Wire), "plan", plan.ID, "component", c.ID, "status",
				s.Wire)
		}
	}
	p.Family("ota_agent_download_bytes", "gauge", "Verified bytes of the running download of each component.")
	for _, c := range plan.Components {
		p.Sample("ota_agent_download_bytes", float64(c.Done), "component", c.ID)
	}
	p.Family("ota_agent_download_size_bytes", "gauge", "Bytes of the running download of each component.")
	for _, c := range plan.Components {
		p.Sample("ota_agent_download_size_bytes", float64(c.Total), "component", c.ID)
	}
}

// writeReadings adds what the device measures. What it does not measure is left
// out.
func writeReadings(p *exposition.Page, r *agent.Readings) {
	p.Single("ota_agent_busy", "gauge", "1 while the device asks not to be disturbed.", truth(r.Busy))
	if r.Battery != nil {
		p.Single("ota_agent_battery_percent", "gauge", "Charge of the battery.", float64(*r.Battery))
	}
	if r.RSSI != nil {
		p.Single("ota_agent_rssi_dbm", "gauge", "Strength of the signal.", float64(*r.RSSI))
	}
	if r.FreeBytes != nil {
		p.Single("ota_agent_free_bytes", "gauge", "The most bytes that one package can take.", float64(*r.FreeBytes))
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
