package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// A connector opens the session of one device. It subscribes to the device's
// topics whenever the session is up, and then calls up; what arrives is given
// to received with the last word of its topic.
type connector func(ctx context.Context, broker, device string, up func(), received func(message)) (publisher, error)

// A publisher sends a message with QoS 1 and returns when the broker has it.
type publisher interface {
	publish(ctx context.Context, kind string, payload []byte) error
}

// message is one that the platform has sent.
type message struct {
	kind    string
	payload []byte
}

// device is one virtual device: what it runs, and how far its plan has come.
type device struct {
	key        string
	store      *http.Client
	session    publisher
	components []component
	plan       plan
	seq        int
	left       int // components still to be upgraded
}

func newDevice(key string, store *http.Client) *device {
	return &device{key: key, store: store, components: []component{
		{ID: "rootfs", Type: "module", Version: "1.0.0"},
		{ID: "motor", Type: "mcu", Version: "3_0"},
	}}
}

// run keeps a session until the device's plan is acknowledged to its end.
func (d *device) run(ctx context.Context, broker string, connect connector) error {
	inbox := make(chan message, 16)
	up := make(chan struct{}, 1)
	session, err := connect(ctx, broker, d.key, func() { up <- struct{}{} }, func(m message) { inbox <- m })
	if err != nil {
		return fmt.Errorf("%s: cannot connect: %w", d.key, err)
	}
	d.session = session
	for {
		ended := false
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-up:
			err = d.report(ctx)
		case m := <-inbox:
			ended, err = d.handle(ctx, m)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", d.key, err)
		}
		if ended {
			return nil
		}
	}
}

// handle does what a message asks for, and tells whether the plan is at its end.
func (d *device) handle(ctx context.Context, m message) (ended bool, err error) {
	switch m.kind {
	case "plan":
		if d.seq > 0 {
			return false, nil // it has come twice
		}
		if err := json.Unmarshal(m.payload, &d.plan); err != nil {
			return false, err
		}
		return false, d.accept(ctx)
	case "package":
		var p pack
		if err := json.Unmarshal(m.payload, &p); err != nil {
			return false, err
		}
		return false, d.upgrade(ctx, p)
	case "ack":
		var a ack
		err := json.Unmarshal(m.payload, &a)
		return err == nil && d.seq > 0 && d.left == 0 && a.Seq >= d.seq, err
	}
	return false, nil
}

// accept accepts the plan.
func (d *device) accept(ctx context.Context) error {
	d.left = len(d.plan.Components)
	for _, c := range d.plan.Components {
		if err := d.tell(ctx, c.ID, "plan_received"); err != nil {
			return err
		}
	}
	if err := d.send(ctx, "decision", decision{time.Now().UTC(), d.plan.Plan, d.plan.Attempt, true}); err != nil {
		return err
	}
	for _, c := range d.plan.Components {
		if err := d.tell(ctx, c.ID, "upgrade_confirmed"); err != nil {
			return err
		}
	}
	return nil
}

// upgrade fetches a component's package and pretends to install it.
func (d *device) upgrade(ctx context.Context, p pack) error {
	for _, s := range []string{"ready_to_download", "downloading"} {
		if err := d.tell(ctx, p.Component, s); err != nil {
			return err
		}
	}
	for _, file := range p.Files {
		if err := d.download(ctx, file.URLs[0]); err != nil {
			return err
		}
	}
	for _, s := range []string{"download_succeeded", "upgrading"} {
		if err := d.tell(ctx, p.Component, s); err != nil {
			return err
		}
	}
	d.install(p.Component)
	d.left--
	if err := d.tell(ctx, p.Component, "upgrade_succeeded"); err != nil {
		return err
	}
	return d.report(ctx)
}

// install makes the component run its target.
func (d *device) install(id string) {
	for i := range d.components {
		for _, c := range d.plan.Components {
			if c.ID == id && d.components[i].ID == id {
				d.components[i].Version = c.Target
			}
		}
	}
}

// download reads the whole file and looks at none of it.
func (d *device) download(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := d.store.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the storage answered %s", response.Status)
	}
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

// report sends the inventory, which asks for a plan if none is in progress.
func (d *device) report(ctx context.Context) error {
	i := inventory{Time: time.Now().UTC(), Agent: "loop/1", Request: d.seq == 0, Components: d.components}
	if d.left > 0 {
		i.Running = &running{d.plan.Plan, d.plan.Attempt, d.seq}
	}
	return d.send(ctx, "inventory", i)
}

// tell sends the next status.
func (d *device) tell(ctx context.Context, id, word string) error {
	d.seq++
	running := ""
	for _, c := range d.components {
		if c.ID == id {
			running = c.Version
		}
	}
	return d.send(ctx, "status", status{Time: time.Now().UTC(), Plan: d.plan.Plan, Attempt: d.plan.Attempt,
		Seq: d.seq, Component: id, Status: word, Version: running})
}

func (d *device) send(ctx context.Context, kind string, content any) error {
	payload, err := json.Marshal(content)
	if err != nil {
		return err
	}
	return d.session.publish(ctx, kind, payload)
}
