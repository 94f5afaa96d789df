package quecthing_test

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"otafleet/internal/quecthing"
	"otafleet/internal/quecthing/trial"
)

// recorded is one line of frames.jsonl: a message of a trial, taken apart.
type recorded struct {
	Trial, Dir, Topic, Hex, Cmd, Note, Payload string
	PkgID                                      uint16
	TTLV                                       []recordedItem
}

type recordedItem struct {
	ID    uint16
	Type  string
	Value any
}

func TestEveryRecordedFrame(t *testing.T) {
	file, err := os.Open("testdata/frames.jsonl")
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	n := 0
	for lines.Scan() {
		var r recorded
		require.NoError(t, json.Unmarshal(lines.Bytes(), &r))
		n++
		testFrame(t, &r)
	}
	require.NoError(t, lines.Err())
	require.Greater(t, n, 1500)
}

func testFrame(t *testing.T, r *recorded) {
	t.Helper()
	b, err := hex.DecodeString(r.Hex)
	require.NoError(t, err)
	f, err := quecthing.DecodeFrame(b)
	if r.Note != "" { // malformed on purpose
		require.ErrorIs(t, err, quecthing.ErrFrame, r.Hex)
		return
	}
	if f.ID == 0 { // a number that the SDK drops, too
		require.ErrorIs(t, err, quecthing.ErrFrame)
		require.Contains(t, []uint16{0, 65535}, r.PkgID)
		return
	}
	require.NoError(t, err, r.Hex)
	require.Equal(t, r.PkgID, f.ID)
	require.Equal(t, r.Cmd, f.Command.String())
	if r.Dir == "UP" {
		back, err := f.Encode()
		require.NoError(t, err)
		require.Equal(t, r.Hex, hex.EncodeToString(back))
	}
	items, err := quecthing.DecodeItems(f.Payload)
	if r.TTLV == nil {
		if r.Payload != "" {
			require.Equal(t, r.Payload, hex.EncodeToString(f.Payload))
		}
		return
	}
	require.NoError(t, err)
	require.Equal(t, f.Payload, append([]byte{}, items.Encode()...))
	require.Len(t, items, len(r.TTLV))
	seen := map[uint16]bool{}
	for _, want := range r.TTLV {
		if !seen[want.ID] { // of several with the same number the first counts
			testItem(t, items, want)
		}
		seen[want.ID] = true
	}
}

// testItem finds the item by its number.
func testItem(t *testing.T, items quecthing.Items, want recordedItem) {
	t.Helper()
	switch want.Type {
	case "num":
		got, ok := items.Float(want.ID)
		require.True(t, ok)
		require.InDelta(t, want.Value, got, 0)
	case "text":
		require.Equal(t, want.Value, items.Text(want.ID))
	case "bool":
		got, ok := items.Bool(want.ID)
		require.True(t, ok)
		require.Equal(t, want.Value, got)
	default:
		require.True(t, items.Has(want.ID))
	}
}

// TestEveryRecordedPassword checks the passwords by which the SDK has logged in.
func TestEveryRecordedPassword(t *testing.T) {
	all, err := trial.ReadAll("testdata/trials")
	require.NoError(t, err)
	for _, tr := range all {
		secret, device := "d2c5Q1FsVWpwT1k3", "866123456789012"
		if tr.Env["PS"] != "" {
			secret, device = tr.Env["PS"], tr.Env["DK"]
		}
		deviceSecrets := []string{""}
		for _, l := range tr.Lines {
			switch c := l.Content.(type) {
			case trial.Publish:
				deviceSecrets = append(deviceSecrets, secretsIn(c.Payload)...)
			case trial.Connect:
				p, err := quecthing.ParsePassword(c.Password)
				require.NoError(t, err)
				if p.First {
					got, err := p.CheckFirst(secret)
					require.NoError(t, err, tr.Name)
					require.Equal(t, device, got)
					require.Equal(t, quecthing.ClientID(p.Product, device), c.ClientID)
					continue
				}
				fits := false
				for _, s := range deviceSecrets {
					fits = fits || p.CheckLogin(secret, s) == nil
				}
				require.True(t, fits, "%s line %d", tr.Name, l.Number)
			case trial.Subscribe:
				require.Contains(t, []string{quecthing.Filter("qdp1115X866123456789012"), quecthing.Filter("qdp9ABCD")},
					c.Filter)
			}
		}
	}
}

// secretsIn is the device secrets that a message hands out.
func secretsIn(payload []byte) (secrets []string) {
	f, err := quecthing.DecodeFrame(payload)
	if err != nil || f.Command != quecthing.DeviceConfig {
		return nil
	}
	items, _ := quecthing.DecodeItems(f.Payload)
	for _, id := range []uint16{quecthing.DeviceSecret, quecthing.NewDeviceSecret} {
		if s := items.Text(id); s != "" {
			secrets = append(secrets, s[:min(len(s), quecthing.MaxDeviceSecret)])
		}
	}
	return secrets
}
