package file_test

import (
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/unix"

	"otafleet/firmware"
	"otafleet/firmware/file"
	"otafleet/internal/ota"
)

// A file system that cannot do the switch is found before a byte is fetched.
func TestFileSystemThatCannotSwitch(t *testing.T) {
	for name, test := range map[string]struct {
		exchange, link bool
		restart        firmware.Restart
		absent         bool
		opens          bool
	}{
		"ext4":                   {exchange: true, link: true, restart: firmware.RestartProcess, opens: true},
		"without exchange":       {link: true, opens: true},
		"neither":                {},
		"neither, and nothing":   {absent: true, opens: true},
		"without links":          {exchange: true, opens: true},
		"without links, a trial": {exchange: true, restart: firmware.RestartProcess},
	} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, func(c *file.Config) {
				c.Restart = test.restart
				c.Disk.Before = func(change firmware.Change) error {
					if change.Op == firmware.OpExchange && !test.exchange || change.Op == firmware.OpLink && !test.link {
						return unix.EPERM
					}
					return nil
				}
			})
			if test.absent {
				assert.NoError(t, os.Remove(a.Path))
			}
			places, err := a.installer.Open(t.Context(), a.job)
			for _, p := range places {
				assert.NoError(t, p.Close())
			}
			if test.opens {
				assert.NoError(t, err)
				return
			}
			var failure *ota.Failure
			assert.True(t, errors.As(err, &failure))
			assert.Contains(t, failure.Detail, "cannot switch "+a.Path+" here")
			assert.NoFileExists(t, a.Path+".ota-next")
			assert.NoFileExists(t, a.Path+".ota-previous")
		})
	}
}
