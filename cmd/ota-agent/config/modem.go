//go:build !noline

package config

import (
	"errors"
	"regexp"
	"time"

	"otafleet/firmware/modem"
	"otafleet/firmware/port"
	"otafleet/internal/ota"
	"otafleet/internal/yamlform"
)

// readModemInstaller gives nil where the component has no such settings.
func readModemInstaller(m *yamlform.Map, in base) *modem.Config {
	c := &modem.Config{Port: port.Config{Baud: 115200}}
	m.Require("port")
	in.path(m, "port", &c.Port.Path)
	m.Int("baud", &c.Port.Baud, port.MinBaud, port.MaxBaud)
	readProfile(m, &c.Profile)
	m.Bool("full", &c.Full)
	m.Int("tries", &c.Tries, 1, 100)
	m.Duration("stall_timeout", &c.StallTimeout, 10*time.Millisecond, 24*time.Hour)
	m.Duration("start_timeout", &c.StartLimit, 10*time.Millisecond, 24*time.Hour)
	m.Duration("upgrade_timeout", &c.UpgradeLimit, 10*time.Millisecond, 24*time.Hour)
	m.Size("max_size", &c.Capacity, 1, ota.MaxFileSize)
	c.Factory = readFactory(m.Map("factory"), in)
	if m.Has("factory") && !c.Full {
		m.Problemf("factory", "is of use with full: true only; other packages cannot be sent again")
	}
	if !m.Given() {
		return nil
	}
	return c
}

// readProfile takes the commands and codes of a known family, or none, and what
// the file says of them.
func readProfile(m *yamlform.Map, p *modem.Profile) {
	type family string
	const quectel, custom family = "quectel", "custom"
	var f family
	m.Require("profile")
	yamlform.Enum(m, "profile", &f, quectel, custom)
	if f == quectel {
		*p = modem.Quectel()
	}
	v, u, t := m.Map("version"), m.Map("upload"), m.Map("trigger")
	u.Require("send", "expect", "done")
	t.Require("send", "expect")
	replace(&p.Version, v, readExchange(v))
	replace(&p.Upload, u, readOne(u))
	replace(&p.Trigger, t, readOne(t))
	yamlform.Value(u, "done", &p.Uploaded, pattern)
	if prepare := readExchanges(m, "prepare"); prepare != nil {
		p.Prepare = prepare
	}
	yamlform.Value(m, "progress", &p.Progress, pattern)
	yamlform.Value(m, "end", &p.End, withGroup)
	yamlform.Value(m, "failed", &p.Failed, pattern)
	upload := true
	m.Bool("uploads", &upload)
	if !upload {
		if m.Has("upload") {
			m.Problemf("upload", "has no use with uploads: false")
		}
		p.Upload = port.Exchange{}
	}
	if f == custom {
		m.Require("version", "trigger", "end")
	}
}

// replace takes an exchange that the file gives.
func replace(e *port.Exchange, m *yamlform.Map, given port.Exchange) {
	if m.Given() {
		*e = given
	}
}

// withGroup reads a regular expression with a group.
func withGroup(text string) (*regexp.Regexp, error) {
	p, err := pattern(text)
	if err == nil && p.NumSubexp() < 1 {
		err = errors.New("has no group; want the error code in round brackets, such as (\\d+)")
	}
	return p, err
}
