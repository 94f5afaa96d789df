package config

import (
	"errors"
	"regexp"
	"time"

	"otafleet/firmware/line"
	"otafleet/firmware/modem"
	"otafleet/internal/ota"
	"otafleet/internal/yamlform"
)

// readModemInstaller gives nil where the component has no such settings.
func readModemInstaller(m *yamlform.Map, in base) *modem.Config {
	c := &modem.Config{Line: line.Config{Baud: 115200}}
	m.Require("port")
	in.path(m, "port", &c.Line.Path)
	m.Int("baud", &c.Line.Baud, line.MinBaud, line.MaxBaud)
	readProfile(m, &c.Profile)
	m.Bool("full", &c.Full)
	m.Int("tries", &c.Tries, 1, 100)
	m.Duration("stall_timeout", &c.StallTimeout, 10*time.Millisecond, 24*time.Hour)
	m.Duration("start_timeout", &c.StartLimit, 10*time.Millisecond, 24*time.Hour)
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
	if v := m.Map("version"); v.Given() {
		p.Version = readExchange(v)
	}
	if m.Has("prepare") {
		p.Prepare = readExchanges(m, "prepare")
	}
	if u := m.Map("upload"); u.Given() {
		u.Require("send", "expect", "done")
		p.Upload = readOne(u)
		yamlform.Value(u, "done", &p.Uploaded, pattern)
	}
	if t := m.Map("trigger"); t.Given() {
		t.Require("send", "expect")
		p.Trigger = readOne(t)
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
		p.Upload = line.Exchange{}
	}
	if f == custom {
		m.Require("version", "trigger", "end")
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
