//go:build real

package real_test

import (
	"crypto/pbkdf2"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"otafleet/test/harness"
)

// server is a third-party server, on a port that stays its own.
type server struct {
	t       *testing.T
	address string // host:port
	dir     string
	program string
	args    []string
	process *harness.Process
}

// start starts the server, for the first time or again, and waits until it
// listens.
func (s *server) start() {
	s.t.Helper()
	s.process = harness.Start(s.t, s.dir, s.program, s.args...)
	harness.Await(s.t, filepath.Base(s.program)+" listens", func() bool {
		conn, err := net.Dial("tcp", s.address)
		if err == nil {
			_ = conn.Close()
		}
		require.True(s.t, err == nil || s.process.Running(), "it has ended: %s", s.process.Output())
		return err == nil
	})
}

// kill ends the server as a power cut would.
func (s *server) kill() { s.process.Kill() }

// listener is how mosquitto listens.
func listener(address string) string {
	host, port, _ := net.SplitHostPort(address)
	return "listener " + port + " " + host
}

// startMosquitto starts a broker with lines of configuration for its first
// listener; further listeners may follow. Without any, everybody may do
// everything.
func startMosquitto(t *testing.T, lines ...string) *server {
	t.Helper()
	s := &server{t: t, address: harness.FreeAddress(t), dir: t.TempDir(), program: mosquittoProgram}
	if len(lines) == 0 {
		lines = []string{"allow_anonymous true"}
	}
	head := []string{
		"user root", // or whoever started it: it must read the test's files
		"log_dest stderr", "log_type all",
		"max_queued_messages 0", "max_inflight_messages 0", "per_listener_settings true", // 0 is no limit
		listener(s.address),
	}
	config := filepath.Join(s.dir, "mosquitto.conf")
	text := strings.Join(append(head, lines...), "\n") + "\n"
	require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
	s.args = []string{"-c", config}
	s.start()
	return s
}

// url is the broker's address for devices.
func (s *server) url() string { return "mqtt://" + s.address }

// passwords writes a password file of mosquitto.
func passwords(t *testing.T, users map[string]string) string {
	t.Helper()
	const rounds = 101
	salt := []byte("twelve bytes") // it wants no other number
	var text strings.Builder
	for user, password := range users {
		hash, err := pbkdf2.Key(sha512.New, password, salt, rounds, sha512.Size)
		require.NoError(t, err)
		encode := base64.StdEncoding.EncodeToString
		fmt.Fprintf(&text, "%s:$7$%d$%s$%s\n", user, rounds, encode(salt), encode(hash))
	}
	return write(t, "passwords", text.String())
}

// write writes a file of the test.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}
