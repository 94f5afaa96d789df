package real

import (
	"cmp"
	"crypto/tls"
	"errors"
	"strings"

	"otafleet/agent/link/native"
	"otafleet/internal/ota"
)

// Login is what a device proves to a platform by who it is. What is empty is the
// World's.
type Login struct {
	Username    string
	Password    []byte           // never logged
	Token       []byte           // of hawkBit's target; never logged
	Certificate *tls.Certificate // for mqtts
}

// checkLogins refuses certificates that no broker would be shown. The embedded one
// lets every device in.
func (w *World) checkLogins() error {
	if w.BrokerURL == "" || strings.HasPrefix(w.BrokerURL, "mqtts:") {
		return nil
	}
	for key := range w.Logins {
		if w.Logins[key].Certificate != nil {
			return errors.New("the device file has certificates, which only a broker with TLS asks for: give --broker mqtts://")
		}
	}
	return nil
}

// session is how a device opens its session with the broker. The embedded one knows
// devices by their keys alone.
func (w *World) session(id ota.Identity) native.Config {
	var login Login
	if w.BrokerURL != "" {
		login = w.Logins[id.Device]
	}
	config := native.Config{Identity: id, URLs: []string{w.BrokerURL}, Prefix: w.Prefix,
		Username: cmp.Or(login.Username, w.Username, id.Device), TLS: w.secure(login.Certificate)}
	password := w.Password
	if len(login.Password) > 0 {
		password = login.Password
	}
	if len(password) > 0 {
		config.Password = func() ([]byte, error) { return password, nil }
	}
	return config
}

// platformTLS are the settings of the fake platform's session; nil for the system's.
func (w *World) platformTLS() (*tls.Config, error) {
	settings := w.secure(w.PlatformCertificate)
	if settings == nil {
		return nil, nil
	}
	return settings()
}

// secure gives the settings of a session with the broker; nil for those of the system.
func (w *World) secure(certificate *tls.Certificate) func() (*tls.Config, error) {
	if certificate == nil {
		if w.TLS == nil {
			return nil
		}
		return func() (*tls.Config, error) { return w.TLS, nil }
	}
	return func() (*tls.Config, error) {
		own := &tls.Config{MinVersion: tls.VersionTLS12}
		if w.TLS != nil {
			own = w.TLS.Clone()
		}
		own.Certificates = []tls.Certificate{*certificate}
		return own, nil
	}
}
