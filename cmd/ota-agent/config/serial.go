//go:build !noline

package config

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"otafleet/firmware/port"
	"otafleet/firmware/serial"
	"otafleet/firmware/transfer"
	"otafleet/internal/ota"
	"otafleet/internal/yamlform"
)

// readSerialInstaller gives nil where the component has no such settings.
func readSerialInstaller(m *yamlform.Map, in base) *serial.Config {
	c := &serial.Config{Port: port.Config{Baud: 115200}}
	m.Require("port", "protocol")
	in.path(m, "port", &c.Port.Path)
	m.Int("baud", &c.Port.Baud, port.MinBaud, port.MaxBaud)
	yamlform.Enum(m, "protocol", &c.Protocol, serial.XModem, serial.YModem, serial.Pull, serial.SMP)
	c.Version = readExchange(m.Map("version"))
	c.Enter, c.Start = readExchanges(m, "enter"), readExchanges(m, "start")
	m.Duration("timeout", &c.Timeout, 10*time.Millisecond, time.Hour)
	m.Int("attempts", &c.Attempts, 1, 1000)
	m.Int("tries", &c.Tries, 1, 100)
	m.Duration("start_timeout", &c.StartLimit, 10*time.Millisecond, 24*time.Hour)
	m.Size("block", &c.Block, 1, ota.MaxFileSize)
	m.Size("max_size", &c.Capacity, 1, ota.MaxFileSize)
	c.Factory = readFactory(m.Map("factory"), in)
	if !m.Given() {
		return nil
	}
	checkProtocol(m, c.Protocol)
	return c
}

// checkProtocol reports what is missing for a protocol and what it has no use
// for.
func checkProtocol(m *yamlform.Map, protocol serial.Protocol) {
	if protocol == serial.SMP {
		for _, key := range []string{"version", "enter", "start", "factory"} {
			if m.Has(key) {
				m.Problemf(key, "has no use with protocol smp, in which the MCU says what it runs and keeps both images")
			}
		}
	} else if protocol != "" {
		m.Require("version")
	}
	if protocol != serial.Pull && protocol != "" && m.Has("block") {
		m.Problemf("block", "is for protocol pull")
	}
}

// readFactory reads what a component runs before its first upgrade.
func readFactory(m *yamlform.Map, in base) transfer.Factory {
	var f transfer.Factory
	m.Require("version", "image")
	m.Text("version", &f.Version, revision)
	in.file(m, "image", &f.Path)
	return f
}

// readExchange reads the question for the version.
func readExchange(m *yamlform.Map) port.Exchange {
	m.Require("expect")
	e := readOne(m)
	if e.Expect != nil && e.Expect.NumSubexp() < 1 {
		m.Problemf("expect", "has no group; want the version in round brackets, such as version (\\S+)")
	}
	return e
}

// readExchanges reads a list of exchanges.
func readExchanges(m *yamlform.Map, key string) []port.Exchange {
	const most = 16
	var all []port.Exchange
	for _, e := range m.Maps(key, 1, most) {
		if e.Given() && !e.Has("send") && !e.Has("expect") {
			e.Problemf("send", "is missing; want send, expect or both")
		}
		all = append(all, readOne(e))
	}
	return all
}

func readOne(m *yamlform.Map) port.Exchange {
	e := port.Exchange{Timeout: 2 * time.Second, Attempts: 3}
	m.Text("send", &e.Send, toSend)
	yamlform.Value(m, "expect", &e.Expect, pattern)
	m.Duration("timeout", &e.Timeout, 10*time.Millisecond, time.Hour)
	m.Int("attempts", &e.Attempts, 1, 100)
	return e
}

func toSend(text string) error {
	if text == "" || len(text) > port.MaxSend {
		return fmt.Errorf("has %d bytes; want 1 to %d", len(text), port.MaxSend)
	}
	return nil
}

// pattern reads a regular expression.
func pattern(text string) (*regexp.Regexp, error) {
	if text == "" {
		return nil, errors.New("is empty")
	}
	p, err := regexp.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("is not a regular expression: %w", err)
	}
	return p, nil
}
