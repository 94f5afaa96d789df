package hawkbit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent/link"
	"otafleet/agent/link/hawkbit"
	"otafleet/agent/link/linktest"
	"otafleet/internal/ota"
)

func TestContract(t *testing.T) {
	linktest.Run(t, func(t *testing.T) linktest.Platform {
		return &canceller{t: t, devices: map[string]*cancelled{}}
	})
}

// canceller is a hawkBit that cancels one action after the other, each when the one
// before has been answered, and takes the outcome of any other. These are the messages
// that its protocol carries one by one.
type canceller struct {
	t *testing.T

	mu      sync.Mutex // guards the following
	devices map[string]*cancelled
	cut     bool // the next question is answered by nothing
	stalled bool // the next question has no answer
}

// cancelled is a device: the actions to cancel, and what it has said of the other ones.
type cancelled struct {
	actions []string
	said    []ota.Up
}

// firstReport is beyond the numbers of the actions that are cancelled.
const firstReport = 1_000_000

func (c *canceller) Traits() linktest.Traits {
	number := func(plan string, after int) int {
		n, err := strconv.Atoi(plan)
		if err != nil || n-after < 1 || n-after >= firstReport {
			return 0
		}
		return n - after
	}
	return linktest.Traits{
		Window: 1, Quiet: true,
		Down: func(n int) ota.Down { return &ota.Termination{Plan: strconv.Itoa(n), Reason: ota.Terminated} },
		Up: func(n int) *ota.Report {
			return &ota.Report{Plan: strconv.Itoa(firstReport + n), Attempt: 1, Seq: 1, Component: "app",
				Status: ota.NoUpdateRequired, Version: "1"}
		},
		DownNumber: func(m ota.Down) int {
			if end, is := m.(*ota.Termination); is {
				return number(end.Plan, 0)
			}
			return 0
		},
		UpNumber: func(m ota.Up) int {
			if report, is := m.(*ota.Report); is {
				return number(report.Plan, firstReport)
			}
			return 0
		},
	}
}

func (c *canceller) Session(t *testing.T, own link.Device, members []link.Device) link.Session {
	s, err := hawkbit.New(hawkbit.Config{Device: own, Members: members, URL: parse(t, base), Gateway: true, Transport: c,
		Draw: func() float64 { return 0 }})
	require.NoError(t, err)
	return s
}

func (c *canceller) device(key string) *cancelled {
	d := c.devices[key]
	if d == nil {
		d = &cancelled{}
		c.devices[key] = d
	}
	return d
}

func (c *canceller) Give(to ota.Identity, message ota.Down) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.device(to.Device)
	d.actions = append(d.actions, message.(*ota.Termination).Plan)
}

func (c *canceller) Unacknowledged(to ota.Identity) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.device(to.Device).actions)
}

func (c *canceller) Taken(from ota.Identity) []ota.Up {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]ota.Up(nil), c.device(from.Device).said...)
}

func (c *canceller) Cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = true
}

func (c *canceller) Stall() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stalled = true
}

// RoundTrip answers without sockets.
func (c *canceller) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	assert.NoError(c.t, err)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.cut:
		c.cut = false
		return nil, errors.New("connection reset by peer")
	case c.stalled:
		c.stalled = false
		c.mu.Unlock()
		<-r.Context().Done()
		c.mu.Lock()
		return nil, r.Context().Err()
	}
	path := strings.Split(strings.TrimPrefix(r.URL.Path, "/DEFAULT/controller/v1/"), "/")
	status, answer := c.answer(r.Method, path, body)
	return &http.Response{StatusCode: status, Header: http.Header{}, Request: r,
		Body: io.NopCloser(bytes.NewReader(answer))}, nil
}

func (c *canceller) answer(method string, path []string, body []byte) (int, []byte) {
	d := c.device(path[0])
	switch {
	case len(path) == 1:
		links := ""
		if len(d.actions) > 0 {
			links = fmt.Sprintf(`"cancelAction":{"href":"%s/DEFAULT/controller/v1/%s/cancelAction/%s"}`, base, path[0],
				d.actions[0])
		}
		return http.StatusOK, []byte(`{"config":{"polling":{"sleep":"00:00:10"}},"_links":{` + links + `}}`)
	case method == http.MethodGet:
		return http.StatusOK, fmt.Appendf(nil, `{"id":%q,"cancelAction":{"stopId":%q}}`, path[2], path[2])
	case path[1] == "cancelAction":
		assert.Equal(c.t, d.actions[0], path[2])
		d.actions = d.actions[1:]
	default:
		var said struct{ Status struct{ Execution string } }
		assert.NoError(c.t, json.Unmarshal(body, &said))
		if said.Status.Execution == "closed" {
			d.said = append(d.said, &ota.Report{Plan: path[2]})
		}
	}
	return http.StatusOK, nil
}
