package host

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// ServiceManager is what has started the program and wants to know whether it is
// alive: systemd, by the protocol of sd_notify(3) and sd_watchdog_enabled(3).
type ServiceManager struct {
	socket   string        // its datagram socket; empty without a service manager
	watchdog time.Duration // it ends a program that is silent for so long; 0 for never
}

// NewServiceManager reads what the environment says of it. It is left as it is,
// for the program that takes this one's place in an upgrade.
func NewServiceManager(env func(string) string) ServiceManager {
	m := ServiceManager{socket: env("NOTIFY_SOCKET")}
	if pid := env("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return m
	}
	if us, err := strconv.ParseInt(env("WATCHDOG_USEC"), 10, 64); err == nil && us > 0 {
		m.watchdog = time.Duration(us) * time.Microsecond
	}
	return m
}

// Service is what the service manager watches.
type Service struct {
	Opened  <-chan struct{}             // closed when the control socket is open
	Answers func(context.Context) error // returns nil as soon as the machine answers
	Waiting func() string               // one sentence: what the agent does or waits for
	Logger  *slog.Logger
}

// Watch says that the agent is ready when the control socket has opened and the
// machine first answers, and then feeds the watchdog as long as the machine answers:
// not by the clock, which would also go on in a program that does nothing any more.
func (m ServiceManager) Watch(ctx context.Context, s Service) error {
	if m.socket == "" {
		return nil
	}
	send := func(states ...string) {
		if err := m.send(states...); err != nil {
			s.Logger.Warn(err.Error())
		}
	}
	defer send("STOPPING=1")
	select {
	case <-s.Opened:
	case <-ctx.Done():
		return nil
	}
	// Components are asked for their versions first, which takes its time.
	if s.Answers(ctx) != nil {
		return nil
	}
	send("READY=1")
	// Systemd asks for twice as often as its limit; once more than that bears a
	// slow answer. Without a watchdog only the sentence is kept up to date.
	every := time.Minute
	if m.watchdog > 0 {
		every = m.watchdog / 3
	}
	for ctx.Err() == nil {
		limited, cancel := context.WithTimeout(ctx, every)
		if err := s.Answers(limited); err == nil {
			send("WATCHDOG=1", "STATUS="+s.Waiting())
		} else if ctx.Err() == nil {
			s.Logger.Error("the watchdog is not fed", "error", err)
		}
		<-limited.Done()
		cancel()
	}
	return nil
}

// send sends states, each NAME=VALUE. A name that begins with @ is not of a
// file; package net knows that.
func (m ServiceManager) send(states ...string) error {
	conn, err := net.Dial("unixgram", m.socket)
	if err != nil {
		return fmt.Errorf("cannot reach the service manager: %w", err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(strings.Join(states, "\n"))); err != nil {
		return fmt.Errorf("cannot notify the service manager: %w", err)
	}
	return nil
}
