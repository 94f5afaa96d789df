//go:build real

package serial_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/firmware/port"
	"otafleet/firmware/port/porttest"
	"otafleet/firmware/serial"
)

// Debian's lrzsz receives what this package sends.
func TestReceiversOfLrzsz(t *testing.T) {
	for name, test := range map[string]struct {
		args     []string
		protocol serial.Protocol
		file     string
		filled   bool
	}{
		"YMODEM":                {[]string{"rb"}, serial.YModem, "motor.bin", false},
		"XMODEM-1K with CRC":    {[]string{"rx", "-c", "received"}, serial.XModem, "received", true},
		"XMODEM with checksums": {[]string{"rx", "received"}, serial.XModem, "received", true},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpgrade(t, byXModem, nil)
			require.NoError(t, u.stage())
			u.mcu.Close()

			dir := t.TempDir()
			u.cfg.Port = port.Config{Path: filepath.Join(dir, "port"), Baud: 115200}
			far, err := porttest.Plug(u.cfg.Port.Path)
			require.NoError(t, err)
			receiver := exec.Command(test.args[0], test.args[1:]...)
			receiver.Dir, receiver.Stderr = dir, os.Stderr
			in, err := receiver.StdinPipe()
			require.NoError(t, err)
			out, err := receiver.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, receiver.Start())
			go io.Copy(in, far)
			go io.Copy(far, out)

			// The file alone is what lrzsz understands: it has no version to say.
			u.cfg.Protocol, u.cfg.Enter, u.cfg.StartLimit, u.cfg.Tries = test.protocol, nil, 1, 1
			u.cfg.Timeout, u.cfg.Version = long, port.Exchange{Expect: u.cfg.Version.Expect, Timeout: 1}
			installer, err := serial.New(u.cfg)
			require.NoError(t, err)
			_, err = installer.Activate(t.Context(), u.job)
			require.ErrorContains(t, err, "the version is not said")
			require.NoError(t, receiver.Wait())
			require.NoError(t, far.Close())
			received, err := os.ReadFile(filepath.Join(dir, test.file))
			require.NoError(t, err)
			if test.filled {
				received = received[:len(u.new)]
			}
			assert.Equal(t, u.new, received)
		})
	}
}
