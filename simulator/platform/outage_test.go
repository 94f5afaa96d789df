package platform_test

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/broker"
	"otafleet/simulator/platform/engine"
)

// unreachable holds that no server listens at an address, and that no other gets it.
func unreachable(t *testing.T, url string) {
	t.Helper()
	_, address, _ := strings.Cut(url, "://")
	_, err := net.Dial("tcp", address)
	require.Error(t, err)
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	other, err := net.Listen("tcp", "127.0.0.1:"+port)
	if assert.NoError(t, err, "a restart finds it free") {
		require.NoError(t, other.Close())
	}
}

func TestBrokerIsKilled(t *testing.T) {
	s := start(t, platform.Config{})
	url := s.BrokerURL()
	d := connect(t, url, "gw-1")
	d.inventory("1.0.0")
	expect[*ota.Plan](d)
	require.NoError(t, s.KillBroker())
	unreachable(t, url)
	require.NoError(t, s.Command(engine.Suspend{Plan: "spring"}), "the platform lives on")
	require.NoError(t, s.Command(engine.Resume{Plan: "spring"}))
	s.RestartBroker()
	assert.Equal(t, url, s.BrokerURL())
	connect(t, url, "gw-2").address()
}

func TestStoreIsKilled(t *testing.T) {
	s := start(t, platform.Config{})
	p := connect(t, s.BrokerURL(), "gw-1").address()
	require.NoError(t, s.KillStore())
	unreachable(t, s.StoreURL())
	s.RestartStore()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		answer, err := http.Get(p.Files[0].URLs[0])
		if assert.NoError(c, err) {
			assert.Equal(c, http.StatusOK, answer.StatusCode)
			answer.Body.Close()
		}
	}, patience, 50*time.Millisecond)
}

// TestPlatformIsKilled: what devices say meanwhile is answered afterwards.
func TestPlatformIsKilled(t *testing.T) {
	t.Parallel()
	s := start(t, platform.Config{})
	d := connect(t, s.BrokerURL(), "gw-1")
	s.Kill()
	d.inventory("1.0.0")
	require.ErrorIs(t, s.Command(engine.Terminate{Plan: "spring"}), platform.ErrDown)
	time.Sleep(50 * time.Millisecond)
	assert.Empty(t, d.inbox)
	s.Restart()
	expect[*ota.Plan](d)
	d.report(ota.PlanReceived)
	assert.Equal(t, 1, expect[*ota.Ack](d).Seq, "its clock goes on, too")
}

func TestAddressesAreRevoked(t *testing.T) {
	s := start(t, platform.Config{})
	d := connect(t, s.BrokerURL(), "gw-1")
	old := d.address()
	require.NoError(t, s.RevokeAddresses())
	status, _ := get(t, old.Files[0].URLs[0], "")
	assert.Equal(t, http.StatusForbidden, status)
	d.send(
		&ota.AddressRequest{Time: time.Now(), Plan: "spring", Attempt: 1, Component: "rootfs", Reason: ota.AddressExpired},
	)
	status, body := get(t, expect[*ota.Package](d).Files[0].URLs[0], "")
	assert.Equal(t, http.StatusOK, status, "a new one works at once")
	assert.Equal(t, image(), body)
}

// TestOthersAreNotKilled: what is not the fake platform's stays.
func TestOthersAreNotKilled(t *testing.T) {
	b, err := broker.New(broker.Config{})
	require.NoError(t, err)
	defer b.Close()
	s, err := platform.New(platform.Config{BrokerURL: b.URL(), Store: &platform.RemoteStore{URL: "http://127.0.0.1:1"}})
	require.NoError(t, err)
	defer s.Close()
	require.ErrorContains(t, s.KillBroker(), "cannot kill the broker: it is not a part of the fake platform")
	require.ErrorContains(t, s.TakeSession(ota.Identity{}), "cannot take a session over")
	require.ErrorContains(t, s.KillStore(), "cannot kill the object store")
	require.ErrorContains(t, s.RevokeAddresses(), "cannot revoke addresses")
}

// TestEndsWhileKilled: a fake platform whose parts are down ends as any other, and
// leaves its addresses.
func TestEndsWhileKilled(t *testing.T) {
	s, err := platform.New(platform.Config{})
	require.NoError(t, err)
	stop := serve(t, s.Run)
	require.NoError(t, s.KillBroker())
	require.NoError(t, s.KillStore())
	stop()
	s.RestartBroker() // too late: it does not listen
	s.RestartStore()
	unreachable(t, s.BrokerURL())
	unreachable(t, s.StoreURL())
}

// TestRestartFails: a part that cannot come back ends the fake platform.
func TestRestartFails(t *testing.T) {
	s, err := platform.New(platform.Config{})
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- s.Run(t.Context()) }()
	connect(t, s.BrokerURL(), "gw-1")
	require.NoError(t, s.KillBroker())
	thief, err := net.Listen("tcp", strings.TrimPrefix(s.BrokerURL(), "mqtt://"))
	require.NoError(t, err)
	defer thief.Close()
	s.RestartBroker()
	select {
	case err := <-ended:
		require.ErrorContains(t, err, "cannot start the broker")
	case <-time.After(patience):
		require.FailNow(t, "it goes on")
	}
}

// TestPartsAreReplacedBeforeTheStart: each is started once.
func TestPartsAreReplacedBeforeTheStart(t *testing.T) {
	t.Parallel()
	s, err := platform.New(platform.Config{})
	require.NoError(t, err)
	plan(t, s)
	require.NoError(t, s.KillBroker())
	s.RestartBroker()
	require.NoError(t, s.KillStore())
	s.RestartStore()
	serve(t, s.Run)
	connect(t, s.BrokerURL(), "gw-1").address()
}
