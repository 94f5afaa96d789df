package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// serviceManager is who started the program and wants to hear how it does:
// systemd, by the protocol of sd_notify(3) and sd_watchdog_enabled(3).
type serviceManager struct {
	socket   string        // its datagram socket; empty if nobody wants to hear
	watchdog time.Duration // it ends a program that is silent for so long; 0 for never
}

// newServiceManager reads what the environment says of it. It is left as it is,
// for the program that takes this one's place in an upgrade.
func newServiceManager(env func(string) string) serviceManager {
	m := serviceManager{socket: env("NOTIFY_SOCKET")}
	if pid := env("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return m
	}
	if us, err := strconv.ParseInt(env("WATCHDOG_USEC"), 10, 64); err == nil && us > 0 {
		m.watchdog = time.Duration(us) * time.Microsecond
	}
	return m
}

// tell sends states, each NAME=VALUE. A name that begins with @ is not of a
// file; package net knows that.
func (m serviceManager) tell(states ...string) error {
	conn, err := net.Dial("unixgram", m.socket)
	if err != nil {
		return fmt.Errorf("cannot reach the service manager: %w", err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(strings.Join(states, "\n"))); err != nil {
		return fmt.Errorf("cannot tell the service manager: %w", err)
	}
	return nil
}

// notify says that the agent is ready when the control socket has opened and the
// machine first answers, and then feeds the watchdog as long as the machine answers: not by the clock, which
// would also go on in a program that does nothing any more.
func (d *device) notify(ctx context.Context, m serviceManager, opened <-chan struct{}) error {
	if m.socket == "" {
		return nil
	}
	tell := func(states ...string) {
		if err := m.tell(states...); err != nil {
			d.log.Warn(err.Error())
		}
	}
	defer tell("STOPPING=1")
	select {
	case <-opened:
	case <-ctx.Done():
		return nil
	}
	// Components are asked for their versions first, which takes its time.
	if d.runner.Answers(ctx) != nil {
		return nil
	}
	tell("READY=1")
	// Systemd asks for twice as often as its limit; once more than that bears a
	// slow answer. Without a watchdog only the sentence is kept up to date.
	every := time.Minute
	if m.watchdog > 0 {
		every = m.watchdog / 3
	}
	for ctx.Err() == nil {
		limited, cancel := context.WithTimeout(ctx, every)
		if err := d.runner.Answers(limited); err == nil {
			tell("WATCHDOG=1", "STATUS="+d.runner.View().Waiting)
		} else if ctx.Err() == nil {
			d.log.Error("the watchdog is not fed", "error", err)
		}
		<-limited.Done()
		cancel()
	}
	return nil
}
