package main

import (
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestBrokerThatDoesNotWantDevices ends the run before it begins, with the reason.
func TestBrokerThatDoesNotWantDevices(t *testing.T) {
	t.Parallel()
	scenario := file(t, "small.yaml", small)
	for name, tt := range map[string]struct{ answer, want string }{
		"MQTT 3.1.1":      {"\x20\x02\x00\x01", "does (it|not) speak MQTT 5"},
		"closes":          {"", "does it speak MQTT 5"},
		"password":        {"\x20\x03\x00\x86\x00", "bad user name or password"},
		"not authorized":  {"\x20\x03\x00\x87\x00", "not authorized"},
		"no QoS 1":        {"\x20\x05\x00\x00\x02\x24\x00", "does not take messages with QoS 1"},
		"no subscription": {"\x20\x03\x00\x00\x00" + "\x90\x04\x00\x01\x00\x87", "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			t.Cleanup(func() { l.Close() })
			go func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					go func() {
						defer conn.Close()
						if _, err := conn.Read(make([]byte, 1)); err == nil {
							_, _ = io.WriteString(conn, tt.answer)
						}
						if tt.answer != "" {
							_, _ = io.Copy(io.Discard, conn)
						}
					}()
				}
			}()
			for _, platform := range [][]string{{"--fake-platform"}, {"--allow-unsigned"}} {
				o := sim(t, append([]string{"run", "--quiet", "--broker", "mqtt://" + l.Addr().String(), scenario}, platform...)...)
				assert.Equal(t, exitUnreachable, o.code, "%s%s", o.out, o.err)
				assert.Regexp(t, tt.want, o.err)
			}
		})
	}
}
