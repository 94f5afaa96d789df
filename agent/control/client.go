package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"

	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

// maxAnswer bounds the bytes of an answer: a status of a gateway with 256
// sub-devices and a plan each, every component of which has failed with a full
// detail, is less.
const maxAnswer = 32 << 20

// Unreachable says that no agent answers on the socket.
type Unreachable struct {
	Path string
	Err  error
}

// Error says what to do about it.
func (u *Unreachable) Error() string {
	if errors.Is(u.Err, fs.ErrPermission) {
		return fmt.Sprintf(
			"cannot reach the agent at %s: permission denied: run as root or as a member of the socket's group", u.Path)
	}
	return fmt.Sprintf("cannot reach the agent at %s: is ota-agent running? (%v)", u.Path, u.Err)
}

func (u *Unreachable) Unwrap() error { return u.Err }

// Refused says that the agent answered and did not do what was asked.
type Refused struct {
	// HTTP status: 409 if the device is not in a state for it, 403 if the peer may not, 422 if it
	// never will
	Code    int
	Message string // the agent's sentence
}

// Error gives the agent's sentence.
func (r *Refused) Error() string { return r.Message }

// Client sends the operator's requests. Errors are a *Unreachable, a *Refused,
// or say what could not be understood of the answer.
type Client struct {
	Path   string // of the agent's socket
	Device string // the sub-device that requests are about; empty for the agent's own device
}

// Status says what the device does.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	err := c.call(ctx, http.MethodGet, "/v1/status", nil, &s)
	return s, err
}

// Check asks the platform for a plan now. The result is a sentence for people.
func (c *Client) Check(ctx context.Context) (string, error) {
	return c.order(ctx, "/v1/check", nil)
}

// Question is what an operator has read about and answers: a plan, its attempt and
// the versions that it brings, in its order. What is zero stands for whatever waits.
type Question struct {
	Plan    string
	Attempt int
	Targets []string
}

// Confirm accepts the plan that waits for an answer. It is refused if another
// question waits than the one that was read.
func (c *Client) Confirm(ctx context.Context, q Question) (string, error) {
	return c.order(ctx, "/v1/confirm", reason{Plan: q.Plan, Attempt: q.Attempt, Targets: q.Targets})
}

// Refuse declines it; detail says why and may be empty.
func (c *Client) Refuse(ctx context.Context, q Question, detail string) (string, error) {
	return c.order(ctx, "/v1/refuse", reason{Plan: q.Plan, Attempt: q.Attempt, Targets: q.Targets, Detail: detail})
}

// Abandon ends a plan, or the current one if its id is empty, as far as it has
// not begun to switch; detail says why and may be empty.
func (c *Client) Abandon(ctx context.Context, plan, detail string) (string, error) {
	return c.order(ctx, "/v1/abandon", reason{Plan: plan, Detail: detail})
}

// Explain says what the device waits for.
func (c *Client) Explain(ctx context.Context) (Explanation, error) {
	var e Explanation
	err := c.call(ctx, http.MethodGet, "/v1/explain", nil, &e)
	return e, err
}

// History gives the plans that the device remembers.
func (c *Client) History(ctx context.Context) (History, error) {
	var h History
	err := c.call(ctx, http.MethodGet, "/v1/history", nil, &h)
	return h, err
}

// Events gives the event log.
func (c *Client) Events(ctx context.Context) (Events, error) {
	var e Events
	err := c.call(ctx, http.MethodGet, "/v1/events", nil, &e)
	return e, err
}

// Pause lets nothing new begin; detail says why and may be empty.
func (c *Client) Pause(ctx context.Context, detail string) (string, error) {
	return c.order(ctx, "/v1/pause", reason{Detail: detail})
}

// Resume takes Pause back.
func (c *Client) Resume(ctx context.Context) (string, error) {
	return c.order(ctx, "/v1/resume", nil)
}

// Rehearse says what would become of a package, of which the envelope is given.
func (c *Client) Rehearse(ctx context.Context, envelope ota.Envelope) (Rehearsal, error) {
	var r Rehearsal
	content, err := wire.EncodeEnvelope(envelope)
	if err != nil {
		return r, err
	}
	err = c.call(ctx, http.MethodPost, "/v1/rehearse", json.RawMessage(content), &r)
	return r, err
}

// Install begins to install the package file at an absolute path of the agent's.
func (c *Client) Install(ctx context.Context, path string) (Installation, error) {
	var i Installation
	err := c.call(ctx, http.MethodPost, "/v1/install", installOrder{Path: path}, &i)
	return i, err
}

func (c *Client) order(ctx context.Context, path string, body any) (string, error) {
	var d done
	err := c.call(ctx, http.MethodPost, path, body, &d)
	return d.Done, err
}

func (c *Client) call(ctx context.Context, method, path string, body, into any) error {
	request, err := newRequest(ctx, method, c.aboutDevice(path), body)
	if err != nil {
		return err
	}
	transport := &http.Transport{
		DisableKeepAlives: true, // one request, then the program ends
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", c.Path)
		},
	}
	response, err := (&http.Client{Transport: transport, Timeout: patience}).Do(request)
	if err != nil {
		return &Unreachable{Path: c.Path, Err: cause(err)}
	}
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return fmt.Errorf("cannot read the agent's answer: %w", err)
	}
	if len(answer) > maxAnswer {
		return fmt.Errorf("cannot read the agent's answer: longer than %d bytes", maxAnswer)
	}
	if response.StatusCode/100 != 2 {
		return newRefused(response.StatusCode, answer)
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("cannot understand the agent's answer: %w", err)
	}
	return nil
}

func newRequest(ctx context.Context, method, path string, body any) (*http.Request, error) {
	var content []byte
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return nil, fmt.Errorf("cannot encode the request: %w", err)
		}
	}
	// The host only fills HTTP's form: the dialer goes to the socket.
	return http.NewRequestWithContext(ctx, method, "http://ota-agent"+path, bytes.NewReader(content))
}

func newRefused(code int, answer []byte) *Refused {
	var r refusal
	if json.Unmarshal(answer, &r) != nil || r.Error == "" {
		r.Error = fmt.Sprintf("the agent answered with HTTP status %d and no explanation", code)
	}
	return &Refused{Code: code, Message: r.Error}
}

// cause drops the URL that net/http puts before an error, which means nothing
// to an operator.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}
