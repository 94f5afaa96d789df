package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Requests of one kind are repeated until they are as many, or took as long.
const (
	requests    = 200
	requestTime = time.Second
)

// server is an ota-sim platform in a process of its own.
type server struct {
	command *exec.Cmd
	url     string // of its pages
	client  *http.Client
}

// part is a page by its name.
type part struct{ name, path string }

// pagesOf are what a platform of so many devices is asked for. Each answer has at most 50
// devices, but for those that say all.
func pagesOf(devices int) []part {
	plan, api := "/plans/"+planID, "/api/v1/plans/"+planID
	last := strconv.Itoa(max(0, devices-50))
	return []part{
		{"plans", "/"},
		{"monitoring, first", plan + "/monitoring"},
		{"monitoring, last", plan + "/monitoring?offset=" + last},
		{"monitoring, failed ones", plan + "/monitoring?status=upgrade_failed"},
		{"monitoring, by key", plan + "/monitoring?key=" + key(devices/2)},
		{"a device of the plan", plan + "/devices/" + key(devices/2)},
		{"devices, first", "/devices"},
		{"devices, latest first", "/devices?sort=-last"},
		{"devices, search", "/devices?search=" + key(devices/2)},
		{"API, first", api + "/devices"},
		{"API, last", api + "/devices?offset=" + last},
		{"API, all devices of the plan as CSV", api + "/devices.csv"},
		{"API, all devices as CSV", "/api/v1/devices.csv"},
	}
}

// platform measures one of so many devices: its start, and what it serves.
func (s *site) platform(devices int) (costs []cost, err error) {
	state := filepath.Join(s.dir, "state")
	defer os.RemoveAll(state)
	if err := s.found(state, devices); err != nil {
		return nil, err
	}
	p, err := s.serve("--state", state)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	start, err := p.cost()
	if err != nil {
		return nil, err
	}
	costs = []cost{start}
	for _, page := range pagesOf(devices) {
		c, err := p.ask(page.path)
		if err != nil {
			return nil, err
		}
		costs = append(costs, c)
	}
	return costs, nil
}

// listing measures a plan for devices that it names: from its creation to its activation.
func (s *site) listing(devices int) (c cost, err error) {
	if err := s.packed("c00", "c00.ota", 64<<10); err != nil {
		return c, err
	}
	p, err := s.serve("--upgrade", "c00.ota")
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	plan := planForm{ID: "listed", Name: "listed", Product: product, Mode: "silent", TimeZone: "UTC",
		Start: time.Now().Add(-time.Minute).Format(time.RFC3339), End: time.Now().Add(time.Hour).Format(time.RFC3339),
		Components: []componentForm{{ID: "c00", Type: "module", Package: "full", Target: "2"}}}
	for i := range devices {
		plan.White = append(plan.White, key(i))
	}
	before, err := p.cost()
	if err == nil {
		err = p.post("/api/v1/plans", plan)
	}
	if err == nil {
		err = p.post("/api/v1/plans/listed/activate", nil)
	}
	if err != nil {
		return c, err
	}
	after, err := p.cost()
	return cost{after.cpu - before.cpu, after.memory}, err
}

// planForm is a plan as the API takes it.
type planForm struct {
	ID         string          `json:"id"`
	Name       string          `json:"name"`
	Product    string          `json:"product"`
	White      []string        `json:"white"`
	TimeZone   string          `json:"time_zone"`
	Start      string          `json:"start"`
	End        string          `json:"end"`
	Mode       string          `json:"mode"`
	Components []componentForm `json:"components"`
}

type componentForm struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Package string `json:"package"`
	Target  string `json:"target"`
}

// found makes the state of a platform with a plan of two components and devices that had
// it. Another process has the devices in its memory, which must not be this one's.
func (s *site) found(state string, devices int) error {
	args := []string{"--state", state}
	for _, component := range []string{"c00", "c01"} {
		name := filepath.Join(s.dir, component+".ota")
		if err := s.packed(component, name, 64<<10); err != nil {
			return err
		}
		args = append(args, "--upgrade", name)
	}
	p, err := s.serve(args...)
	if err != nil {
		return err
	}
	if err := p.stop(); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	_, err = s.run(self, "populate", state, strconv.Itoa(devices))
	return err
}

// serve starts a platform and waits until its pages are there.
func (s *site) serve(args ...string) (*server, error) {
	const free = "127.0.0.1:0"
	args = append([]string{"platform", "--listen", free, "--store-listen", free, "--page", free}, args...)
	p := &server{command: exec.CommandContext(s.ctx, s.sim, args...), client: &http.Client{Timeout: patience}}
	p.command.Dir, p.command.Stderr = s.dir, os.Stderr
	p.command.Cancel = func() error { return p.command.Process.Signal(syscall.SIGTERM) }
	out, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	if p.url = saidAfter(out, "pages "); p.url == "" {
		return nil, errors.Join(errors.New("the platform did not start"), p.command.Wait())
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return p, nil
}

// stop ends the platform as an operator does.
func (p *server) stop() error {
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return p.command.Wait()
}

// ask is what one answer costs, by many of them.
func (p *server) ask(path string) (cost, error) {
	if err := p.get(path); err != nil { // what the first one prepares is no other's
		return cost{}, err
	}
	before, err := p.cost()
	if err != nil {
		return cost{}, err
	}
	n := 0
	for began := time.Now(); n < requests && (n < 3 || time.Since(began) < requestTime); n++ {
		if err := p.get(path); err != nil {
			return cost{}, err
		}
	}
	after, err := p.cost()
	return cost{cpu: (after.cpu - before.cpu) / float64(n)}, err
}

func (p *server) get(path string) error { return p.do(http.MethodGet, path, nil) }

func (p *server) post(path string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return p.do(http.MethodPost, path, text)
}

// do makes a request, which must be granted.
func (p *server) do(method, path string, body []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, p.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := p.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode >= http.StatusMultipleChoices {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 2000))
		return fmt.Errorf("%s %s is answered with %s %s", method, path, answer.Status, text)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}

// cost is what the platform has taken so far.
func (p *server) cost() (c cost, err error) {
	proc := fmt.Sprintf("/proc/%d/", p.command.Process.Pid)
	stat, err := os.ReadFile(proc + "stat")
	if err != nil {
		return c, err
	}
	status, err := os.ReadFile(proc + "status")
	if err != nil {
		return c, err
	}
	return costOfProcess(string(stat), string(status))
}

// costOfProcess reads what the kernel says of a process.
func costOfProcess(stat, status string) (c cost, err error) {
	const ticks = 100                                  // a second, on every Linux that Go runs on
	after := stat[strings.LastIndexByte(stat, ')')+1:] // behind the name, which may hold any character
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return c, fmt.Errorf("cannot read the state of a process: %.100q", stat)
	}
	for _, field := range fields[11:13] { // in user mode, in the kernel
		n, err := strconv.Atoi(field)
		if err != nil {
			return c, err
		}
		c.cpu += float64(n) / ticks
	}
	_, peak, _ := strings.Cut(status, "VmHWM:")
	kib, _, _ := strings.Cut(strings.TrimSpace(peak), " ")
	n, err := strconv.Atoi(kib)
	c.memory = float64(n) / kibPerMiB
	return c, err
}
