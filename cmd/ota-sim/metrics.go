package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"otafleet/internal/cli"
	"otafleet/internal/exposition"
	"otafleet/internal/httpserver"
)

const (
	metricsLimit = 10 * time.Second // for one request, in either direction
	metricsGrace = time.Second      // for answers that are under way when the run ends
)

// metrics serves a run's figures to Prometheus, at /metrics.
type metrics struct {
	figures *figures
	cancel  context.CancelFunc // ends the serving
	served  chan error         // how it ended
}

// startMetrics listens at an address; nil without one.
func startMetrics(address string, f *figures) (*metrics, error) {
	if address == "" {
		return nil, nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, cli.Exitf(cli.Usage,
			"cannot serve metrics at %s: %w; want a free address of this machine, such as 127.0.0.1:9464", address, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &metrics{figures: f, cancel: cancel, served: make(chan error, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", m.serve)
	server := httpserver.New(mux, nil)
	server.ReadTimeout, server.WriteTimeout = metricsLimit, metricsLimit
	go func() { m.served <- httpserver.Run(ctx, server, listener, metricsGrace) }()
	return m, nil
}

// stop ends the serving, after the answers that are under way.
func (m *metrics) stop() error {
	if m == nil {
		return nil
	}
	m.cancel()
	return <-m.served
}

func (m *metrics) serve(w http.ResponseWriter, _ *http.Request) {
	var p exposition.Page
	m.figures.fill(&p)
	w.Header().Set("Content-Type", exposition.ContentType)
	_, _ = fmt.Fprint(w, p.Text())
}
