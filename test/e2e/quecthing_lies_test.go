package e2e_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	codec "otafleet/internal/quecthing"
	"otafleet/simulator/platform/broker"
	"otafleet/test/harness"
)

// liar is a quecthing platform whose digest is wrong. It sends the address again after
// each failure.
type liar struct {
	address codec.Items

	mu       sync.Mutex // guards the following
	id       uint16     // of the last frame
	statuses []int64
}

func (l *liar) Login(string, string) broker.Answer { return broker.Admit }
func (l *liar) Hears(string, string) bool          { return true }
func (l *liar) Left(*broker.Peer)                  {}

func (l *liar) Subscribed(p *broker.Peer) {
	l.send(p, codec.DeviceConfig, codec.Items{codec.Text(codec.DeviceSecret, "0123456789abcdef")})
}

func (l *liar) send(p *broker.Peer, c codec.Command, items codec.Items) {
	l.mu.Lock()
	l.id++
	frame, err := codec.Frame{ID: l.id, Command: c, Payload: items.Encode()}.Encode()
	l.mu.Unlock()
	if err == nil {
		p.Send(codec.Downlink(p.ID, codec.OTA), frame)
	}
}

func (l *liar) Take(p *broker.Peer, _ string, payload []byte) error {
	f, err := codec.DecodeFrame(payload)
	if err != nil {
		return err
	}
	items, err := codec.DecodeItems(f.Payload)
	if err != nil {
		return err
	}
	code, _ := items.Int(codec.StatusCode)
	switch status := codec.Status(code); {
	case f.Command == codec.UpgradeAsk && len(l.said()) == 0:
		l.send(p, codec.UpgradePlan, codec.Items{codec.Text(codec.Component, "app"), codec.Text(codec.Target, "1.1.0"),
			codec.Int(codec.ComponentType, codec.ModuleType)})
	case f.Command == codec.UpgradeStatus:
		l.mu.Lock()
		l.statuses = append(l.statuses, code)
		l.mu.Unlock()
		if status == codec.Confirmed || status == codec.DownloadFailed {
			l.send(p, codec.UpgradeFile, l.address)
		}
	}
	return nil
}

func (l *liar) said() []int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.statuses)
}

// TestQuecThingWrongDigest: five addresses fail, the sixth is the last; nothing wrong
// is installed.
func TestQuecThingWrongDigest(t *testing.T) {
	t.Parallel()
	content := []byte("another file than the one that was named")
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "app.bin", time.Time{}, bytes.NewReader(content))
	}))
	t.Cleanup(files.Close)
	l := &liar{address: codec.Items{codec.Text(codec.URL, files.URL+"/app.bin"),
		codec.Int(codec.Size, int64(len(content))), codec.Text(codec.MD5, fmt.Sprintf("%032x", 7)),
		codec.Text(codec.Component, "app"), codec.Text(codec.Target, "1.1.0"),
		codec.Int(codec.ComponentType, codec.ModuleType)}}
	b, err := broker.Listen("127.0.0.1:0", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- b.Run(l) }()
	t.Cleanup(func() {
		_ = b.Close()
		require.NoError(t, <-ended)
	})
	s := newSetting(t)
	s.device.SpeakQuecThing("mqtt://"+b.Addr().String(), harness.Settings{"allow_weak_digest": true})
	s.device.Settings["download"].(harness.Settings)["attempts"] = 1
	s.device.Start()
	harness.Await(t, "the last failure", func() bool { return slices.Contains(l.said(), 12) })
	failures := 0
	for _, code := range l.said() {
		if code == int64(codec.DownloadFailed) {
			failures++
		}
		assert.NotContains(t, []int64{8, 9, 11}, code)
	}
	assert.Equal(t, 5, failures)
	assert.Equal(t, "old", string(s.device.Read("app.bin")))
}
