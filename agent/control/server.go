package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"otafleet/agent"
	"otafleet/internal/httpserver"
	"otafleet/internal/ota"
)

const (
	maxBody     = 2 * ota.MaxDetail // bytes of a request
	patience    = 10 * time.Second  // for one request, in either direction
	leaveWithin = 2 * time.Second   // for requests in progress when the server ends
)

// Agent is the running agent.
type Agent interface {
	// Status says what the device does.
	Status(ctx context.Context) (Status, error)
	// Post queues an input and returns at once.
	Post(in agent.Input)
}

// Records is what a device remembers.
type Records interface {
	// View is what the device does, and the plans that it remembers.
	View() agent.View
	// Events gives the lines of the event log, oldest first.
	Events() ([]json.RawMessage, error)
}

// Server answers the operator's requests.
type Server struct {
	Path     string      // of the socket; its directory must exist
	Mode     fs.FileMode // of the socket; 0 for 0660
	Agent    Agent       // what the requests are about
	Records  Records
	Packages Packages
	// SubDevice finds a device for which the agent speaks, by its key. The error is
	// what to say where there is none. The field is nil without sub-devices.
	SubDevice func(key string) (Subject, error)
	Logger    *slog.Logger // nil discards
	Opened    func()       // called once requests are answered; nil for nothing
}

// Validate says everything that is wrong with the server's fields.
func (s *Server) Validate() error {
	var problems []error
	if s.Path == "" {
		problems = append(problems, errors.New("no path of a control socket is configured"))
	}
	if s.Mode&^fs.ModePerm != 0 {
		problems = append(problems, fmt.Errorf("mode %o of the control socket is not in 0..777", s.Mode))
	}
	if s.Agent == nil {
		problems = append(problems, errors.New("the control socket has no agent"))
	}
	if s.Records == nil || s.Packages == nil {
		problems = append(problems, errors.New("the control socket has no records, or nothing that installs packages"))
	}
	return errors.Join(problems...)
}

// Run serves the socket until ctx ends and then removes it. It returns an error
// if it cannot listen, or when listening ends by itself.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Validate(); err != nil {
		return err
	}
	listener, err := s.listen()
	if err != nil {
		return err
	}
	log := s.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	server := httpserver.New(s.routes(), log)
	server.ReadTimeout, server.WriteTimeout, server.IdleTimeout = patience, patience, patience
	server.MaxHeaderBytes = maxBody
	server.BaseContext = func(net.Listener) context.Context { return ctx }
	server.ConnContext = withPeer
	log.Info("control socket is open", "path", s.Path)
	if s.Opened != nil {
		s.Opened()
	}
	if err := httpserver.Run(ctx, server, listener, leaveWithin); err != nil {
		return fmt.Errorf("cannot serve the control socket: %w", err)
	}
	return nil
}

// listen opens the socket. What a killed agent has left is removed, but only a
// socket on which no agent answers.
func (s *Server) listen() (net.Listener, error) {
	if err := removeStale(s.Path); err != nil {
		return nil, fmt.Errorf("cannot open the control socket: %w", err)
	}
	socket, err := net.Listen("unix", s.Path)
	if err != nil {
		return nil, fmt.Errorf("cannot open the control socket: %w", err)
	}
	mode := s.Mode
	if mode == 0 {
		mode = 0o660
	}
	if err := os.Chmod(s.Path, mode); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot protect the control socket: %w", err), socket.Close())
	}
	return &listener{Listener: socket, open: map[uint32]int{}}, nil
}

func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s exists and is not a socket: remove it, or configure another control_socket", path)
	}
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		_ = conn.Close()
		return fmt.Errorf("another agent answers at %s: stop it, or configure another control_socket", path)
	}
	return os.Remove(path)
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", s.about(status))
	mux.HandleFunc("GET /v1/explain", s.about(func(d Subject, w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, NewExplanation(d.Records.View()))
	}))
	mux.HandleFunc("GET /v1/history", s.about(func(d Subject, w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, NewHistory(d.Records.View()))
	}))
	mux.HandleFunc("GET /v1/events", s.about(events))
	mux.HandleFunc("POST /v1/rehearse", alone(s.about(rehearse)))
	mux.HandleFunc("POST /v1/check", s.changing(s.about(check)))
	mux.HandleFunc("POST /v1/confirm", s.changing(s.about(confirm)))
	mux.HandleFunc("POST /v1/refuse", s.changing(s.about(decline)))
	mux.HandleFunc("POST /v1/abandon", s.changing(s.about(abandon)))
	mux.HandleFunc("POST /v1/pause", s.changing(s.about(pause)))
	mux.HandleFunc("POST /v1/resume", s.changing(s.about(resume)))
	mux.HandleFunc("POST /v1/install", s.changing(s.about(install)))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, "this agent does not know this request: does the client have the agent's version?")
	})
	return mux
}

func status(d Subject, w http.ResponseWriter, r *http.Request) {
	status, err := d.Agent.Status(r.Context())
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	answer(w, http.StatusOK, status)
}

func events(d Subject, w http.ResponseWriter, _ *http.Request) {
	lines, err := d.Records.Events()
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	answer(w, http.StatusOK, Events{Events: append([]json.RawMessage{}, lines...)})
}

func pause(d Subject, w http.ResponseWriter, r *http.Request) {
	why, err := readReason(w, r)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	if d.Records.View().Paused != nil {
		refuse(w, http.StatusConflict, "the agent is paused already")
		return
	}
	d.Agent.Post(agent.PauseRequested{Reason: why.Detail})
	answer(w, http.StatusAccepted, done{"paused: nothing new begins before 'ota-agent resume'"})
}

func resume(d Subject, w http.ResponseWriter, _ *http.Request) {
	if d.Records.View().Paused == nil {
		refuse(w, http.StatusConflict, "the agent is not paused")
		return
	}
	d.Agent.Post(agent.ResumeRequested{})
	answer(w, http.StatusAccepted, done{"resumed"})
}

func check(d Subject, w http.ResponseWriter, r *http.Request) {
	status, err := d.Agent.Status(r.Context())
	switch {
	case err != nil:
		refuse(w, http.StatusServiceUnavailable, err.Error())
	case !status.Connected:
		refuse(w, http.StatusConflict, "the device is not connected; it asks for a plan by itself when it is")
	default:
		d.Agent.Post(agent.CheckRequested{})
		answer(w, http.StatusAccepted, done{"the platform is asked for a plan"})
	}
}

func confirm(d Subject, w http.ResponseWriter, r *http.Request) { decide(d, w, r, true) }
func decline(d Subject, w http.ResponseWriter, r *http.Request) { decide(d, w, r, false) }

// decide posts the operator's answer, if the plan that was asked about waits for
// one.
func decide(d Subject, w http.ResponseWriter, r *http.Request, accept bool) {
	why, err := readReason(w, r)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	status, err := d.Agent.Status(r.Context())
	switch {
	case err != nil:
		refuse(w, http.StatusServiceUnavailable, err.Error())
	case status.Plan == nil || status.Plan.Answer != AnswerAsking:
		refuse(w, http.StatusConflict, "no plan waits for an answer: "+status.Waiting)
	case !why.meant(status.Plan):
		refuse(w, http.StatusConflict, "another question waits now: "+status.Plan.question())
	default:
		d.Agent.Post(agent.Decided{Accept: accept, Detail: why.Detail, Plan: status.Plan.ID, Attempt: status.Plan.Attempt,
			Targets: status.Plan.targets()})
		answer(w, http.StatusAccepted, done{verb(accept) + " " + status.Plan.question()})
	}
}

// abandon ends the current plan as far as it has not begun to switch.
func abandon(d Subject, w http.ResponseWriter, r *http.Request) {
	why, err := readReason(w, r)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	plan := d.Records.View().Plan
	switch {
	case plan == nil || !plan.Open:
		refuse(w, http.StatusConflict, "no plan is in progress or waits for an answer")
	case why.Plan != "" && why.Plan != plan.ID:
		refuse(w, http.StatusConflict, "plan "+plan.ID+" is the current one: look at it with 'ota-agent status'")
	case plan.Switching:
		refuse(w, http.StatusConflict, "plan "+plan.ID+" is being switched, and goes on to its end")
	default:
		d.Agent.Post(agent.Abandon{Plan: plan.ID, Detail: why.Detail})
		answer(w, http.StatusAccepted, done{"abandoned plan " + plan.ID})
	}
}

func verb(accept bool) string {
	if accept {
		return "confirmed"
	}
	return "refused"
}

// reason is the body of requests that change something. An empty body is one
// without a detail, about the plan that is there.
type reason struct {
	Detail  string   `json:"detail,omitempty"`
	Plan    string   `json:"plan,omitempty"`    // the plan that the operator has read about
	Attempt int      `json:"attempt,omitempty"` // its attempt
	Targets []string `json:"targets,omitempty"` // the versions that it brings, in its order
}

// meant reports whether a plan is the one that the operator has read about.
func (r *reason) meant(p *Plan) bool {
	return (r.Plan == "" || r.Plan == p.ID) && (r.Attempt == 0 || r.Attempt == p.Attempt) &&
		(len(r.Targets) == 0 || strings.Join(r.Targets, ",") == strings.Join(p.targets(), ","))
}

func readReason(w http.ResponseWriter, r *http.Request) (*reason, error) {
	var why reason
	if err := readBody(w, r, &why); err != nil {
		return nil, err
	}
	if len(why.Detail) > ota.MaxDetail {
		return nil, fmt.Errorf("the detail has %d bytes, at most %d are taken", len(why.Detail), ota.MaxDetail)
	}
	why.Detail = strings.TrimSpace(why.Detail)
	return &why, nil
}

// done is the body of a request that was carried out, refusal of one that was
// not.
type (
	done struct {
		Done string `json:"done"`
	}
	refusal struct {
		Error string `json:"error"`
	}
)

func refuse(w http.ResponseWriter, code int, why string) { answer(w, code, refusal{why}) }

// answer writes a body. A client that has gone away is no matter.
func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}
