package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

const (
	// healthPatience is how long a check may fail before the new version counts
	// as not healthy: services need a moment to start.
	healthPatience = time.Minute
	healthPause    = 2 * time.Second
	healthLimit    = 20 * time.Second // for one try
)

// Check is one thing that must work for a new version to stay. Exactly one field is
// set.
type Check struct {
	HTTP    string   // an address that answers 2xx
	Unit    string   // a systemd unit that is active
	Command []string // a program that exits with 0, and its arguments
}

// Health runs checks (agent.Health).
type Health struct {
	Checks []Check
	Device string // for the commands: OTA_DEVICE
	Broken string // why a new version of this program could not be started; empty if it could
	Logger *slog.Logger
}

// Check returns nil when every check has passed once, each within its time. A
// new version of this program that could not even be started fails it at once.
func (h *Health) Check(ctx context.Context) error {
	if broken := h.Broken; broken != "" {
		h.Broken = "" // it is about one upgrade
		return &ota.Failure{Code: ota.BootFailed, Detail: broken}
	}
	for _, c := range h.Checks {
		if err := h.await(ctx, c); err != nil {
			return fmt.Errorf("%s: %w", describe(c), err)
		}
	}
	return nil
}

func describe(c Check) string {
	switch {
	case c.HTTP != "":
		return "health check " + c.HTTP
	case c.Unit != "":
		return "health check of unit " + c.Unit
	}
	return "health check " + strings.Join(c.Command, " ")
}

// await tries one check until it passes or patience ends.
func (h *Health) await(ctx context.Context, c Check) error {
	deadline := time.Now().Add(healthPatience)
	for {
		err := h.try(ctx, c)
		if err == nil || ctx.Err() != nil || time.Now().After(deadline) {
			return err
		}
		h.Logger.Debug("not healthy yet", "check", describe(c), "error", err)
		if firmware.Pause(ctx, healthPause) != nil {
			return err
		}
	}
}

func (h *Health) try(ctx context.Context, c Check) error {
	switch {
	case c.HTTP != "":
		return tryHTTP(ctx, c.HTTP)
	case c.Unit != "":
		return tryCommand(ctx, []string{"systemctl", "is-active", c.Unit})
	}
	return tryCommand(ctx, c.Command, "OTA_DEVICE="+h.Device)
}

func tryHTTP(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, healthLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		return errors.New("answers " + answer.Status)
	}
	return nil
}

func tryCommand(ctx context.Context, args []string, env ...string) error {
	outcome, err := firmware.Program{Args: args, Env: env, Limit: healthLimit}.Run(ctx)
	if err != nil {
		return err
	}
	if outcome.Exit != 0 {
		return fmt.Errorf("exit code %d %s", outcome.Exit, strings.TrimSpace(outcome.Stderr))
	}
	return nil
}
