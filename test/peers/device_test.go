package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sent is a session that keeps what is published, in short.
type sent struct{ lines []string }

func (s *sent) publish(_ context.Context, kind string, payload []byte) error {
	var heard struct {
		status
		Request bool     `json:"request"`
		Running *running `json:"running"`
	}
	if err := json.Unmarshal(payload, &heard); err != nil {
		return err
	}
	switch kind {
	case "status":
		s.lines = append(s.lines, fmt.Sprintf("%d %s %s %s", heard.Seq, heard.Component, heard.Status, heard.Version))
	case "inventory":
		s.lines = append(s.lines, fmt.Sprintf("inventory request=%t running=%t", heard.Request, heard.Running != nil))
	default:
		s.lines = append(s.lines, kind)
	}
	return nil
}

// TestTheHappyPath plays the platform's part of an upgrade of two components.
func TestTheHappyPath(t *testing.T) {
	var fetched []string
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fetched = append(fetched, r.URL.Path)
	}))
	defer store.Close()

	session := new(sent)
	d := newDevice("gateways-000001", store.Client())
	d.session = session
	require.NoError(t, d.report(t.Context()))

	address := `{"component":%q,"files":[{"urls":["` + store.URL + `/%[1]s","http://unused.invalid"]}]}`
	plan := `{"plan":"p","attempt":1,"components":[{"id":"rootfs","target":"1.1.0"},{"id":"motor","target":"3_1"}]}`
	for _, step := range []struct {
		kind, payload string
		ended         bool
	}{
		{"none", `{}`, false},
		{"plan", plan, false},
		{"plan", plan, false}, // a broker may deliver it twice
		{"package", fmt.Sprintf(address, "rootfs"), false},
		{"ack", `{"plan":"p","seq":9}`, false},
		{"package", fmt.Sprintf(address, "motor"), false},
		{"ack", `{"plan":"p","seq":13}`, false},
		{"ack", `{"plan":"p","seq":14}`, true},
	} {
		ended, err := d.handle(t.Context(), message{step.kind, []byte(step.payload)})
		require.NoError(t, err, step.payload)
		assert.Equal(t, step.ended, ended, step.payload)
	}

	assert.Equal(t, []string{"/rootfs", "/motor"}, fetched)
	assert.Equal(t, []string{
		"inventory request=true running=false",
		"1 rootfs plan_received 1.0.0",
		"2 motor plan_received 3_0",
		"decision",
		"3 rootfs upgrade_confirmed 1.0.0",
		"4 motor upgrade_confirmed 3_0",
		"5 rootfs ready_to_download 1.0.0",
		"6 rootfs downloading 1.0.0",
		"7 rootfs download_succeeded 1.0.0",
		"8 rootfs upgrading 1.0.0",
		"9 rootfs upgrade_succeeded 1.1.0",
		"inventory request=false running=true",
		"10 motor ready_to_download 3_0",
		"11 motor downloading 3_0",
		"12 motor download_succeeded 3_0",
		"13 motor upgrading 3_0",
		"14 motor upgrade_succeeded 3_1",
		"inventory request=false running=false",
	}, session.lines)
}
