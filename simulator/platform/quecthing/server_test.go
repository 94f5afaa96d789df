package quecthing_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/md5" // as the wire has it
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/bundle"
	"otafleet/internal/ota"
	codec "otafleet/internal/quecthing"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/platform/quecthing"
)

const (
	productSecret = "0123456789abcdef0123"
	random        = "abcdefghijkLMNOP"
)

// platformRuns serves a platform with the face, whose devices need the product's
// secret if the configuration has it.
func platformRuns(t *testing.T, config quecthing.Config) (*platform.Service, *quecthing.Server) {
	t.Helper()
	server, err := quecthing.Listen("127.0.0.1:0", config)
	require.NoError(t, err)
	service, err := platform.New(platform.Config{})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { assert.NoError(t, service.Run(ctx)) })
	running.Go(func() { assert.NoError(t, server.Run(ctx, service)) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return service, server
}

// offers puts a plan into effect, and gives the content of its package.
func offers(t *testing.T, s *platform.Service, id string, kind ota.ComponentType, component, target string) []byte {
	t.Helper()
	content := []byte(strings.Repeat(component+" "+target+"\n", 1000))
	file, err := bundle.Describe(component+".img", bytes.NewReader(content), 4096)
	require.NoError(t, err)
	m := &ota.Manifest{
		Product: product, Component: component, Type: kind, Package: ota.Full, Target: target, Release: 1,
		Created: time.Now(), Files: []ota.File{file},
	}
	envelope, err := bundle.Seal(m, ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	require.NoError(t, err)
	require.NoError(t, s.AddPackage(t.Context(), envelope, m, []io.ReaderAt{bytes.NewReader(content)}))
	require.NoError(t, s.Command(engine.CreatePlan{Plan: engine.PlanSpec{
		ID: id, Name: id, Product: product, Zone: time.UTC, Mode: ota.Silent, Retries: 5,
		Start: time.Now().Add(-time.Minute), End: time.Now().Add(time.Hour),
		Components: []engine.ComponentSpec{{ID: component, Type: kind, Package: ota.Full, Target: target}},
	}}))
	require.NoError(t, s.Command(engine.Activate{Plan: id}))
	return content
}

// arrives logs a device in for the first time, and gives its secret.
func arrives(t *testing.T, server *quecthing.Server) (p *peer, secret string) {
	t.Helper()
	password, err := codec.FirstPassword(product, productSecret, key, random, false)
	require.NoError(t, err)
	p = dial(t, server.Addr().String())
	require.Zero(t, p.login(codec.ClientID(product, key), password))
	require.Equal(t, byte(1), p.subscribe(codec.Filter(p.client)))
	f, items := p.hears()
	require.Equal(t, codec.DeviceConfig, f.Command)
	return p, items.Text(codec.DeviceSecret)
}

// asks says what the device runs, and asks for a plan.
func (p *peer) asks(module, versions string) {
	p.says(codec.Sys, 1, codec.DeviceInfo, codec.Items{
		codec.Text(codec.InfoVersion, module), codec.Text(codec.InfoVersions, versions),
	})
	p.says(codec.OTA, 2, codec.UpgradeAsk, codec.Items{
		codec.Text(codec.ModuleVersion, module), codec.Text(codec.ModuleVersions, versions),
	})
}

// status says how far a component is.
func (p *peer) status(s codec.Status, component string, kind int64, more ...codec.Item) {
	p.says(codec.OTA, 2, codec.UpgradeStatus, append(codec.Items{
		codec.Int(codec.StatusCode, int64(s)), codec.Text(codec.StatusText, s.String()),
		codec.Int(codec.ComponentType, kind), codec.Text(codec.Component, component),
	}, more...))
}

// TestUpgradeOverTheWire: first contact, a plan, a file and its end.
func TestUpgradeOverTheWire(t *testing.T) {
	service, server := platformRuns(t, quecthing.Config{Products: map[string]string{product: productSecret}})
	content := offers(t, service, "p", ota.MCU, "STM32", "2_0_0")
	p, _ := arrives(t, server)
	p.asks("V1.0.0", "STM32:1_0_0")
	f, items := p.hears()
	require.Equal(t, codec.UpgradePlan, f.Command)
	assert.Equal(t, "STM32 2_0_0", items.Text(codec.Component)+" "+items.Text(codec.Target))
	assert.False(t, items.Has(codec.ControlType))
	p.status(codec.Received, "STM32", codec.MCUType)
	p.status(codec.Confirmed, "STM32", codec.MCUType)
	f, items = p.hears()
	require.Equal(t, codec.UpgradeFile, f.Command)
	digest := md5.Sum(content)
	assert.Equal(t, hex.EncodeToString(digest[:]), items.Text(codec.MD5), "in small letters")
	size, _ := items.Int(codec.Size)
	assert.Equal(t, int64(len(content)), size)
	assert.Len(t, items.Text(codec.CRC), 8)
	assert.Len(t, items.Text(codec.SHA256), 64)
	head, body := fetch(t, items.Text(codec.URL), "bytes=10-109")
	assert.True(t, strings.HasPrefix(head, "HTTP/1.1 206 "), head)
	assert.Contains(t, head, "\r\nContent-Length: 100\r\n", "in that spelling: devices look for it")
	assert.Equal(t, string(content[10:110]), body)
	p.status(codec.Upgrading, "STM32", codec.MCUType)
	p.status(codec.Succeeded, "STM32", codec.MCUType, codec.Text(codec.ModuleVersion, "V1.0.0"),
		codec.Text(codec.ModuleVersions, "STM32:2_0_0"))
	service.View(func(e *engine.Engine) {
		v, _ := e.Device("p", key)
		assert.Equal(t, ota.DeviceUpgraded, v.Status)
	})
}

// fetch gets a range as the SDK does, and gives the head of the answer and its body.
func fetch(t *testing.T, address, span string) (head, body string) {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	conn, err := net.Dial("tcp", u.Host)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost:%s\r\nAccept-Ranges: bytes\r\nRange: %s\r\n\r\n", u.RequestURI(),
		u.Host, span)
	require.NoError(t, err)
	in := bufio.NewReader(conn)
	for {
		line, err := in.ReadString('\n')
		require.NoError(t, err)
		head += line
		if line == "\r\n" {
			break
		}
	}
	content := make([]byte, 100)
	_, err = io.ReadFull(in, content)
	require.NoError(t, err)
	return head, string(content)
}

// TestPush: a plan reaches a device that has asked before there was one.
func TestPush(t *testing.T) {
	service, server := platformRuns(t, quecthing.Config{})
	offers(t, service, "other", ota.MCU, "ESP", "8") // so that the product is known
	p := dial(t, server.Addr().String())
	require.Zero(t, p.login(codec.ClientID(product, key), codec.LoginPassword("", "", random, false)))
	p.subscribe(codec.Filter(p.client))
	p.asks("V1.0.0", "STM32:1_0_0")
	offers(t, service, "p", ota.MCU, "STM32", "2_0_0")
	f, items := p.hears()
	require.Equal(t, codec.UpgradePlan, f.Command)
	assert.Equal(t, "STM32", items.Text(codec.Component))
}

// TestPushOfNewComponent: the first package of a product names the component that the
// module is. A device that has asked before that gets the plan at once all the same.
func TestPushOfNewComponent(t *testing.T) {
	service, server := platformRuns(t, quecthing.Config{Products: map[string]string{product: productSecret}})
	p, _ := arrives(t, server)
	p.asks("V1.0.0", "")
	offers(t, service, "p", ota.Module, "app", "V2.0.0")
	f, items := p.hears()
	require.Equal(t, codec.UpgradePlan, f.Command)
	assert.Equal(t, "app V2.0.0", items.Text(codec.Component)+" "+items.Text(codec.Target))
}

// TestLogins: who is let in, who is refused, and who is left to come again.
func TestLogins(t *testing.T) {
	_, server := platformRuns(t, quecthing.Config{Products: map[string]string{product: productSecret}})
	client := codec.ClientID(product, key)
	_, secret := arrives(t, server)
	assert.Len(t, secret, codec.MaxDeviceSecret)
	_, again := arrives(t, server)
	assert.Equal(t, secret, again, "a known device may have forgotten it")
	first := func(product, productSecret, device string) string {
		password, err := codec.FirstPassword(product, productSecret, device, random, false)
		require.NoError(t, err)
		return password
	}
	for _, c := range []struct {
		name, client, password string
		want                   int
	}{
		{"login", client, codec.LoginPassword(productSecret, secret, random, false), 0},
		{"another secret", client, codec.LoginPassword(productSecret, "wrong", random, false), 5},
		{"another product secret", client, codec.LoginPassword("wrong", secret, random, false), 5},
		{"first contact by another secret", client, first(product, "another secret of it", key), 5},
		{"another device's first contact", client, first(product, productSecret, "other"), 5},
		{"another product", codec.ClientID("p2", key), first("p2", productSecret, key), 5},
		{"no password", client, "", 5},
		{"nonsense", client, "2;x", 5},
		{"a name that is no key", codec.ClientID(product, "a/b"), first(product, productSecret, "a/b"), 5},
	} {
		assert.Equal(t, c.want, dial(t, server.Addr().String()).login(c.client, c.password), c.name)
	}
}

// TestSecretsFromElsewhere: only devices that are listed are let in.
func TestSecretsFromElsewhere(t *testing.T) {
	_, server := platformRuns(t, quecthing.Config{
		Products: map[string]string{product: productSecret}, Secrets: map[string]string{key: "own"}})
	_, secret := arrives(t, server)
	assert.Equal(t, "own", secret)
	stranger, err := codec.FirstPassword(product, productSecret, "stranger", random, false)
	require.NoError(t, err)
	assert.Equal(t, 5, dial(t, server.Addr().String()).login(codec.ClientID(product, "stranger"), stranger))
}

// TestUnknownProduct: a refusal would cost a device its secret, so there is none where
// nothing is known of it.
func TestUnknownProduct(t *testing.T) {
	_, server := platformRuns(t, quecthing.Config{})
	login := codec.LoginPassword("", "", random, false)
	assert.Equal(t, -1, dial(t, server.Addr().String()).login(codec.ClientID("p2", key), login))
}

// TestSessionKey: payloads are encrypted both ways once the key is there.
func TestSessionKey(t *testing.T) {
	service, server := platformRuns(t, quecthing.Config{Products: map[string]string{product: productSecret}})
	offers(t, service, "p", ota.MCU, "STM32", "2_0_0")
	_, secret := arrives(t, server)
	p := dial(t, server.Addr().String())
	require.Zero(t, p.login(codec.ClientID(product, key), codec.LoginPassword(productSecret, secret, random, true)))
	p.subscribe(codec.Filter(p.client))
	p.says(codec.Sys, 1, codec.DeviceStatus, codec.Items{codec.Int(codec.Battery, 50)}) // in clear
	_, items := p.hears()
	cipher, err := codec.NewCipher(items.Raw(codec.SessionKey))
	require.NoError(t, err)
	p.cipher = cipher
	p.asks("V1.0.0", "STM32:1_0_0")
	f, _ := p.hears()
	assert.Equal(t, codec.UpgradePlan, f.Command)
}

// TestForbiddenTopics: a device hears and speaks for itself alone.
func TestForbiddenTopics(t *testing.T) {
	service, server := platformRuns(t, quecthing.Config{Products: map[string]string{product: productSecret}})
	p, _ := arrives(t, server)
	for _, filter := range []string{"#", "q/1/d/+/+", codec.Filter(codec.ClientID(product, "other"))} {
		assert.Equal(t, byte(0x80), p.subscribe(filter), filter)
	}
	f, err := (codec.Frame{ID: 9, Command: codec.DeviceInfo, Payload: codec.Items{codec.Text(codec.InfoVersion, "V1")}.
		Encode()}).Encode()
	require.NoError(t, err)
	p.publish(codec.Uplink(codec.ClientID(product, "other"), codec.Sys), 1, f)
	p.publish(codec.Uplink(p.client, codec.Bus), 1, f)
	p.publish("a/b", 2, f)
	service.View(func(e *engine.Engine) {
		_, known := e.Home("other")
		assert.False(t, known)
		_, known = e.Home(key)
		assert.False(t, known)
	})
}

// TestDownPlatform: a device is hung up on, so that it says everything again.
func TestDownPlatform(t *testing.T) {
	service, server := platformRuns(t, quecthing.Config{Products: map[string]string{product: productSecret}})
	p, secret := arrives(t, server)
	service.Kill()
	f := codec.Frame{ID: 1, Command: codec.DeviceInfo, Payload: codec.Items{codec.Text(codec.InfoVersion, "V1")}.Encode()}
	payload, err := f.Encode()
	require.NoError(t, err)
	topic := codec.Uplink(p.client, codec.Sys)
	p.write(mqttPublish|1<<1, append(append(text(topic), 0, 9), payload...))
	p.ended()
	service.Restart()
	p = dial(t, server.Addr().String())
	assert.Zero(t, p.login(codec.ClientID(product, key), codec.LoginPassword(productSecret, secret, random, false)))
}

// TestTakeover: a device's new connection ends its old one.
func TestTakeover(t *testing.T) {
	_, server := platformRuns(t, quecthing.Config{Products: map[string]string{product: productSecret}})
	old, _ := arrives(t, server)
	p, _ := arrives(t, server)
	old.ended()
	p.asks("V1.0.0", "")
}

func TestConfig(t *testing.T) {
	for _, c := range []struct {
		config quecthing.Config
		want   string
	}{
		{quecthing.Config{Products: map[string]string{"p": "short"}}, `product "p": want a key`},
		{quecthing.Config{Products: map[string]string{"p 1": productSecret}}, `product "p 1": want a key`},
		{quecthing.Config{Secrets: map[string]string{"d": "s"}}, "none of a product"},
		{quecthing.Config{Products: map[string]string{product: productSecret},
			Secrets: map[string]string{"d": strings.Repeat("x", 33)}}, "33 characters: want 1 to 32"},
	} {
		_, err := quecthing.Listen("127.0.0.1:0", c.config)
		assert.ErrorContains(t, err, c.want)
	}
}
