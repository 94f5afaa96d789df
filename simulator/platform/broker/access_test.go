package broker_test

import (
	"testing"

	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/platform/broker"
)

func TestConfigValidate(t *testing.T) {
	require.NoError(t, broker.Config{}.Validate())
	err := broker.Config{
		Prefix:           "ota/+/x",
		PlatformPassword: "p",
		Gateways:         map[string][]string{"g": {"no-dot"}},
	}.Validate()
	for _, problem := range []string{"ota/+/x", "without a platform user", "no-dot"} {
		assert.ErrorContains(t, err, problem)
	}
	_, err = broker.New(broker.Config{Prefix: "a//b"})
	assert.ErrorContains(t, err, "cannot start the broker")
	_, err = broker.New(broker.Config{Address: "127.0.0.1:no"})
	assert.ErrorContains(t, err, "cannot start the broker")
}

// locked is a configuration with every kind of user.
func locked() broker.Config {
	return broker.Config{
		Credentials:      func(user, password string) bool { return user != "" && password == "pw-"+user },
		Gateways:         map[string][]string{"one": {"gw.sub", "mcu.m1"}},
		PlatformUser:     "platform",
		PlatformPassword: "secret",
	}
}

func TestConnectAdmission(t *testing.T) {
	const badPassword, badID, forbidden = 0x86, 0x85, 0x87
	var log logged
	cfg := locked()
	cfg.Logger = logger(&log)
	b, _ := start(t, cfg)
	for name, c := range map[string]struct {
		id, user, password, will string
		reason                   byte
	}{
		"device":                          {"gw.one", "one", "pw-one", "", 0},
		"with its will":                   {"gw.two", "two", "pw-two", "ota/v1/gw/two/up/offline", 0},
		"platform":                        {"console", "platform", "secret", "", 0},
		"gateway as a sub-device":         {"gw.sub", "one", "pw-one", "", 0},
		"gateway's will for another":      {"gw.one", "one", "pw-one", "ota/v1/mcu/m1/up/offline", 0},
		"wrong password":                  {"gw.one", "one", "other", "", badPassword},
		"no user name":                    {"gw.one", "", "", "", badPassword},
		"wrong platform password":         {"console", "platform", "pw-platform", "", badPassword},
		"another device's id":             {"gw.one", "two", "pw-two", "", forbidden},
		"not its gateway":                 {"gw.two", "one", "pw-one", "", forbidden},
		"no product":                      {"one", "one", "pw-one", "", badID},
		"a wildcard":                      {"gw.+", "+", "pw-+", "", badID},
		"no id":                           {"", "one", "pw-one", "", badID},
		"platform as a device":            {"gw.one", "platform", "secret", "", badID},
		"platform as the broker":          {"inline", "platform", "secret", "", badID},
		"another device's will":           {"gw.one", "one", "pw-one", "ota/v1/gw/two/up/offline", forbidden},
		"will to a device":                {"gw.one", "one", "pw-one", "ota/v1/gw/one/down/plan", forbidden},
		"platform's will outside":         {"console", "platform", "secret", "elsewhere", forbidden},
		"will of a device of that prefix": {"gw.one", "one", "pw-one", "ota/v1/gw/one2/up/offline", forbidden},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := connect(t, b, func(p *paho.Connect) {
				p.ClientID, p.Username, p.Password = c.id, c.user, []byte(c.password)
				if c.will != "" {
					p.WillMessage = &paho.WillMessage{Topic: c.will, Payload: []byte("{}"), QoS: 1}
				}
			})
			require.Equal(t, c.reason == 0, err == nil, "%v", err)
			assert.Equal(t, c.reason, client.connack.ReasonCode)
		})
	}
	assert.NotContains(t, log.String(), "secret")
	assert.NotContains(t, log.String(), "pw-")
}

func TestAccessLists(t *testing.T) {
	const granted, refused = 1, 0x87
	seen := make(handled, 16)
	cfg := locked()
	cfg.Handle = seen.handle
	b, _ := start(t, cfg)
	as := func(id, user, password string) *client {
		c, err := connect(t, b, func(p *paho.Connect) { p.ClientID, p.Username, p.Password = id, user, []byte(password) })
		require.NoError(t, err)
		return c
	}
	gateway, plain := as("gw.one", "one", "pw-one"), as("gw.two", "two", "pw-two")
	console := as("console", "platform", "secret")

	for _, c := range []struct {
		who    *client
		filter string
		reason byte
	}{
		{plain, "ota/v1/gw/two/down/+", granted},
		{plain, "ota/v1/gw/two/down/plan", granted},
		{plain, "ota/v1/gw/two/down/#", refused},
		{plain, "ota/v1/gw/two/#", refused},
		{plain, "ota/v1/gw/two/up/+", refused},
		{plain, "ota/v1/gw/one/down/+", refused},
		{plain, "ota/v1/gw/+/down/+", refused},
		{plain, "ota/v1/+/two/down/+", refused},
		{plain, "$share/g/ota/v1/gw/two/down/+", refused},
		{plain, "$routed", refused},
		{plain, "#", refused},
		{gateway, "ota/v1/gw/sub/down/+", granted},
		{gateway, "ota/v1/mcu/m1/down/+", granted},
		{gateway, "ota/v1/gw/two/down/+", refused},
		{console, "ota/v1/#", granted},
		{console, "ota/v1/+/+/up/+", granted},
		{console, "$share/g/ota/v1/+/+/up/+", granted},
		{console, "#", refused},
		{console, "other/#", refused},
		{console, "ota/v1/a+/x", refused},
		{console, "ota/v1/#/x", refused},
	} {
		assert.Equal(t, c.reason, c.who.subscribe(t, c.filter), "%s: %s", c.who.ClientID(), c.filter)
	}

	for _, c := range []struct {
		who    *client
		topic  string
		reason byte
	}{
		{plain, "ota/v1/gw/two/up/status", 0},
		{plain, "ota/v1/gw/two/down/plan", refused},
		{plain, "ota/v1/gw/one/up/status", refused},
		{plain, "ota/v1/gw/two/up/a/b", refused},
		{plain, "ota/v1/gw/two/up", refused},
		{plain, "ota/v1/gw/two/sideways/x", refused},
		{plain, "$routed", refused},
		{plain, "elsewhere", refused},
		{gateway, "ota/v1/mcu/m1/up/status", 0},
		{gateway, "ota/v1/gw/two/up/status", refused},
		{console, "ota/v1/gw/two/down/plan", 0},
		{console, "elsewhere", refused},
	} {
		assert.Equal(t, c.reason, c.who.publish(t, c.topic, c.topic), "%s: %s", c.who.ClientID(), c.topic)
	}
	assert.Equal(t, "ota/v1/gw/two/up/status ota/v1/gw/two/up/status", seen.next(t))
	assert.Equal(t, "ota/v1/mcu/m1/up/status ota/v1/mcu/m1/up/status", seen.next(t))
	assert.Empty(t, seen, "nothing refused reaches the platform")
}

// TestKeyOfAnotherProduct: credentials with a bare key are for one product's device;
// with the whole id they say which.
func TestKeyOfAnotherProduct(t *testing.T) {
	b, _ := start(t, locked())
	admitted := func(id, user string) bool {
		_, err := connect(t, b, func(p *paho.Connect) { p.ClientID, p.Username, p.Password = id, user, []byte("pw-"+user) })
		return err == nil
	}
	assert.True(t, admitted("gw.same", "same"))
	assert.False(t, admitted("other.same", "same"))
	assert.True(t, admitted("gw.same", "same"), "again")
	assert.True(t, admitted("other.same", "other.same"))
	assert.False(t, admitted("gw.same", "other.same"))
}

func TestAnonymousGateway(t *testing.T) {
	b, _ := start(t, broker.Config{Gateways: map[string][]string{"one": {"mcu.m1"}}})
	c := device(t, b, "gw.one")
	assert.Equal(t, byte(1), c.subscribe(t, "ota/v1/mcu/m1/down/+"))
	require.NoError(t, b.Publish("ota/v1/mcu/m1/down/plan", []byte("p"), 0))
	assert.Equal(t, "ota/v1/mcu/m1/down/plan", c.next(t).Topic)
}

func TestPublishChecksItsTopic(t *testing.T) {
	b, _ := start(t, broker.Config{Prefix: "fleet"})
	require.NoError(t, b.Publish("fleet/gw/one/down/plan", nil, 0))
	for _, topic := range []string{"", "fleet", "ota/v1/gw/one/down/plan", "fleet/gw/one/up/plan", "fleet/gw/one/down/+",
		"fleet/gw/one/down/a/b", "fleet/+/one/down/plan"} {
		assert.ErrorContains(t, b.Publish(topic, nil, 0), "cannot publish", topic)
	}
	assert.ErrorContains(t, b.Publish("fleet/gw/one/down/plan", make([]byte, 1<<20+1), 0), "more than")
}
