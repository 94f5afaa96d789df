package command

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

func TestParseVersion(t *testing.T) {
	good := map[string]string{
		`{"version":"1.0.0"}`:                            "1.0.0",
		"log\nmore log\n" + `{"version":"3_1"}` + "\n\n": "3_1",
		"\t" + `{"version":"1","more":[true]}` + "\r\n":  "1",
	}
	for stdout, want := range good {
		got, err := parseVersion([]byte(stdout))
		require.NoError(t, err, stdout)
		assert.Equal(t, want, got)
	}
	bad := []string{
		``, `1.0.0`, `{"version":1}`, `{"version":""}`, `{}`, `null`, `[]`, `{"version":"1"} trailing`,
		`{"version":"` + strings.Repeat("v", 65) + `"}`, `{"version":"a\u0000b"}`, "{\"version\":\"\xff\"}",
		`{"version":"1"}` + "\nlog after the answer",
	}
	for _, stdout := range bad {
		_, err := parseVersion([]byte(stdout))
		var failure *ota.Failure
		require.ErrorAs(t, err, &failure, stdout)
		assert.Equal(t, ota.InstallerFailed, failure.Code)
		assert.Contains(t, failure.Detail, "last line for inspect must be")
	}
}

func TestParseRestart(t *testing.T) {
	tests := []struct {
		verb   verb
		stdout string
		want   firmware.Restart // empty for a refusal
	}{
		{activate, `{"restart":"none"}`, firmware.RestartNone},
		{activate, "log\n" + `{"restart":"process"}`, firmware.RestartProcess},
		{activate, `{"restart":"system"}` + "\n", firmware.RestartSystem},
		{activate, ``, ""},
		{activate, `{}`, ""},
		{activate, `{"restart":"reboot"}`, ""},
		{activate, `done`, ""},
		{revert, ``, firmware.RestartNone},
		{revert, `rolled back`, firmware.RestartNone},
		{revert, `{"restart":"system"}`, firmware.RestartSystem},
		{revert, `{"restart":"reboot"}`, ""},
		{revert, `{"restart"`, ""},
	}
	for _, test := range tests {
		got, err := parseRestart(test.verb, []byte(test.stdout))
		assert.Equal(t, test.want, got, "%s %q", test.verb, test.stdout)
		assert.Equal(t, test.want == "", err != nil, "%s %q: %v", test.verb, test.stdout, err)
	}
}

func TestMalformedIsBoundedAndPrintable(t *testing.T) {
	_, err := parseRestart(activate, []byte("\x1b[31m"+strings.Repeat("ü", 10_000)))
	require.Error(t, err)
	assert.Less(t, len(err.Error()), 1000)
	assert.NotContains(t, err.Error(), "\x1b")
	assert.Contains(t, err.Error(), `last line for activate must be a JSON object, not "\x1b[31m`)
}

func TestFailure(t *testing.T) {
	other := errors.New("the disk is gone")
	assert.Equal(t, other, failure(ota.ComponentSilent, other))
	require.NoError(t, failure(ota.ComponentSilent, nil))
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{``, "log\n{\"version\":\"1.0.0\"}\n", `{"restart":"system"}`, `{"version":`, "\n\n\n",
		`{"restart":null}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, stdout []byte) {
		version, err := parseVersion(stdout)
		if (err == nil) != ota.ValidVersion(version) {
			t.Fatalf("version %q with error %v", version, err)
		}
		for _, v := range []verb{activate, revert} {
			restart, err := parseRestart(v, stdout)
			if (err == nil) != restart.Valid() {
				t.Fatalf("restart %q with error %v", restart, err)
			}
			if err != nil && len(err.Error()) > ota.MaxDetail {
				t.Fatalf("an error of %d bytes", len(err.Error()))
			}
		}
	})
}
