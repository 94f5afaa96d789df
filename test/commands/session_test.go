package commands_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/test/harness"
)

// session types a block as a whole.
func (k *checker) session(t *testing.T, text string) string {
	t.Helper()
	dir := copyOf(t, k.sandbox)
	if strings.HasPrefix(text, "curl") {
		return k.driveRollout(t, dir, text)
	}
	for i := range 4 {
		require.NoError(t, os.RemoveAll(filepath.Join(dir, fmt.Sprint("part-", i+1))))
	}
	outcome := sh(t, dir, "set -e\n"+text)
	assert.Zero(t, outcome.Code, outcome.Out+outcome.Err)
	var shown []string // what the commands print, as comments beside them
	for _, answer := range regexp.MustCompile(`(?m)# (\{.*\})$`).FindAllStringSubmatch(text, -1) {
		shown = append(shown, answer[1])
	}
	if len(shown) > 0 {
		assert.Equal(t, strings.Join(shown, "\n"), strings.TrimSpace(outcome.Out))
	}
	return "typed as a whole: exit code 0"
}

// typeSource has a shell read the completion, and asks it what it completes.
func (k *checker) typeSource(t *testing.T, text string) string {
	t.Helper()
	program := regexp.MustCompile(`ota-(agent|sim)`).FindString(text)
	outcome := sh(t, copyOf(t, k.sandbox), text+"\ncomplete -p "+program)
	assert.Zero(t, outcome.Code, outcome.Err)
	return "typed in bash, which then completes " + program
}

// typeCurl asks the socket of an agent as curl would.
func (k *checker) typeCurl(t *testing.T, text string) string {
	t.Helper()
	k.agent.turn.Lock()
	defer k.agent.turn.Unlock()
	response := curl(t, words(strings.Replace(text, "/run/ota-agent.sock", k.agent.Path("agent.sock"), 1)), "")
	assert.Contains(t, []int{200, 202, 409}, response, "409: no plan waits")
	return fmt.Sprintf("asked as curl would: status %d", response)
}

// driveRollout asks the API of a platform what a block of curl says, and makes the
// plan that it is about after the upload.
func (k *checker) driveRollout(t *testing.T, dir, text string) string {
	t.Helper()
	served := start(t, dir, "ota-sim platform --listen 127.0.0.1:0 --store-listen 127.0.0.1:0 --page 127.0.0.1:0")
	served.AwaitOutput("ready for devices\n")
	d := &device{
		Device: harness.NewDevice(
			t,
			programs,
			regexp.MustCompile(`mqtt://[^ ,]+`).FindString(served.Output()),
			harness.NewKey(t),
		),
	}
	d.furnish(t, k.sandbox)
	d.Settings["confirm"] = "ask"
	d.Start()
	page := regexp.MustCompile(`pages (http://\S+)/\n`).FindStringSubmatch(served.Output())[1]
	for i, line := range strings.Split(strings.ReplaceAll(text, "\\\n", ""), "\n") {
		if i == 1 {
			plan := fmt.Sprintf(`{"name":"spring","product":"gw-200","time_zone":"UTC","mode":"silent","start":%q,"end":%q,
				"components":[{"id":"app","type":"module","package":"full","target":"1.1.0"}]}`,
				time.Now().Add(-time.Hour).Format(time.RFC3339), time.Now().Add(time.Hour).Format(time.RFC3339))
			made := curl(t, []string{"curl", "-H", "Content-Type: application/json", "-d", plan, page + "/api/v1/plans"}, dir)
			require.Equal(t, 201, made)
		}
		if strings.Contains(line, "/devices/gw-0001") {
			d.awaitState(t, " --config agent.yaml", "asking") // it has the plan
		}
		line = strings.Replace(line, "http://127.0.0.1:8080", page, 1)
		assert.Contains(t, []int{200, 201}, curl(t, words(line), dir), line)
	}
	return "asked as curl would: each is obeyed"
}

// curl makes the request of a command line of curl, and gives the answer's status.
// What the answer says is not read: it may go on for ever.
func curl(t *testing.T, words []string, dir string) int {
	t.Helper()
	method, address, body, header, client := "GET", "", io.Reader(nil), http.Header{}, http.Client{}
	for i := 1; i < len(words); i++ {
		option := words[i]
		if !strings.HasPrefix(option, "-") {
			address = option
			continue
		}
		if option == "-N" {
			continue
		}
		i++
		require.Less(t, i, len(words), "%s has no value", option)
		switch value := words[i]; option {
		case "-X":
			method = value
		case "-H":
			name, text, _ := strings.Cut(value, ": ")
			header.Set(name, text)
		case "-d":
			method, body = "POST", strings.NewReader(value)
		case "--data-binary":
			content, err := os.ReadFile(filepath.Join(dir, strings.TrimPrefix(value, "@")))
			require.NoError(t, err)
			method, body = "POST", bytes.NewReader(content)
		case "--unix-socket":
			client.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", value)
			}}
		default:
			t.Fatalf("the option %s of curl is not known here", option)
		}
	}
	request, err := http.NewRequestWithContext(t.Context(), method, address, body)
	require.NoError(t, err)
	request.Header = header
	response, err := client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	return response.StatusCode
}
