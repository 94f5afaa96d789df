package platform_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/address"
	"otafleet/internal/ota"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/broker"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/platform/objectstore"
)

// TestUpgrade takes one device by hand through a plan.
func TestUpgrade(t *testing.T) {
	var seen facts
	s := start(t, platform.Config{Observe: seen.observe})
	d := connect(t, s.BrokerURL(), "gw-1")
	d.inventory("1.0.0")
	message, packet := d.next()
	offered, is := message.(*ota.Plan)
	require.True(t, is, "%+v", message)
	assert.Equal(
		t,
		[]ota.PlanComponent{{ID: "rootfs", Type: ota.Module, Package: ota.Full, Target: "1.1.0", Size: int64(len(image()))}},
		offered.Components,
	)
	require.NotNil(t, packet.Properties.MessageExpiry, "a plan must not arrive after its end")
	assert.InDelta(t, 3600, *packet.Properties.MessageExpiry, 60)

	d.report(ota.PlanReceived)
	d.send(&ota.Decision{Time: time.Now(), Plan: "spring", Attempt: 1, Accept: true})
	d.report(ota.UpgradeConfirmed)
	p := expect[*ota.Package](d)
	assert.Equal(t, "rootfs", p.Component)
	require.Len(t, p.Files, 1)
	assert.Equal(t, "rootfs.bin", p.Files[0].Name)
	assert.InDelta(t, platform.DefaultValidity, float64(time.Until(p.Files[0].Expires)), float64(time.Minute))
	status, body := get(t, p.Files[0].URLs[0], "")
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, image(), body)
	status, body = get(t, p.Files[0].URLs[0], "bytes=100-199")
	assert.Equal(t, http.StatusPartialContent, status)
	assert.Equal(t, image()[100:200], body)
	status, _ = get(t, p.Files[0].URLs[0]+"0", "")
	assert.Equal(t, http.StatusForbidden, status, "a signature that is not right")

	d.report(ota.ReadyToDownload, ota.Downloading, ota.DownloadSucceeded, ota.Upgrading, ota.UpgradeSucceeded)
	for ack := expect[*ota.Ack](d); ack.Seq < d.seq; ack = expect[*ota.Ack](d) {
		assert.Equal(t, "spring", ack.Plan)
	}
	d.inventory("1.1.0")
	assert.Equal(t, ota.NoPlanUpToDate, expect[*ota.NoPlan](d).Reason)
	s.View(func(e *engine.Engine) { assert.False(t, e.NextTick().IsZero()) })
	assert.Positive(t, seen.count())
}

// TestAcknowledgedInTime: reports that end nothing are acknowledged, too, by the
// platform's own clock.
func TestAcknowledgedInTime(t *testing.T) {
	t.Parallel()
	s := start(t, platform.Config{})
	d := connect(t, s.BrokerURL(), "gw-1")
	d.inventory("1.0.0")
	expect[*ota.Plan](d)
	d.report(ota.PlanReceived)
	assert.Equal(t, &ota.Ack{Plan: "spring", Seq: 1}, expect[*ota.Ack](d))
}

func TestTerminate(t *testing.T) {
	s := start(t, platform.Config{})
	d := connect(t, s.BrokerURL(), "gw-1")
	d.inventory("1.0.0")
	expect[*ota.Plan](d)
	require.NoError(t, s.Command(engine.Terminate{Plan: "spring"}))
	assert.Equal(t, "spring", expect[*ota.Termination](d).Plan)
	require.Error(t, s.Command(engine.Terminate{Plan: "spring"}), "for good")
}

// TestAddressesExpire holds that an address stops working when it says so, and
// that a fresh one is to be had.
func TestAddressesExpire(t *testing.T) {
	t.Parallel()
	s := start(t, platform.Config{Validity: 2 * time.Second})
	d := connect(t, s.BrokerURL(), "gw-1")
	first := d.address()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		status, _ := get(t, first.Files[0].URLs[0], "")
		assert.Equal(c, http.StatusForbidden, status)
	}, patience, 100*time.Millisecond)
	assert.False(t, time.Now().Before(first.Files[0].Expires))
	d.send(
		&ota.AddressRequest{Time: time.Now(), Plan: "spring", Attempt: 1, Component: "rootfs", Reason: ota.AddressExpired},
	)
	again := expect[*ota.Package](d)
	assert.True(t, again.Files[0].Expires.After(first.Files[0].Expires))
	assert.NotEqual(t, first.Files[0].URLs, again.Files[0].URLs)
}

// A platform that remembers as many devices as it may answers a new one, and logs it.
func TestMoreDevicesThanAreRemembered(t *testing.T) {
	var log bytes.Buffer
	s := start(t, platform.Config{MaxDevices: 1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	known := connect(t, s.BrokerURL(), "gw-1")
	known.inventory("1.0.0")
	expect[*ota.Plan](known)
	unknown := connect(t, s.BrokerURL(), "gw-2")
	unknown.inventory("1.0.0")
	assert.Equal(t, ota.NoPlanNone, expect[*ota.NoPlan](unknown).Reason)
	s.View(func(*engine.Engine) { // nothing is logged meanwhile
		assert.Contains(t, log.String(), "a new device is not taken in")
		assert.Contains(t, log.String(), "device=gw-2")
		assert.Contains(t, log.String(), "limit=1")
	})
}

// TestGarbage: what cannot be read changes nothing, whoever sends it.
func TestGarbage(t *testing.T) {
	var seen facts
	s := start(t, platform.Config{Observe: seen.observe})
	d := connect(t, s.BrokerURL(), "gw-1")
	before := seen.count()
	for _, kind := range []string{"inventory", "decision", "status", "progress", "fetch", "offline", "unheard-of"} {
		for _, payload := range []string{"", "{", "null", "[]", `{"time":1}`, "\xff\xfe", `{"plan":"` +
			string(make([]byte, 1000)) + `"}`} {
			d.publish(kind, []byte(payload))
		}
	}
	d.report(ota.UpgradeSucceeded) // of a plan that it never had
	assert.Equal(t, 1, expect[*ota.Ack](d).Seq)
	d.inventory("1.0.0")
	expect[*ota.Plan](d)
	assert.Equal(t, before+1, seen.count(), "only the report counts: %+v", seen.seen)
}

func TestCredentials(t *testing.T) {
	s := start(t, platform.Config{Credentials: func(user, password string) bool { return false }})
	d := &device{t: t, id: ota.Identity{Product: "gw-200", Device: "gw-1"}}
	require.Error(t, d.open(s.BrokerURL()))
}

// TestExternalBroker runs the platform through another broker, which restarts
// and forgets everything.
func TestExternalBroker(t *testing.T) {
	t.Parallel()
	kept, err := address.Keep("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(kept.Release)
	listen := func() (*broker.Broker, func()) {
		b, err := broker.New(broker.Config{Address: kept.String(), PlatformUser: "staff", PlatformPassword: "secret"})
		require.NoError(t, err)
		return b, serve(t, b.Run)
	}
	b, stop := listen()
	s := start(t, platform.Config{BrokerURL: b.URL(), BrokerUser: "staff", BrokerPassword: "secret"})
	assert.Equal(t, b.URL(), s.BrokerURL())

	d := connect(t, b.URL(), "gw-1")
	d.awaitPlatform()
	stop()
	b, _ = listen()
	d = connect(t, b.URL(), "gw-2")
	d.awaitPlatform()
	p := d.addressOfAnOffer()
	status, body := get(t, p.Files[0].URLs[0], "")
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, image(), body)
}

// awaitPlatform asks for a plan until the platform is there to answer.
func (d *device) awaitPlatform() {
	d.t.Helper()
	require.Eventually(d.t, func() bool {
		d.inventory("1.0.0")
		return len(d.inbox) > 0
	}, patience, 100*time.Millisecond)
}

// addressOfAnOffer accepts a plan that has been offered, perhaps several
// times.
func (d *device) addressOfAnOffer() *ota.Package {
	d.t.Helper()
	expect[*ota.Plan](d)
	d.report(ota.PlanReceived)
	d.send(&ota.Decision{Time: time.Now(), Plan: "spring", Attempt: 1, Accept: true})
	d.report(ota.UpgradeConfirmed)
	for {
		m, _ := d.next()
		if p, is := m.(*ota.Package); is {
			return p
		}
	}
}

// TestMessagesWaitForTheBroker: what the platform has to say before there is a
// session is said afterwards.
func TestMessagesWaitForTheBroker(t *testing.T) {
	t.Parallel()
	b, err := broker.New(broker.Config{PlatformUser: "staff", PlatformPassword: "secret"})
	require.NoError(t, err)
	serve(t, b.Run)
	s, err := platform.New(platform.Config{BrokerURL: b.URL(), BrokerUser: "staff", BrokerPassword: "secret"})
	require.NoError(t, err)
	plan(t, s)
	d := connect(t, b.URL(), "gw-1")
	stop := serve(t, s.Run)
	d.awaitPlatform()
	expect[*ota.Plan](d)
	stop()
	require.NoError(t, s.Command(engine.Terminate{Plan: "spring"}), "orders are taken without a session")
	serve(t, s.Run)
	require.Eventually(t, func() bool {
		select {
		case p := <-d.inbox:
			_, _, kind, _ := d.topics.Parse(p.Topic)
			return kind == "terminate"
		default:
			return false
		}
	}, patience, 10*time.Millisecond)
}

// TestWrongPassword keeps on trying, and ends when it is asked to.
func TestWrongPassword(t *testing.T) {
	b, err := broker.New(broker.Config{PlatformUser: "staff", PlatformPassword: "secret"})
	require.NoError(t, err)
	serve(t, b.Run)
	s, err := platform.New(platform.Config{BrokerURL: b.URL(), BrokerUser: "staff", BrokerPassword: "guess"})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	require.NoError(t, s.Run(ctx), "a deadline is an end like any other")
}

// TestExternalStore uploads packages with presigned requests and lets devices
// fetch them there.
func TestExternalStore(t *testing.T) {
	credentials := objectstore.Credentials{AccessKey: "staff", SecretKey: "secret-of-the-store"}
	store, err := objectstore.New(objectstore.Config{Credentials: credentials, Buckets: []string{"ota"}})
	require.NoError(t, err)
	server, err := objectstore.Listen(objectstore.ServerConfig{Handler: store})
	require.NoError(t, err)
	serve(t, server.Run)
	s := start(
		t, platform.Config{Store: &platform.RemoteStore{URL: server.URL(), Bucket: "ota", Credentials: credentials}},
	)
	assert.Equal(t, server.URL(), s.StoreURL())
	p := connect(t, s.BrokerURL(), "gw-1").address()
	_, body := get(t, p.Files[0].URLs[0], "")
	assert.Equal(t, image(), body)
}

// TestExternalStoreForgets: the files of a deleted package go from there too, and
// what that store does not let go of is said and holds no one up.
func TestExternalStoreForgets(t *testing.T) {
	credentials := objectstore.Credentials{AccessKey: "staff", SecretKey: "secret-of-the-store"}
	store, err := objectstore.New(objectstore.Config{Credentials: credentials, Buckets: []string{"ota"}})
	require.NoError(t, err)
	deletes := true
	var key string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			key = strings.TrimPrefix(r.URL.Path, "/ota/")
		}
		if r.Method == http.MethodDelete && !deletes {
			http.Error(w, "not for you", http.StatusForbidden)
			return
		}
		store.ServeHTTP(w, r)
	}))
	defer server.Close()
	var log bytes.Buffer
	s, err := platform.New(
		platform.Config{Store: &platform.RemoteStore{URL: server.URL, Bucket: "ota", Credentials: credentials},
			Logger: slog.New(slog.NewTextHandler(&log, nil))},
	)
	require.NoError(t, err)
	defer s.Close()
	there := func() int {
		address, err := credentials.PresignGet(server.URL, "ota", key, time.Now(), time.Minute)
		require.NoError(t, err)
		status, _ := get(t, address, "")
		return status
	}
	for _, deletes = range []bool{true, false} {
		id, err := s.Upload(t.Context(), bytes.NewReader(packageFile(t)), platform.Label{}, nil)
		require.NoError(t, err)
		assert.Equal(t, 200, there())
		assert.True(t, strings.HasSuffix(key, "/gw-200/rootfs/full/1.1.0/rootfs.bin"), key)
		require.NoError(t, s.DeletePackage(t.Context(), id))
		if deletes {
			assert.Equal(t, 404, there())
			assert.Empty(t, log.String())
		}
	}
	assert.Equal(t, 200, there())
	assert.Contains(t, log.String(), "files of a deleted package stay in the object store")
	assert.Contains(t, log.String(), "file rootfs.bin: cannot delete: the object store answered 403")
	assert.NotContains(t, log.String(), "X-Amz-Signature")
}

func TestExternalStoreRefuses(t *testing.T) {
	right := objectstore.Credentials{AccessKey: "staff", SecretKey: "secret-of-the-store"}
	store, err := objectstore.New(objectstore.Config{Credentials: right, Buckets: []string{"ota"}})
	require.NoError(t, err)
	server, err := objectstore.Listen(objectstore.ServerConfig{Handler: store})
	require.NoError(t, err)
	serve(t, server.Run)
	wrong := right
	wrong.SecretKey = "guess-of-the-secret"
	s, err := platform.New(
		platform.Config{Store: &platform.RemoteStore{URL: server.URL(), Bucket: "ota", Credentials: wrong}},
	)
	require.NoError(t, err)
	defer s.Close()
	m := &ota.Manifest{
		Product: "p", Component: "c", Type: ota.Module, Package: ota.Full, Target: "1",
		Files: []ota.File{{Name: "f", Size: 1}},
	}
	err = s.AddPackage(t.Context(), ota.Envelope{}, m, files("x"))
	require.ErrorContains(t, err, "cannot add the package of c 1: file f: cannot upload: the object store answered 403")
	assert.NotContains(t, err.Error(), wrong.SecretKey)
}

// TestStartFails leaves nothing open.
func TestStartFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	_, err = platform.New(platform.Config{BrokerAddress: taken.Addr().String()})
	require.ErrorContains(t, err, "cannot start the broker")
	_, err = platform.New(platform.Config{StoreAddress: taken.Addr().String()})
	require.ErrorContains(t, err, "cannot start the object store")
	for _, url := range []string{"ws://host", "host:1883", "mqtt://", "%"} {
		_, err = platform.New(platform.Config{BrokerURL: url})
		require.ErrorContains(t, err, "want mqtt://host:port", url)
	}

	s, err := platform.New(platform.Config{})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close(), "twice")
	_, err = net.Dial("tcp", s.BrokerURL()[len("mqtt://"):])
	require.Error(t, err)
}
