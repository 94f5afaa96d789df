package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/internal/wire"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/broker"
	"otafleet/test/harness"
)

// mutations is how many spoilt messages are sent beside the table.
const mutations = 300

// kinds are those of the messages to devices.
var kinds = []string{"plan", "package", "ack", "none", "terminate"}

// malformed are payloads that are no message of any kind. No broker passes longer
// ones through; TestRogueBrokerDoesNoHarm has one that does.
var malformed = map[string][]byte{
	"nothing":             {},
	"null":                []byte(`null`),
	"a list":              []byte(`[]`),
	"a number":            []byte(`5`),
	"a text":              []byte(`"plan"`),
	"an empty object":     []byte(`{}`),
	"garbage":             {0x00, 0xff, 0xfe, 0x80, '{', 0x01},
	"half an object":      []byte(`{"plan":"p-1","attempt"`),
	"two objects":         []byte(`{"plan":"p-1","seq":1}{"plan":"p-1","seq":2}`),
	"something behind it": []byte(`{"plan":"p-1","seq":1} x`),
	"not UTF-8":           []byte("{\"plan\":\"p-\xff\",\"seq\":1}"),
	"wrong types": []byte(
		`{"time":5,"plan":{},"attempt":"one","seq":[],"component":7,"reason":null,"mode":false,"ends":"soon",` +
			`"components":"all","manifest":1,"files":{},"conditions":[],"on_failure":{}}`,
	),
	"wrong times": []byte(
		`{"time":"yesterday","plan":"p-1","attempt":1,"mode":"silent","ends":"9999-99-99T99:99:99Z",` +
			`"reason":"terminated","components":[{"id":"app","type":"module","package":"full","target":"2"}]}`,
	),
	"wrong numbers": []byte(`{"plan":"p-1","attempt":-1,"seq":1e400}`),
	"huge numbers":  []byte(`{"plan":"p-1","attempt":99999999999999999999,"seq":9223372036854775808}`),
	"wrong names": []byte(
		`{"time":"2026-11-23T10:00:00Z","plan":"../../etc/passwd","attempt":1,"mode":"silent",` +
			`"ends":"2099-01-01T00:00:00Z","component":"..","reason":"terminated",` +
			`"components":[{"id":"../x","type":"module","package":"full","target":"2"}]}`,
	),
	"too many parts": []byte(
		`{"time":"2026-11-23T10:00:00Z","plan":"p-many","attempt":1,"mode":"silent",` +
			`"ends":"2099-01-01T00:00:00Z","components":[` +
			strings.Repeat(`{"id":"app","type":"module","package":"full","target":"2"},`, 5000) + `{}]}`,
	),
	"deep nesting":   []byte(strings.Repeat(`{"plan":[`, 50_000)),
	"deeper nesting": []byte(strings.Repeat("[", 1<<20-1)),
	"a long text":    []byte(`{"plan":"` + strings.Repeat("p", 1<<20-100) + `"}`),
	"1 MiB":          padded(1 << 20),
}

// padded is a good ack in a message of n bytes.
func padded(n int) []byte {
	message := []byte(`{"plan":"p-1","seq":1}`)
	return append(message, bytes.Repeat([]byte(" "), n-len(message))...)
}

// hostile is a device whose broker sends whatever the test says.
type hostile struct {
	*setting
	broker *broker.Broker
	agent  *harness.Process
}

func newHostile(t *testing.T) *hostile {
	t.Helper()
	b, err := broker.New(broker.Config{PlatformUser: "platform", PlatformPassword: "secret"})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-ended)
	})
	s := &setting{t: t, key: harness.NewKey(t), platform: harness.StartPlatform(t, platform.Config{
		BrokerURL: b.URL(), BrokerUser: "platform", BrokerPassword: "secret"})}
	s.device = harness.NewDevice(t, programs, b.URL(), s.key)
	s.device.Components(harness.FileComponent("app", "1.0.0", nil))
	s.device.Write("app.bin", []byte("old"), 0o755)
	h := &hostile{setting: s, broker: b, agent: s.device.Start()}
	h.agent.AwaitOutput("connected to the broker")
	return h
}

// say sends a payload to the device and looks whether it lives.
func (h *hostile) say(kind string, payload []byte) {
	h.t.Helper()
	topic := wire.Topics{}.Down(h.device.Identity(), kind)
	require.NoError(h.t, h.broker.Publish(topic, payload, 0))
	require.True(h.t, h.agent.Running(), "the agent dies of a %s: %.200q", kind, payload)
}

// survives proves that the process is the same, has a session, and upgrades.
func (h *hostile) survives(plan, target string, release int64) {
	h.t.Helper()
	harness.Await(h.t, "a session", func() bool {
		status, ok := h.status()
		return ok && status.Connected
	})
	h.upgrades(plan, target, release)
	assert.True(h.t, h.agent.Running())
}

func TestMalformedMessagesDoNoHarm(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	h.survives("p-1", "1.1.0", 1)
	for name, payload := range malformed {
		for _, kind := range append([]string{"config", "up"}, kinds...) {
			h.say(kind, payload)
		}
		_, ok := h.status()
		require.True(t, ok, "the agent answers after: %s", name)
	}
	h.survives("p-2", "1.2.0", 2)
	assert.Equal(t, 0, h.agent.Stop())
}

// Good messages at the wrong time or about something else are good messages.
func TestMessagesOutOfPlaceDoNoHarm(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	for _, message := range golden(t) {
		for _, kind := range kinds {
			h.say(kind, message.payload) // of every other kind too
		}
	}
	h.survives("p-1", "1.1.0", 1)
	for _, payload := range []string{`{"plan":"p-1","seq":0}`, `{"plan":"p-1","seq":1000000000}`,
		`{"plan":"p-2","seq":5}`} {
		h.say("ack", []byte(payload))
	}
	h.say("terminate", []byte(`{"time":"2026-11-23T10:00:00.250Z","plan":"p-1","reason":"terminated"}`))
	h.survives("p-2", "1.2.0", 2)
	assert.Equal(t, 0, h.agent.Stop())
}

func TestSpoiltMessagesDoNoHarm(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	h := newHostile(t)
	messages := golden(t)
	for range mutations {
		m := messages[random.IntN(len(messages))]
		h.say(m.kind, mutate(random, m.payload))
	}
	_, ok := h.status()
	require.True(t, ok, "the agent answers")
	h.survives("p-1", "1.1.0", 1)
	assert.Equal(t, 0, h.agent.Stop())
}

// message is an example of a message to devices.
type message struct {
	kind    string
	payload []byte
}

// golden gives the examples of the wire's own tests, on components that the
// device does not have: it would accept a plan for others, and wait.
func golden(t *testing.T) []message {
	t.Helper()
	var all []message
	for _, kind := range kinds {
		paths, err := filepath.Glob(filepath.Join("../../internal/wire/testdata", kind+"*.json"))
		require.NoError(t, err)
		require.NotEmpty(t, paths, kind)
		for _, path := range paths {
			payload, err := os.ReadFile(path)
			require.NoError(t, err)
			all = append(all, message{kind, bytes.ReplaceAll(payload, []byte(`"app"`), []byte(`"web"`))})
		}
	}
	return all
}

// mutate spoils a payload at one to four places.
func mutate(random *rand.Rand, payload []byte) []byte {
	b := slices.Clone(payload)
	for range 1 + random.IntN(4) {
		at := random.IntN(len(b) + 1)
		end := min(len(b), at+1+random.IntN(16))
		switch random.IntN(6) {
		case 0: // other bytes
			for i := at; i < end; i++ {
				b[i] = byte(random.Uint32())
			}
		case 1: // fewer
			b = slices.Delete(b, at, end)
		case 2: // more
			b = slices.Insert(b, at, []byte(`{"[]},:0-e`)[random.IntN(10)])
		case 3: // the same again
			b = slices.Insert(b, at, b[at:end]...)
		case 4: // another value
			b = bytes.Replace(b, []byte(`1`), fmt.Append(nil, random.Int64()-random.Int64()), 1+random.IntN(3))
		case 5: // cut off
			b = b[:at]
		}
	}
	return b
}

// A plan that cannot be read is refused, so that the platform knows of it.
func TestMalformedPlanIsRefused(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	h.platform.Offer(harness.Plan{ID: "p-0"}, h.pack("1.0.1", 1, "first"))
	h.platform.AwaitStatus("p-0", h.device, ota.DeviceUpgraded)
	h.say(
		"plan",
		[]byte(`{"time":"2026-11-23T10:00:00Z","plan":"p-bad","attempt":3,"mode":"loud","ends":"2099-01-01T00:00:00Z",`+
			`"components":[{"id":"app","type":"module","package":"full","target":"2.0.0","size":1}]}`),
	)
	decision := h.platform.AwaitDecision("p-bad")
	assert.Equal(t, ota.ReasonInvalidPlan, decision.Reason)
	assert.Equal(t, 3, decision.Attempt)
	assert.Contains(t, decision.Detail, "mode")
}
