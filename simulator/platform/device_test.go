package platform_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/bundle"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/engine"
)

// patience is how long a test waits for what must happen.
const patience = time.Minute

// serve runs something until the test ends, or until stop is called.
func serve(t *testing.T, run func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { assert.NoError(t, run(ctx)) })
	stop = func() { cancel(); serving.Wait() }
	t.Cleanup(stop)
	return stop
}

// facts are what a platform has observed, but for messages and first contacts.
type facts struct {
	mu   sync.Mutex
	seen []engine.Output
}

func (f *facts) observe(_ time.Time, fact engine.Output) {
	switch fact.(type) {
	case engine.Send, engine.Issue, engine.Appeared, engine.TurnedAway:
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = append(f.seen, fact)
}

func (f *facts) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.seen)
}

// image is the content of every package.
func image() []byte { return []byte(strings.Repeat("new system ", 3000)) }

// start makes a platform with a plan for the product gw-200, and runs it.
func start(t *testing.T, config platform.Config) *platform.Service {
	t.Helper()
	s, err := platform.New(config)
	require.NoError(t, err)
	plan(t, s)
	serve(t, s.Run)
	return s
}

// plan gives a platform the plan spring, to upgrade rootfs to 1.1.0.
func plan(t *testing.T, s *platform.Service) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	file, err := bundle.Describe("rootfs.bin", bytes.NewReader(image()), 4<<10)
	require.NoError(t, err)
	manifest := ota.Manifest{
		Product: "gw-200", Component: "rootfs", Type: ota.Module, Package: ota.Full, Target: "1.1.0", Release: 1,
		Created: time.Now(), Files: []ota.File{file},
	}
	envelope, err := bundle.Seal(&manifest, key)
	require.NoError(t, err)
	require.NoError(t, s.AddPackage(t.Context(), envelope, &manifest, []io.ReaderAt{bytes.NewReader(image())}))
	require.NoError(t, s.Command(engine.CreatePlan{Plan: engine.PlanSpec{
		ID: "spring", Name: "spring", Product: "gw-200", Zone: time.UTC, Start: time.Now().Add(-time.Minute),
		End:  time.Now().Add(time.Hour),
		Mode: ota.Silent, Components: []engine.ComponentSpec{{ID: "rootfs", Type: ota.Module, Package: ota.Full,
			Target: "1.1.0"}},
	}}))
	require.NoError(t, s.Command(engine.Activate{Plan: "spring"}))
}

// device is a device by hand: it says what a test lets it say, and forgets
// everything.
type device struct {
	t      *testing.T
	id     ota.Identity
	topics wire.Topics
	client *paho.Client
	inbox  chan *paho.Publish
	seq    int
	deaf   sync.Mutex // while it is held, the device takes and acknowledges nothing
}

// connect opens a session at a broker, which may be starting yet.
func connect(t *testing.T, url, key string) *device {
	t.Helper()
	d := &device{t: t, id: ota.Identity{Product: "gw-200", Device: key}}
	require.EventuallyWithT(t, func(c *assert.CollectT) { assert.NoError(c, d.open(url)) }, patience, 50*time.Millisecond)
	return d
}

func (d *device) open(url string) error {
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "mqtt://"))
	if err != nil {
		return err
	}
	inbox := make(chan *paho.Publish, 100)
	client := paho.NewClient(paho.ClientConfig{Conn: conn,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			d.deaf.Lock()
			defer d.deaf.Unlock()
			inbox <- p.Packet
			return true, nil
		}},
		OnClientError: func(error) {}, OnServerDisconnect: func(*paho.Disconnect) {},
	})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := client.Connect(ctx, &paho.Connect{ClientID: d.id.ClientID(), CleanStart: true,
		KeepAlive: 60}); err != nil {
		conn.Close()
		return err
	}
	d.t.Cleanup(func() { conn.Close() })
	d.client, d.inbox = client, inbox
	_, err = client.Subscribe(
		ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: d.topics.DeviceFilter(d.id), QoS: 1}}},
	)
	return err
}

func (d *device) publish(kind string, payload []byte) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := d.client.Publish(ctx, &paho.Publish{Topic: d.topics.Up(d.id, kind), QoS: 1, Payload: payload})
	require.NoError(d.t, err)
}

func (d *device) send(m ota.Up) {
	d.t.Helper()
	kind, payload, err := wire.EncodeUp(m)
	require.NoError(d.t, err)
	d.publish(kind, payload)
}

// inventory says what the device runs, and asks for a plan.
func (d *device) inventory(version string) {
	d.t.Helper()
	d.send(&ota.Inventory{Time: time.Now(), Agent: "by hand", Request: true,
		Components: []ota.ComponentVersion{{ID: "rootfs", Type: ota.Module, Version: version}}})
}

func (d *device) report(statuses ...ota.Status) {
	d.t.Helper()
	for _, s := range statuses {
		d.seq++
		d.send(
			&ota.Report{
				Time: time.Now(), Plan: "spring", Attempt: 1, Seq: d.seq, Component: "rootfs", Status: s, Version: "1.0.0",
			},
		)
	}
}

// next waits for the platform's next message.
func (d *device) next() (ota.Down, *paho.Publish) {
	d.t.Helper()
	select {
	case p := <-d.inbox:
		_, direction, kind, ok := d.topics.Parse(p.Topic)
		require.True(d.t, ok && direction == wire.Down, p.Topic)
		assert.Equal(d.t, wire.ContentType, p.Properties.ContentType)
		m, err := wire.DecodeDown(kind, p.Payload)
		require.NoError(d.t, err)
		return m, p
	case <-time.After(patience):
		require.FailNow(d.t, "the platform says nothing")
		return nil, nil
	}
}

// expect waits for a message of a type, and passes over acknowledgements that
// come in between.
func expect[M ota.Down](d *device) M {
	d.t.Helper()
	for {
		m, _ := d.next()
		if wanted, is := m.(M); is {
			return wanted
		}
		_, ack := m.(*ota.Ack)
		require.True(d.t, ack, "the platform says %+v", m)
	}
}

// address takes the device to the point where it has a package's address.
func (d *device) address() *ota.Package {
	d.t.Helper()
	d.inventory("1.0.0")
	expect[*ota.Plan](d)
	d.report(ota.PlanReceived)
	d.send(&ota.Decision{Time: time.Now(), Plan: "spring", Attempt: 1, Accept: true})
	d.report(ota.UpgradeConfirmed)
	return expect[*ota.Package](d)
}

// get fetches an address as a device would, a range of it if one is given.
func get(t *testing.T, address, byteRange string) (status int, body []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	require.NoError(t, err)
	if byteRange != "" {
		request.Header.Set("Range", byteRange)
	}
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err = io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, body
}

// files are the files of a package by their contents.
func files(contents ...string) []io.ReaderAt {
	var all []io.ReaderAt
	for _, c := range contents {
		all = append(all, strings.NewReader(c))
	}
	return all
}
