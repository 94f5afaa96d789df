package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// A start that the storage keeps back is tried until it is there, and said once.
// Another error ends it at once.
func TestPatientStart(t *testing.T) {
	wrong := errors.New("wrong")
	for name, c := range map[string]struct {
		errs  []error // of the first tries
		want  error
		tries int
		lines int
	}{
		"comes late":      {[]error{syscall.EROFS, syscall.EROFS, fmt.Errorf("state.0: %w", syscall.EIO)}, nil, 4, 2},
		"is no trouble":   {nil, nil, 1, 0},
		"another mistake": {[]error{syscall.EROFS, wrong}, wrong, 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log strings.Builder
				tries := 0
				err := patiently(t.Context(), slog.New(slog.NewTextHandler(&log, nil)), func() error {
					if tries++; tries <= len(c.errs) {
						return c.errs[tries-1]
					}
					return nil
				})
				assert.Equal(t, c.want, err)
				assert.Equal(t, c.tries, tries)
				assert.Equal(t, c.lines, strings.Count(log.String(), "cannot start without the saved state"))
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithTimeout(t.Context(), time.Hour)
		defer end()
		assert.NoError(t, patiently(ctx, slog.New(slog.DiscardHandler), func() error { return syscall.EROFS }),
			"the agent is stopped")
	})
}
