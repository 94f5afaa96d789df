package wire_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

var gateway = ota.Identity{Product: "gw-200", Device: "gw_0001"}

func TestTopics(t *testing.T) {
	var topics wire.Topics
	assert.Equal(t, "ota/v1/gw-200/gw_0001/up/status", topics.Up(gateway, wire.KindStatus))
	assert.Equal(t, "ota/v1/gw-200/gw_0001/down/plan", topics.Down(gateway, wire.KindPlan))
	assert.Equal(t, "ota/v1/gw-200/gw_0001/down/+", topics.DeviceFilter(gateway))
	assert.Equal(t, "ota/v1/+/+/up/+", topics.PlatformFilter())
	assert.Equal(t, "$share/blue/ota/v1/+/+/up/+", topics.SharedFilter("blue"))
	topics.Prefix = "acme/devices/ota"
	assert.Equal(t, "acme/devices/ota/+/+/up/+", topics.PlatformFilter())
}

func TestParseTakesTopicsApart(t *testing.T) {
	for _, topics := range []wire.Topics{{}, {Prefix: wire.DefaultPrefix}, {Prefix: "x"}, {Prefix: "a/b/c"}} {
		for _, g := range upMessages() {
			id, direction, kind, ok := topics.Parse(topics.Up(gateway, g.kind))
			require.True(t, ok)
			assert.Equal(t, []any{gateway, wire.Up, g.kind}, []any{id, direction, kind})
		}
		for _, g := range downMessages(t) {
			id, direction, kind, ok := topics.Parse(topics.Down(gateway, g.kind))
			require.True(t, ok)
			assert.Equal(t, []any{gateway, wire.Down, g.kind}, []any{id, direction, kind})
		}
	}
}

func TestParseRefusesEveryOtherTopic(t *testing.T) {
	for _, topic := range []string{
		"", "/", "ota/v1", "ota/v1/", "ota/v1/p", "ota/v1/p/d", "ota/v1/p/d/up", "ota/v1/p/d/up/", "ota/v1/p/d/up/status/",
		"ota/v1/p/d/up/status/x", "/ota/v1/p/d/up/status", "ota/v2/p/d/up/status", "ota/v1x/p/d/up/status",
		"ota/v1//d/up/status",
		"ota/v1/p//up/status", "ota/v1/p/d//status", "ota/v1/p/d/sideways/status", "ota/v1/p/d/up/plan",
		"ota/v1/p/d/down/status",
		"ota/v1/p/d/UP/status", "ota/v1/p/d/up/Status", "ota/v1/p/d/up/unknown", "ota/v1/+/d/up/status", "ota/v1/p/#",
		"ota/v1/p/../up/status", "ota/v1/p/d.d/up/status", "ota/v1/p/d\x00/up/status", "ota/v1/p/\xff/up/status",
		"ota/v1/" + strings.Repeat("p", 65) + "/d/up/status", "$share/g/ota/v1/p/d/up/status",
		strings.Repeat("ota/v1/", 10000),
	} {
		id, direction, kind, ok := wire.Topics{}.Parse(topic)
		assert.False(t, ok, topic)
		assert.Equal(t, []any{ota.Identity{}, "", ""}, []any{id, direction, kind})
	}
}

func TestParseTakesNoMemory(t *testing.T) {
	topics := wire.Topics{Prefix: "a/b"}
	topic := topics.Up(gateway, wire.KindStatus)
	assert.Zero(t, testing.AllocsPerRun(100, func() { topics.Parse(topic) }))
}

func TestPrefixIsValidated(t *testing.T) {
	for prefix, want := range map[string]string{
		"": "", "ota/v1": "", "öta": "",
		"/ota": "slash", "ota/": "slash", "$SYS/ota": "$", "ota/+": "+", "ota/#": "#", "ota\x00": "UTF-8", "ota\xff": "UTF-8",
		strings.Repeat("o", 257): "256 bytes",
	} {
		err := wire.Topics{Prefix: prefix}.Validate()
		if want == "" {
			assert.NoError(t, err)
		} else {
			assert.ErrorContains(t, err, want)
		}
	}
}
