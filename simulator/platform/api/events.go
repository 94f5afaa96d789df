package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/engine"
)

const (
	watchRoom  = 4096             // facts that a follower may be behind
	planEvery  = time.Second      // how often a plan's counts are sent at most
	heartbeat  = 15 * time.Second // without which proxies take a stream for dead
	writePause = 10 * time.Second // that a follower may not read
)

// The kinds of events.
const (
	planEvents     = "plan"     // a plan as it is now
	deviceEvents   = "device"   // a device's status has changed
	reportEvents   = "report"   // a report came
	decisionEvents = "decision" // a device answered a plan
)

// DeviceEvent is the change of a device's status.
type DeviceEvent struct {
	Time   time.Time `json:"time"`
	Plan   string    `json:"plan"`
	Device string    `json:"device"`
	From   string    `json:"from"`
	To     string    `json:"to"`
}

// ReportEvent is a report, and what became of it.
type ReportEvent struct {
	Time      time.Time   `json:"time"`
	Plan      string      `json:"plan"`
	Device    string      `json:"device"`
	Component string      `json:"component"`
	Status    string      `json:"status"`
	Seq       int         `json:"seq"`
	Arrival   string      `json:"arrival"`
	Error     *FieldCause `json:"error"`
}

// DecisionEvent is a device's answer to a plan.
type DecisionEvent struct {
	Time   time.Time `json:"time"`
	Plan   string    `json:"plan"`
	Device string    `json:"device"`
	Accept bool      `json:"accept"`
	Reason string    `json:"reason"`
}

// MissedEvent says that a follower was too slow for so many facts.
type MissedEvent struct {
	Facts int64 `json:"facts"`
}

// follower is one stream of events.
type follower struct {
	api    *API
	w      http.ResponseWriter
	out    *http.ResponseController
	kinds  map[string]bool
	plan   string          // empty for all
	device string          // empty for all
	stale  map[string]bool // plans whose counts have changed since they were sent
}

// follow streams what happens until the caller goes.
func (a *API) follow(w http.ResponseWriter, r *http.Request) error {
	f, err := a.newFollower(w, r)
	if err != nil {
		return err
	}
	defer a.watchers.Add(-1)
	if a.watchers.Add(1) > maxWatchers {
		w.Header().Set("Retry-After", "30")
		return &failure{status: http.StatusTooManyRequests, detail: "too many follow the events already"}
	}
	_ = f.out.SetReadDeadline(time.Time{}) // a stream goes on, where there is a connection
	watch := a.platform.Watch(watchRoom)
	defer a.platform.Unwatch(watch)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	if f.sendPlans(true) == nil {
		f.serve(r, watch)
	}
	return nil
}

func (a *API) newFollower(w http.ResponseWriter, r *http.Request) (*follower, error) {
	query := r.URL.Query()
	f := &follower{api: a, w: w, out: http.NewResponseController(w), plan: query.Get("plan"), device: query.Get("device"),
		kinds: map[string]bool{}, stale: map[string]bool{}}
	kinds := query.Get("kind")
	if kinds == "" {
		kinds = planEvents + "," + deviceEvents
	}
	for kind := range strings.SplitSeq(kinds, ",") {
		switch kind {
		case planEvents, deviceEvents, reportEvents, decisionEvents:
			f.kinds[kind] = true
		default:
			return nil, Invalid("kind", fmt.Sprintf("kind: %.40q is not plan, device, report or decision", kind))
		}
	}
	if f.plan != "" {
		if _, err := a.plan(f.plan); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// serve sends until the caller goes or does not read any more.
func (f *follower) serve(r *http.Request, watch *platform.Watch) {
	plans, beat := time.NewTicker(planEvery), time.NewTicker(heartbeat)
	defer plans.Stop()
	defer beat.Stop()
	for {
		var err error
		select {
		case <-r.Context().Done():
			return
		case fact := <-watch.Facts:
			err = f.take(fact)
		case <-plans.C:
			if n := watch.Missed(); n > 0 {
				err = f.send("missed", MissedEvent{n})
			}
			if err == nil {
				err = f.sendPlans(false)
			}
		case <-beat.C:
			err = f.write(":\n\n")
		}
		if err != nil {
			return
		}
	}
}

// take sends one fact to those who want it, and remembers whose counts it changes.
func (f *follower) take(fact platform.Fact) error {
	at := fact.At.UTC()
	switch what := fact.What.(type) {
	case engine.Changed:
		f.stale[what.Plan] = true
		if f.wants(deviceEvents, what.Plan, what.Device.Device) {
			return f.send(deviceEvents, DeviceEvent{
				Time: at, Plan: what.Plan, Device: what.Device.Device, From: what.From.String(), To: what.To.String(),
			})
		}
	case engine.PlanChanged:
		f.stale[what.Plan] = true
	case engine.Recorded:
		if f.wants(reportEvents, what.Report.Plan, what.Device.Device) {
			return f.send(reportEvents, reportEvent(at, what))
		}
	case engine.Decided:
		if d := what.Decision; f.wants(decisionEvents, d.Plan, what.Device.Device) {
			return f.send(decisionEvents, DecisionEvent{
				Time: at, Plan: d.Plan, Device: what.Device.Device, Accept: d.Accept, Reason: string(d.Reason),
			})
		}
	}
	return nil
}

func reportEvent(at time.Time, what engine.Recorded) ReportEvent {
	r := what.Report
	e := ReportEvent{
		Time: at, Plan: r.Plan, Device: what.Device.Device, Component: r.Component,
		Status: r.Status.String(), Seq: r.Seq, Arrival: what.Arrival.String(),
	}
	if r.Failure != nil {
		e.Error = causeOf(r.Failure)
	}
	return e
}

func causeOf(f *ota.Failure) *FieldCause { return &FieldCause{string(f.Code), f.Detail} }

func (f *follower) wants(kind, plan, device string) bool {
	return f.kinds[kind] && (f.plan == "" || f.plan == plan) && (f.device == "" || f.device == device)
}

// sendPlans sends the plans that have changed, or all.
func (f *follower) sendPlans(all bool) error {
	if !f.kinds[planEvents] || !all && len(f.stale) == 0 {
		return nil
	}
	var plans []Plan
	f.api.platform.View(func(e *engine.Engine) {
		for _, p := range e.Plans() {
			if (all || f.stale[p.ID]) && (f.plan == "" || f.plan == p.ID) {
				plans = append(plans, planOf(&p))
			}
		}
	})
	clear(f.stale)
	for i := range plans {
		if err := f.send(planEvents, plans[i]); err != nil {
			return err
		}
	}
	return nil
}

func (f *follower) send(kind string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return f.write("event: " + kind + "\ndata: " + string(text) + "\n\n")
}

func (f *follower) write(text string) error {
	_ = f.out.SetWriteDeadline(time.Now().Add(writePause)) // where there is a connection
	if _, err := f.w.Write([]byte(text)); err != nil {
		return err
	}
	return f.out.Flush()
}
