package main

import (
	"context"
	"fmt"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/paho"
	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// topic gives a topic of the device: its direction and the kind of message.
func topic(device, direction, kind string) string {
	return "ota/v1/" + product + "/" + device + "/" + direction + "/" + kind
}

// sessionV5 is a session of autopaho: MQTT 5, with the settings that the
// protocol asks for and everything else as it comes.
type sessionV5 struct {
	device string
	cm     *autopaho.ConnectionManager
}

func connectV5(ctx context.Context, broker, device string, up func(), received func(message)) (publisher, error) {
	address, err := url.Parse(broker)
	if err != nil {
		return nil, err
	}
	cm, err := autopaho.NewConnection(ctx, autopaho.ClientConfig{
		ServerUrls:            []*url.URL{address},
		KeepAlive:             60,
		SessionExpiryInterval: 86400,
		ReconnectBackoff:      func(int) time.Duration { return time.Second },
		WillMessage:           &paho.WillMessage{Topic: topic(device, "up", "offline"), Payload: []byte("{}"), QoS: 1},
		OnConnectionUp: func(cm *autopaho.ConnectionManager, _ *paho.Connack) {
			go func() {
				_, err := cm.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: topic(device, "down",
					"+"), QoS: 1}}})
				if err == nil {
					up()
				}
			}()
		},
		ClientConfig: paho.ClientConfig{
			ClientID: product + "." + device,
			OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(r paho.PublishReceived) (bool, error) {
				received(message{kind: path.Base(r.Packet.Topic), payload: r.Packet.Payload})
				return true, nil
			}},
		},
	})
	if err != nil {
		return nil, err
	}
	return &sessionV5{device: device, cm: cm}, nil
}

func (s *sessionV5) publish(ctx context.Context, kind string, payload []byte) error {
	_, err := s.cm.Publish(ctx, &paho.Publish{
		Topic: topic(s.device, "up", kind), QoS: 1, Payload: payload,
		Properties: &paho.PublishProperties{ContentType: "application/json"},
	})
	return err
}

// sessionV3 is a session of paho.mqtt.golang, the older client: MQTT 3.1.1, so
// without an expiry of the session and without a content type.
type sessionV3 struct {
	device string
	client mqtt.Client
}

func connectV3(ctx context.Context, broker, device string, up func(), received func(message)) (publisher, error) {
	options := mqtt.NewClientOptions().
		AddBroker(strings.Replace(broker, "mqtt://", "tcp://", 1)).
		SetClientID(product+"."+device).
		SetKeepAlive(60*time.Second).
		SetCleanSession(false).
		SetConnectRetry(true).SetConnectRetryInterval(time.Second).
		SetWill(topic(device, "up", "offline"), "{}", 1, false)
	options.SetOnConnectHandler(func(c mqtt.Client) {
		go func() {
			token := c.Subscribe(topic(device, "down", "+"), 1, func(_ mqtt.Client, m mqtt.Message) {
				received(message{kind: path.Base(m.Topic()), payload: m.Payload()})
			})
			if token.Wait() && token.Error() == nil {
				up()
			}
		}()
	})
	client := mqtt.NewClient(options)
	if err := await(ctx, client.Connect()); err != nil {
		return nil, err
	}
	return &sessionV3{device: device, client: client}, nil
}

func (s *sessionV3) publish(ctx context.Context, kind string, payload []byte) error {
	return await(ctx, s.client.Publish(topic(s.device, "up", kind), 1, false, payload))
}

// await waits until the client is done with what the token stands for.
func await(ctx context.Context, token mqtt.Token) error {
	select {
	case <-token.Done():
		return token.Error()
	case <-ctx.Done():
		return fmt.Errorf("cannot wait any longer: %w", ctx.Err())
	}
}
