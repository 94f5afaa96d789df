package broker

import (
	"fmt"
	"strings"
	"testing"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/stretchr/testify/assert"
)

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		filter, topic string
		want          bool
	}{
		{"a/b", "a/b", true},
		{"a/b", "a/b/c", false},
		{"a/b/c", "a/b", false},
		{"a/+/c", "a/b/c", true},
		{"a/+", "a", false},
		{"a/+", "a/", true},
		{"a/#", "a", true},
		{"a/#", "a/b/c", true},
		{"a/#", "b", false},
		{"#", "a/b", true},
		{"+/+", "/b", true},
		{"+", "a/b", false},
	} {
		assert.Equal(t, c.want, matches(c.filter, c.topic), "%s %s", c.filter, c.topic)
	}
}

func TestCutShare(t *testing.T) {
	for filter, want := range map[string][2]string{
		"$share/g/a/b": {"g", "a/b"},
		"$share/g":     {"g", ""},
		"$share//a":    {"", "$share//a"},
		"$share/+/a":   {"", "$share/+/a"},
		"a/b":          {"", "a/b"},
	} {
		group, rest := cutShare(filter)
		assert.Equal(t, want, [2]string{group, rest}, filter)
	}
}

func TestSubscriptionsAreBounded(t *testing.T) {
	d := newDirectory(nil, nil, 0)
	client := &mqtt.Client{ID: "gw.one"}
	d.open(client, nil, deviceBacklog, false)
	s := d.find("gw.one")
	filter := func(i int) packets.Subscription { return packets.Subscription{Filter: fmt.Sprintf("a/%d", i)} }
	for i := range maxFilters {
		assert.True(t, d.subscribe(s, filter(i)))
	}
	assert.False(t, d.subscribe(s, filter(maxFilters)))
	assert.True(t, d.subscribe(s, filter(0)), "again")
	d.end(client)
	assert.Empty(t, d.exact, "nothing is left of an ended session")
}

// FuzzFilter checks matching against a plain statement of its rule, and that a
// device's filter never leads to another device.
func FuzzFilter(f *testing.F) {
	f.Add("ota/v1/gw/one/down/+", "ota/v1/gw/one/down/plan")
	f.Add("a/#", "a")
	f.Add("+/+/#", "a//b")
	a := newAccess(Config{Gateways: map[string][]string{"one": {"gw.sub"}}})
	f.Fuzz(func(t *testing.T, filter, topic string) {
		if strings.ContainsAny(topic, "+#") {
			return
		}
		if validFilter(filter) {
			assert.Equal(t, slowMatch(strings.Split(filter, "/"), strings.Split(topic, "/")), matches(filter, topic))
		}
		if a.maySubscribe(caller{user: "one", id: "gw.one"}, filter) && matches(filter, topic) {
			assert.Regexp(t, `^ota/v1/gw/(one|sub)/down/[^/]*$`, topic)
		}
		if a.mayPublish(caller{user: "two", id: "gw.two"}, topic) {
			assert.Regexp(t, `^ota/v1/gw/two/up/[\w-]+$`, topic)
		}
	})
}

func slowMatch(filter, topic []string) bool {
	switch {
	case len(filter) > 0 && filter[0] == "#":
		return true
	case len(filter) == 0 || len(topic) == 0:
		return len(filter) == len(topic)
	case filter[0] != "+" && filter[0] != topic[0]:
		return false
	}
	return slowMatch(filter[1:], topic[1:])
}
