package quecthing_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/agent/link/quecthing"
	"otafleet/internal/ota"
	codec "otafleet/internal/quecthing"
)

// restarted is a device that was started again in the middle of a plan, and says so.
type restarted struct {
	t   *testing.T
	x   *quecthing.Exchange
	now time.Time
}

func newRestarted(t *testing.T) *restarted {
	r := &restarted{t: t, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	r.x = quecthing.NewExchange(quecthing.Settings{Identity: ota.Identity{Product: "p1", Device: "d1"}, Secret: "own",
		Draw: func() float64 { return 0 }})
	r.connects()
	return r
}

func (r *restarted) connects() {
	r.now = r.now.Add(time.Minute)
	action, _ := r.x.Next(r.now)
	require.IsType(r.t, quecthing.Connect{}, action)
	r.x.Connected(r.now)
	r.x.Send(r.now, &ota.Inventory{Running: &ota.Running{Plan: "plan", Attempt: 1, Seq: 9},
		Components: []ota.ComponentVersion{
			{ID: "cell", Type: ota.Module, Version: "V1"}, {ID: "motor", Type: ota.MCU, Version: "1"},
		}})
	r.says()
}

// says gives the statuses that the device sends, each of which is taken.
func (r *restarted) says() (all []codec.Status) {
	for {
		action, _ := r.x.Next(r.now)
		m, is := action.(quecthing.Publish)
		if !is {
			return all
		}
		f, err := codec.DecodeFrame(m.Payload)
		require.NoError(r.t, err)
		items, err := codec.DecodeItems(f.Payload)
		require.NoError(r.t, err)
		if code, ok := items.Int(codec.StatusCode); ok && f.Command == codec.UpgradeStatus {
			all = append(all, codec.Status(code)) //nolint:gosec // statuses are small
		}
		r.x.Taken(r.now)
	}
}

func (r *restarted) reports(component string, s ota.Status, seq int) {
	r.x.Send(r.now, &ota.Report{Plan: "plan", Attempt: 1, Seq: seq, Component: component, Status: s})
}

// TestNextComponentAfterARestart: the address of a component that the device has not
// named since its start is one of its plan, as long as the agent says that it goes on.
func TestNextComponentAfterARestart(t *testing.T) {
	r := newRestarted(t)
	r.reports("cell", ota.UpgradeSucceeded, 10)
	r.says()
	r.x.Deliveries()
	payload, err := codec.Frame{ID: 1, Command: codec.UpgradeFile, Payload: codec.Items{
		codec.Text(codec.URL, "http://192.0.2.1/motor.img"), codec.Int(codec.Size, 5),
		codec.Text(codec.MD5, strings.Repeat("0a", 16)), codec.Text(codec.Component, "motor"),
		codec.Text(codec.Target, "2"), codec.Int(codec.ComponentType, codec.MCUType), codec.Text(codec.CRC, "0376E6E7"),
	}.Encode()}.Encode()
	require.NoError(t, err)
	r.x.Heard(r.now, payload)
	inputs := r.x.Deliveries()
	require.Len(t, inputs, 1)
	p, is := inputs[0].(agent.Received).Message.(*ota.Package)
	require.True(t, is, "%T", inputs[0].(agent.Received).Message)
	assert.Equal(t, "plan motor", p.Plan+" "+p.Component)
}

// TestLostWishForAnAddress is said again when the connection has ended since.
func TestLostWishForAnAddress(t *testing.T) {
	r := newRestarted(t)
	r.reports("cell", ota.Downloading, 10)
	assert.Equal(t, []codec.Status{codec.Downloading}, r.says())
	wish := &ota.AddressRequest{Plan: "plan", Attempt: 1, Component: "cell", Reason: ota.AddressExpired}
	r.x.Send(r.now, wish)
	action, _ := r.x.Next(r.now)
	require.IsType(t, quecthing.Publish{}, action)
	r.x.Lost(r.now, errors.New("the link is down"))
	r.connects()
	wish.Reason = ota.AddressMissing
	r.x.Send(r.now, wish)
	assert.Contains(t, r.says(), codec.DownloadFailed)
	r.x.Send(r.now, wish)
	assert.NotContains(t, r.says(), codec.DownloadFailed, "it is known")
}
