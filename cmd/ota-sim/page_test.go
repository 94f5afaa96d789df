package main

import (
	"context"
	"encoding/base64"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/cli"
)

// TestPageOfNoRun: pages that cannot be served are refused before the run begins.
func TestPageOfNoRun(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	path := file(t, "small.yaml", small)
	token := file(t, "token", "correct horse battery\n")
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"the port is taken": {[]string{"--page", taken.Addr().String()}, "cannot serve the pages: listen tcp " +
			taken.Addr().String()},
		"the host is another one's": {[]string{"--page", "192.0.2.1:8080", "--token-file", token},
			"cannot serve the pages: listen tcp 192.0.2.1:8080"},
		"no token beyond loopback": {[]string{"--page", "0.0.0.0:0"}, "give a token, or listen on 127.0.0.1"},
		"no address":               {[]string{"--page", "nonsense"}, "want an address such as 127.0.0.1:8080"},
		"the token is short": {[]string{"--page", "127.0.0.1:0", "--token-file", file(t, "short", "guess\n")},
			"want at least 16 characters"},
		"the token file is missing": {[]string{"--page", "127.0.0.1:0", "--token-file", path + ".none"}, "no such file"},
		"the platform is another's": {[]string{"--page", "127.0.0.1:0", "--broker", "mqtt://127.0.0.1:1", "--trust",
			file(t, "key.pub", base64.StdEncoding.EncodeToString(make([]byte, 32)))}, "--page shows the fake platform"},
		"the world has no platform": {[]string{"--page", "127.0.0.1:0", "--virtual"}, "--page is for the real world"},
	} {
		o := sim(t, append([]string{"run", path}, c.args...)...)
		assert.Equal(t, cli.Usage, o.code, "%s: %s", name, o.err)
		assert.Contains(t, o.err, c.want, name)
		assert.NotContains(t, o.err+o.out, "devices, broker", "%s: the run has begun", name)
	}
}

// TestPageWhileARunLasts looks at the pages of a run, which end with it.
func TestPageWhileARunLasts(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	address := keptAddress(t)
	path := file(t, "small.yaml", strings.Replace(small, "{name: gw,", "{name: gw, arrive: {over: 3s},", 1))
	done := make(chan outcome, 1)
	go func() { done <- sim(t, "run", "--quiet", path, "--page", address) }()
	require.Eventually(t, func() bool {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/plans", nil)
		require.NoError(t, err)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return false
		}
		return answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
	}, 20*time.Second, 20*time.Millisecond)
	o := <-done
	assert.Equal(t, cli.OK, o.code, o.err)
	assert.Contains(t, o.err+o.out, "pages http://"+address+"/")
	_, err := net.DialTimeout("tcp", address, time.Second)
	assert.Error(t, err, "nothing listens any more")
}
