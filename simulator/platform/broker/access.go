package broker

import (
	"crypto/subtle"
	"slices"
	"strings"
	"sync"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"otafleet/internal/ota"
)

// access decides who may connect, publish and subscribe. All but products is
// immutable.
type access struct {
	prefix           string
	credentials      func(username, password string) bool
	gateways         map[string][]string
	platformUser     string
	platformPassword string

	mu       sync.Mutex
	products map[string]string // by user name: the product that its device is of
}

func newAccess(cfg Config) *access {
	if cfg.Prefix == "" {
		cfg.Prefix = "ota/v1"
	}
	return &access{
		prefix:           cfg.Prefix,
		credentials:      cfg.Credentials,
		gateways:         cfg.Gateways,
		platformUser:     cfg.PlatformUser,
		platformPassword: cfg.PlatformPassword,
		products:         map[string]string{},
	}
}

// caller is who a connection speaks as.
type caller struct {
	user string // empty if it gave none
	id   string // client id
}

// address is a topic or filter below the prefix:
// <prefix>/<product>/<device>/<direction>/<kind>.
type address struct {
	product, device string
	direction       string // up or down
	kind            string // may be "+" in a filter
}

// id is the client id of the device that the address belongs to.
func (a address) id() string { return a.product + "." + a.device }

// down is what the topics of the messages to a device begin with.
func (a *access) down(id ota.Identity) string {
	return a.prefix + "/" + id.Product + "/" + id.Device + "/down/"
}

// parse splits a topic or filter that names one device.
func (a *access) parse(topic string) (address, bool) {
	rest, ok := strings.CutPrefix(topic, a.prefix+"/")
	if !ok {
		return address{}, false
	}
	product, rest, _ := strings.Cut(rest, "/")
	device, rest, _ := strings.Cut(rest, "/")
	direction, kind, ok := strings.Cut(rest, "/")
	valid := ok && ota.ValidKey(product) && ota.ValidKey(device) &&
		(direction == "up" || direction == "down") && (kind == "+" || ota.ValidKey(kind))
	return address{product, device, direction, kind}, valid
}

// admit decides about a CONNECT and gives the reason code of a refusal.
func (a *access) admit(id string, connect packets.ConnectParams) packets.Code {
	who := caller{user: string(connect.Username), id: id}
	switch {
	case !a.authentic(who.user, string(connect.Password)):
		return packets.ErrBadUsernameOrPassword
	case a.platform(who) && (deviceID(id) || id == mqtt.InlineClientId):
		return packets.ErrClientIdentifierNotValid // it would take over the session of another device
	case !a.platform(who) && !deviceID(id):
		return packets.ErrClientIdentifierNotValid
	case !a.platform(who) && !a.named(who):
		return packets.ErrNotAuthorized
	case connect.WillFlag && !a.mayPublish(who, connect.WillTopic):
		return packets.ErrNotAuthorized
	}
	return packets.CodeSuccess
}

// authentic checks the password.
func (a *access) authentic(user, password string) bool {
	if a.platformUser != "" && user == a.platformUser {
		return subtle.ConstantTimeCompare([]byte(password), []byte(a.platformPassword)) == 1
	}
	return a.credentials == nil || a.credentials(user, password)
}

func (a *access) platform(who caller) bool {
	return a.platformUser != "" && who.user == a.platformUser
}

// named reports whether the user name, when there is one, fits the client id: it is
// the id itself, the device's key, or a gateway's that speaks for the device.
func (a *access) named(who caller) bool {
	product, device, _ := strings.Cut(who.id, ".")
	switch {
	case who.user == "", who.user == who.id, slices.Contains(a.gateways[who.user], who.id):
		return true
	case who.user == device:
		return a.ofProduct(who.user, product)
	}
	return false
}

// ofProduct reports whether a device that gives its key alone as user name is of a
// product: the one that it was of when it first came. A key says nothing of the
// product, and no client may speak for the device of another one that has the same.
func (a *access) ofProduct(user, product string) bool {
	if a.credentials == nil {
		return true // where everybody is let in, a name proves nothing
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	known, bound := a.products[user]
	if !bound {
		a.products[user] = product
	}
	return !bound || known == product
}

// mayPublish decides about a topic; wills included.
func (a *access) mayPublish(who caller, topic string) bool {
	if a.platform(who) {
		return strings.HasPrefix(topic, a.prefix+"/")
	}
	t, ok := a.parse(topic)
	return ok && t.direction == "up" && t.kind != "+" && a.speaksFor(who, t.id())
}

// maySubscribe decides about a filter; shared ones are the platform's.
func (a *access) maySubscribe(who caller, filter string) bool {
	if a.platform(who) {
		_, filter = cutShare(filter)
		return strings.HasPrefix(filter, a.prefix+"/") && validFilter(filter)
	}
	t, ok := a.parse(filter)
	return ok && t.direction == "down" && a.speaksFor(who, t.id())
}

// speaksFor reports whether the caller may act as the device id: it is the
// device, or its gateway.
func (a *access) speaksFor(who caller, id string) bool {
	if who.id == id {
		return true
	}
	user := who.user
	if user == "" {
		_, user, _ = strings.Cut(who.id, ".")
	}
	return slices.Contains(a.gateways[user], id)
}

// deviceID reports whether id is <product>.<device>.
func deviceID(id string) bool {
	product, device, _ := strings.Cut(id, ".")
	return ota.ValidKey(product) && ota.ValidKey(device)
}

// validPrefix reports whether every level of the prefix is a plain word.
func validPrefix(prefix string) bool {
	for level := range strings.SplitSeq(prefix, "/") {
		if !ota.ValidKey(level) {
			return false
		}
	}
	return true
}

// validFilter reports whether wildcards stand alone in their level, and "#"
// last.
func validFilter(filter string) bool {
	for {
		level, rest, more := strings.Cut(filter, "/")
		if strings.ContainsAny(level, "+#") && level != "+" && (level != "#" || more) {
			return false
		}
		if !more {
			return true
		}
		filter = rest
	}
}

// cutShare splits $share/<group>/<filter>; group is empty for a plain filter.
func cutShare(filter string) (group, rest string) {
	if after, ok := strings.CutPrefix(filter, "$share/"); ok {
		if group, rest, _ = strings.Cut(after, "/"); group != "" && !strings.ContainsAny(group, "+#") {
			return group, rest
		}
	}
	return "", filter
}

// matches reports whether a topic fits a valid filter.
func matches(filter, topic string) bool {
	for {
		want, restFilter, moreFilter := strings.Cut(filter, "/")
		if want == "#" {
			return true
		}
		level, restTopic, moreTopic := strings.Cut(topic, "/")
		if want != "+" && want != level {
			return false
		}
		if !moreTopic {
			return !moreFilter || restFilter == "#"
		}
		if !moreFilter {
			return false
		}
		filter, topic = restFilter, restTopic
	}
}
