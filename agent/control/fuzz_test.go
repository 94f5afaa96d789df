package control_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/agent/control"
)

// most bounds an answer here: nothing that this agent says is longer.
const most = 64 << 10

// FuzzControl sends whatever a program on the device may send. Each connection ends
// within its time, with an answer that is HTTP; what the agent says itself is JSON.
// Requests that only look change nothing, and no request changes more than one thing.
func FuzzControl(f *testing.F) {
	for _, path := range []string{"status", "explain", "history", "events", "rehearse", "check", "confirm", "refuse",
		"abandon", "pause", "resume", "install", "reboot"} {
		for _, method := range []string{"GET", "POST"} {
			f.Add(method, "/v1/"+path, "",
				[]byte(`{"detail":"no","plan":"p-17","attempt":2,"targets":["1.1.0","3_1"],"path":"/media/app.ota"}`))
		}
	}
	f.Add("POST", "/v1/pause?device=meter-1", "Content-Type: text/plain", []byte("\xff\x00{"))
	f.Add("GET", "/v1/status?device=%zz&device=", "Transfer-Encoding: chunked", []byte("5\r\nhello\r\n0\r\n\r\n"))
	f.Add("POST", "/v1/confirm", "Expect: 100-continue\r\nContent-Length: 9999999", []byte("["))
	f.Add("OPTIONS", "*", "Upgrade: websocket\r\nConnection: upgrade", []byte(strings.Repeat("{\"a\":", 2000)))
	f.Add("GET", "//v1/../v1/status#x", "Host: \x1b[2J", []byte{})

	fake := &fakeAgent{view: view, status: control.NewStatus(view),
		installs: func(string) (string, error) { return "local-1", nil }}
	srv := server(socket(f), fake)
	srv.SubDevice = func(key string) (control.Subject, error) {
		if key == "meter-1" {
			return control.Subject{Agent: fake, Records: fake, Packages: fake}, nil
		}
		return control.Subject{}, errors.New("sub-device not found")
	}
	serve(f, srv)
	f.Fuzz(func(t *testing.T, method, path, header string, body []byte) {
		fake.forget()
		request := fmt.Sprintf(
			"%s %s HTTP/1.1\r\nHost: ota-agent\r\nConnection: close\r\nContent-Length: %d\r\n%s\r\n\r\n%s", method,
			path, len(body), header, body)
		answers := ask(t, srv.Path, request)
		changes := fake.inputs()
		if !strings.Contains(request, "POST") {
			assert.Empty(t, changes, "what only looks changes nothing")
		}
		assert.LessOrEqual(t, len(changes), max(1, answers), "one change a request")
		for _, in := range changes {
			if decided, is := in.(agent.Decided); is {
				assert.Equal(t, "p-17", decided.Plan, "only what waits is answered")
			}
		}
	})
}

// forget drops what was posted.
func (f *fakeAgent) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.posted = nil
}

// ask sends bytes on a connection of their own, and returns the number of answers.
func ask(t *testing.T, path, request string) int {
	t.Helper()
	conn, err := net.Dial("unix", path)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	_, _ = io.WriteString(conn, request) // the agent may answer and close before it has read everything
	_ = conn.(*net.UnixConn).CloseWrite()
	said, err := io.ReadAll(io.LimitReader(conn, most+1))
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "a connection ends")
	require.LessOrEqual(t, len(said), most, "answers are short")
	if err != nil || strings.Contains(request, "HEAD") {
		return strings.Count(string(said), "HTTP/1.1 ") // reset by what was not read; bodies that only are announced
	}
	answers := 0
	for unread := bufio.NewReader(bytes.NewReader(said)); ; answers++ {
		if _, err := unread.Peek(1); err != nil {
			return answers
		}
		response, err := http.ReadResponse(unread, nil)
		require.NoError(t, err, "%q", said)
		content, err := io.ReadAll(response.Body)
		require.NoError(t, err, "an answer is whole: %q", said)
		if response.Header.Get("Content-Type") == "application/json" {
			assert.True(t, json.Valid(content), "%q", content)
		}
	}
}
