package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"otafleet/internal/cli"
	"otafleet/internal/exposition"
	"otafleet/simulator"
)

// metrics serves a run's figures to Prometheus, at /metrics.
type metrics struct {
	listener net.Listener
	server   *http.Server
	serving  sync.WaitGroup

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

// startMetrics listens at an address; nil without one.
func startMetrics(address string) (*metrics, error) {
	if address == "" {
		return nil, nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, cli.Exitf(cli.Usage,
			"cannot serve metrics at %s: %w; want a free address of this machine, such as 127.0.0.1:9464", address, err)
	}
	m := &metrics{listener: listener}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", m.serve)
	m.server = &http.Server{Handler: mux, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second}
	m.serving.Go(func() { _ = m.server.Serve(listener) }) // until stop
	return m, nil
}

// watch lets the figures be those of a run that has begun.
func (m *metrics) watch(run simulator.Run, labels runLabels) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.run, m.labels = run, labels
}

// stop ends the serving, and the answers that are under way.
func (m *metrics) stop() error {
	if m == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := m.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = m.server.Close()
	}
	m.serving.Wait()
	return err
}

func (m *metrics) serve(w http.ResponseWriter, _ *http.Request) {
	m.mu.Lock()
	run, labels := m.run, m.labels
	m.mu.Unlock()
	var p runPage
	if run != nil {
		p.writeRun(run.Snapshot(), labels)
	}
	p.Process()
	w.Header().Set("Content-Type", exposition.ContentType)
	_, _ = fmt.Fprint(w, p.Text())
}
