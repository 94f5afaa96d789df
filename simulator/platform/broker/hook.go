package broker

import (
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"otafleet/internal/ota"
)

// What mochi sees in place of a filter: that the directory knows it, or that it
// is refused. No client may publish to either.
const (
	routed  = "$routed"
	refused = "$refused"
)

// takeoverPatience is how long a connection that is taken over may take to
// end.
const takeoverPatience = time.Second

// hook is where mochi asks and tells the broker. Its methods are called in the
// goroutine of the client's connection.
type hook struct {
	mqtt.HookBase
	broker *Broker
}

// ID names the hook.
func (h *hook) ID() string { return "broker" }

// Provides says which of the methods mochi has to call.
func (h *hook) Provides(method byte) bool {
	switch method {
	case mqtt.OnConnect, mqtt.OnConnectAuthenticate, mqtt.OnACLCheck,
		mqtt.OnSessionEstablish, mqtt.OnSessionEstablished, mqtt.OnDisconnect, mqtt.OnClientExpired,
		mqtt.OnSubscribe, mqtt.OnUnsubscribe, mqtt.OnPacketProcessed, mqtt.OnPacketEncode:
		return true
	}
	return false
}

// OnConnect admits or refuses a client. A topic alias would be resolved after
// the access check and outlive its connection, so no session has any.
func (h *hook) OnConnect(cl *mqtt.Client, pk packets.Packet) error {
	cl.Properties.Props.TopicAliasMaximum = 0
	code := h.broker.access.admit(cl.ID, pk.Connect)
	if code == packets.CodeSuccess {
		return nil
	}
	h.broker.log.Info("connection refused", "device", cl.ID, "reason", code.Reason)
	_ = h.broker.server.SendConnack(cl, code, false, nil)
	return code
}

// OnConnectAuthenticate accepts what OnConnect has admitted.
func (h *hook) OnConnectAuthenticate(*mqtt.Client, packets.Packet) bool { return true }

// OnACLCheck decides about what mochi itself routes: publications on their way
// in, and nothing on its way out.
func (h *hook) OnACLCheck(cl *mqtt.Client, topic string, write bool) bool {
	if !write {
		return topic == routed
	}
	if h.broker.access.mayPublish(speaker(cl), topic) {
		return true
	}
	h.broker.log.Debug("publication refused", "device", cl.ID, "topic", topic)
	return false
}

// OnSessionEstablish opens the client's session before the CONNACK.
func (h *hook) OnSessionEstablish(cl *mqtt.Client, pk packets.Packet) {
	limit := deviceBacklog
	if h.broker.access.platform(speaker(cl)) {
		limit = platformBacklog
	}
	for !h.broker.directory.open(cl, h.takeOver(cl.ID), limit, pk.Connect.Clean) {
	}
	h.broker.owns(cl)
}

// takeOver ends the connection that the client has already, and returns it; nil if
// there is none. It waits, so that the will of the old connection comes before anything from
// the new one, and so that an old connection that is stuck cannot hold the new
// one up. It closes the socket and leaves the rest to the old connection's
// reader: a client that is stopped otherwise may lose its will.
func (h *hook) takeOver(id string) *mqtt.Client {
	client, left := h.broker.directory.occupant(id)
	if client == nil {
		return nil
	}
	if !client.Closed() {
		sendTakenOver(client)
	}
	select {
	case <-left:
	case <-time.After(takeoverPatience):
	}
	if s := h.broker.directory.find(id); s != nil {
		s.detach(client)
	}
	return client
}

// sendTakenOver tells a client that its session was taken over, and closes its socket.
func sendTakenOver(client *mqtt.Client) {
	_ = client.Net.Conn.SetWriteDeadline(time.Now().Add(takeoverPatience))
	_ = client.WritePacket(packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Disconnect},
		ReasonCode:  packets.ErrSessionTakenOver.Code,
	})
	_ = client.Net.Conn.Close()
}

// OnSessionEstablished starts to send, after the CONNACK.
func (h *hook) OnSessionEstablished(cl *mqtt.Client, _ packets.Packet) {
	window := int(cl.Properties.Props.ReceiveMaximum)
	if window == 0 || window > maxWindow {
		window = maxWindow
	}
	if !h.broker.directory.attach(cl, window) {
		h.broker.log.Debug("taken over before it was established", "device", cl.ID)
		cut(cl.Net.Conn)
		return
	}
	h.broker.log.Debug("connected", "device", cl.ID)
}

// OnDisconnect keeps the session for the client's return, or ends it.
func (h *hook) OnDisconnect(cl *mqtt.Client, err error, expire bool) {
	h.broker.log.Debug("disconnected", "device", cl.ID, "error", err)
	if s := h.broker.directory.find(cl.ID); s != nil {
		s.detach(cl)
	}
	h.broker.directory.leave(cl, expire && !cl.IsTakenOver())
}

// OnClientExpired ends a session whose client did not return in time. Mochi
// forgets the client but not its subscription.
func (h *hook) OnClientExpired(cl *mqtt.Client) {
	h.broker.server.UnsubscribeClient(cl)
	h.broker.directory.end(cl)
}

// OnSubscribe takes the filters over from mochi.
func (h *hook) OnSubscribe(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	s := h.broker.directory.find(cl.ID)
	for i := range pk.Filters {
		want := pk.Filters[i]
		if s == nil || !h.broker.access.maySubscribe(speaker(cl), want.Filter) || !h.broker.directory.subscribe(s, want) {
			h.broker.log.Debug("subscription refused", "device", cl.ID, "topic", want.Filter)
			pk.Filters[i].Filter = refused
			continue
		}
		pk.Filters[i].Filter = routed
	}
	return pk
}

// OnUnsubscribe takes wishes back.
func (h *hook) OnUnsubscribe(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	if s := h.broker.directory.find(cl.ID); s != nil {
		for i := range pk.Filters {
			h.broker.directory.unsubscribe(s, pk.Filters[i].Filter)
		}
	}
	return pk
}

// OnPacketProcessed sees the acknowledgements.
func (h *hook) OnPacketProcessed(cl *mqtt.Client, pk packets.Packet, _ error) {
	if pk.FixedHeader.Type != packets.Puback {
		return
	}
	if s := h.broker.directory.find(cl.ID); s != nil {
		s.acknowledged(cl, pk.PacketID)
	}
}

// OnPacketEncode announces the broker's limits, which mochi enforces silently.
func (h *hook) OnPacketEncode(_ *mqtt.Client, pk packets.Packet) packets.Packet {
	if pk.FixedHeader.Type == packets.Connack && pk.ReasonCode == packets.CodeSuccess.Code {
		pk.Properties.MaximumPacketSize = ota.MaxPacket
		pk.Properties.RetainAvailable = 0
		pk.Properties.RetainAvailableFlag = true
	}
	return pk
}

func speaker(cl *mqtt.Client) caller {
	return caller{user: string(cl.Properties.Username), id: cl.ID}
}
