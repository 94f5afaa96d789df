//go:build !noquecthing

package main

import (
	"errors"
	"io/fs"

	"otafleet/agent/host"
	"otafleet/agent/link"
	"otafleet/agent/link/quecthing"
	"otafleet/agent/statefile"
)

func (d *device) newQuecThing(own link.Device) (link.Session, error) {
	q := d.config.QuecThing
	return quecthing.New(quecthing.Config{
		Device: own, Members: d.subs.members.Devices(), URL: q.URL, Username: q.Username,
		ProductSecret: func() (string, error) {
			secret, err := host.ReadSecret(q.ProductSecretFile)
			return string(secret), err
		},
		Secrets: deviceSecrets{d.state}, SessionKey: q.SessionKey,
		WantSHA256: true, OnFailure: q.OnFailure, Model: q.Model, ICCID: q.ICCID,
		TLS: host.TLS("platform.quecthing", q.Certificates, d.knownTime), Logger: d.log,
	})
}

// deviceSecrets keeps them in the agent's state directory, those of sub-devices too.
type deviceSecrets struct{ state *statefile.Store }

// secretName is the file of a device's secret; a key is a file's name.
func secretName(device string) string { return "quecthing-" + device + ".secret" }

func (s deviceSecrets) Secret(device string) (string, error) {
	const most = 4 << 10
	secret, err := s.state.Kept(secretName(device), most)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(secret), err
}

func (s deviceSecrets) KeepSecret(device, secret string) error {
	return s.state.Keep(secretName(device), []byte(secret))
}
