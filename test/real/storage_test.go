//go:build real

package real_test

import (
	"bytes"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/platform"
	"otafleet/test/harness"
)

// The packages lie in a third-party store, and the device gets download URLs that the
// platform has signed.
func TestPresignedAddresses(t *testing.T) {
	t.Parallel()
	for scheme, secure := range map[string]bool{"http": false, "https": true} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			store, broker := startStore(t, secure), startMosquitto(t)
			j := newJourney(t, broker, harness.Settings{"urls": []string{broker.url()}})
			j.platformArgs = store.flags(store.url)
			j.travel()
		})
	}
}

// The device has keys of its own, and receives bucket and key only.
func TestStoreAddresses(t *testing.T) {
	t.Parallel()
	t.Run("path style", func(t *testing.T) {
		t.Parallel()
		store, broker := startStore(t, false), startMosquitto(t)
		front := store.front()
		newKeeper(t, broker, store, front.url, true).travel()
		assertAsked(t, front, front.url[len("http://"):], "/"+bucket+"/")
	})
	t.Run("virtual host style", func(t *testing.T) {
		t.Parallel()
		store, broker := startStore(t, false), startMosquitto(t)
		front := store.front()
		j := newKeeper(t, broker, store, "http://"+domain, false)
		j.environment = []string{"http_proxy=" + front.url} // no resolver knows that domain
		j.travel()
		assertAsked(t, front, bucket+"."+domain, "/")
	})
}

// assertAsked expects one request for the package, to an address that is not
// presigned, from its first byte. The platform's own word stands before its keys.
func assertAsked(t *testing.T, f *front, host, root string) {
	t.Helper()
	asked := f.asked()
	require.Len(t, asked, 1)
	assert.Regexp(t, "^"+regexp.QuoteMeta(root)+"ota-sim-[A-Z2-7]+/"+regexp.QuoteMeta("gw-200/app/full/1.1.0/app.bin")+"$",
		asked[0].path)
	assert.Equal(t, get{host: host, path: asked[0].path}, asked[0])
}

// newKeeper is a journey with a device that keeps keys of a store.
func newKeeper(t *testing.T, broker *server, store *store, endpoint string, pathStyle bool) *journey {
	t.Helper()
	store.admit()
	j := newJourney(t, broker, harness.Settings{"urls": []string{broker.url()}})
	j.platformArgs = append(store.flags(store.url), "--addresses", "s3")
	j.device.Settings["storage"] = harness.Settings{
		"endpoint": endpoint, "region": region, "path_style": pathStyle,
		"access_key_file": write(t, "access", deviceAccess+"\n"), "secret_key_file": write(t, "secret", deviceSecret+"\n"),
	}
	return j
}

// An agent that is killed in the middle of a large download asks the store for
// what is missing and no more: the chunk that was on its way is all it costs.
func TestResume(t *testing.T) {
	t.Parallel()
	const size, chunk, kills = 20 << 20, 64 << 10, 3
	store, broker := startStore(t, false), startMosquitto(t)
	front := store.front()
	key := harness.NewKey(t)
	observer := harness.StartPlatform(t, platform.Config{BrokerURL: broker.url(), Store: store.remote(front.url)})
	device := harness.NewDevice(t, programs, broker.url(), key)
	device.Settings["download"] = harness.Settings{"rate_limit": "4MiB/s"}
	device.Components(harness.FileComponent("app", "1.0.0", nil))
	device.Write("app.bin", []byte("old"), 0o755)
	image := harness.Image(1, size)
	observer.Offer(harness.Plan{ID: "p"}, harness.Pack(t, "app", "1.1.0", 2, image, nil, key))

	// verified is the first byte that the inactive place does not hold yet.
	verified := func() int64 {
		place, err := os.ReadFile(device.Path("app.bin.ota-next"))
		if os.IsNotExist(err) {
			return 0
		}
		require.NoError(t, err)
		n := 0
		for n < min(len(place), size) && bytes.Equal(place[n:min(n+chunk, len(place))], image[n:n+chunk]) {
			n += chunk
		}
		return int64(n)
	}
	began := time.Now()
	agent := device.Start()
	for kill := range kills {
		harness.Await(t, "some megabytes", func() bool { return verified() > int64(kill+1)*size/(kills+1) })
		agent.Kill()
		kept, before := verified(), len(front.asked())
		agent = device.Start()
		harness.Await(t, "the download goes on", func() bool { return len(front.asked()) > before })
		assert.Equal(t, kept, front.asked()[before].from, "it goes on at the first byte that is missing")
	}
	observer.AwaitStatus("p", device, ota.DeviceUpgraded)
	t.Logf("upgraded in %s with %d kills and %d requests", time.Since(began).Round(time.Millisecond), kills,
		len(front.asked()))
	assert.Len(t, front.asked(), 1+kills, "no request but the first and one after each kill")
	assert.True(t, bytes.Equal(image, device.Read("app.bin")))
	assert.Empty(t, observer.Faults("p"))
	assert.Zero(t, agent.Stop())
}
