package trial_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"otafleet/internal/quecthing/trial"
)

func TestEveryRecordingIsRead(t *testing.T) {
	all, err := trial.ReadAll("../testdata/trials")
	require.NoError(t, err)
	require.Greater(t, len(all), 90)
	for _, tr := range all {
		require.NotEmpty(t, tr.About, tr.Name)
		require.Contains(t, "ABC", tr.Variant, tr.Name)
		require.NotEmpty(t, tr.Lines, tr.Name)
	}
}

func TestLinesAreTyped(t *testing.T) {
	tr, err := trial.Parse(`# trial x01_name
# what was tried
# client: SDK variant A, env {'MCU': 'STM32:1_0_0;ESP:7', 'SCALE': '20'}
# columns: ms since start
      6 CLIENT started MCU=STM32:1_0_0;ESP:7 SCALE=20
     21 CLIENT START state=9
     50 UP     TCP connection
     69 UP     CONNECT proto=MQTT flags=0x42(clean=1) keepalive=120 client_id=qdp1D password=1;0000;a;b= | raw=10
     69 DOWN   CONNACK rc=5
    102 UP     SUBSCRIBE id=1 q/1/d/qdp1D/+ qos=1 raw=82
    191 DOWN   PUBLISH topic=q/1/d/qdp1D/sys qos=0 retain=0 id=- hex=aa00 | cmd=0x00B4 5="x id=7"
    195 UP     PUBREL id=4
    200 CLIENT EVT 7,10700,"MOD","",30
    300 APP    > mcuver STM32 2_0_0
    301 CLIENT RET mcuver STM32 2_0_0 -> 1
    454 HTTP   > GET /ok HTTP/1.1\r\nHost:127.0.0.1\r\nRange: bytes=0-49\r\n\r\n
    455 HTTP   < 206 Partial Content 50 bytes
    500 CLIENT exit code -9 (killed)
`)
	require.NoError(t, err)
	require.Equal(t, "x01_name", tr.Name)
	require.Equal(t, "what was tried", tr.About)
	require.Equal(t, 20, tr.Scale)
	require.Equal(t, "STM32:1_0_0;ESP:7", tr.Env["MCU"])
	var contents []any
	for _, l := range tr.Lines {
		contents = append(contents, l.Content)
	}
	require.Equal(t, []any{
		trial.Boot{Env: map[string]string{"MCU": "STM32:1_0_0;ESP:7", "SCALE": "20"}},
		trial.Resumed{Status: 9},
		trial.Opened{},
		trial.Connect{Flags: 0x42, KeepAlive: 120, ClientID: "qdp1D", Password: "1;0000;a;b="},
		trial.Connack{Code: 5},
		trial.Subscribe{ID: 1, Filter: "q/1/d/qdp1D/+", QoS: 1},
		trial.Publish{Topic: "q/1/d/qdp1D/sys", Payload: []byte{0xaa, 0}},
		trial.Ack{Kind: "PUBREL", ID: 4},
		trial.Event{Class: 7, Code: 10700, Data: `"MOD","",30`},
		trial.Call{"mcuver", "STM32", "2_0_0"},
		trial.Return{Call: []string{"mcuver", "STM32", "2_0_0"}, Result: "1"},
		trial.Request{Path: "/ok", Range: "0-49"},
		trial.Answer{Status: 206, Text: "206 Partial Content 50 bytes"},
		trial.Exit{Code: -9},
	}, contents)
	require.Equal(t, 455*time.Millisecond, tr.Lines[12].At)
	require.Equal(t, 17, tr.Lines[12].Number)
}

func TestWrongLinesAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		"# trial x\nlater UP x":                 "line 2: it does not begin with milliseconds",
		"# trial x\n  1 SIDE x":                 `line 2: "SIDE" is no source of lines`,
		"# trial x\n  1 UP JUMP":                "line 2: unknown packet",
		"# trial x\n  1 DOWN CONNACK rc=none":   `line 2: rc="none" is no integer`,
		"# trial x\n  1 UP PUBLISH qos=0 hex=x": "line 2: a payload is not hex",
	} {
		_, err := trial.Parse(text)
		require.ErrorContains(t, err, want)
	}
}
