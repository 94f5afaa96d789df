package quecthing_test

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"otafleet/internal/quecthing"
)

// seeds gives the recorded frames of the malformed kind, and some of the others.
func seeds(f *testing.F, add func([]byte)) {
	f.Helper()
	file, err := os.Open("testdata/frames.jsonl")
	require.NoError(f, err)
	defer func() { require.NoError(f, file.Close()) }()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for i := 0; lines.Scan(); i++ {
		var r recorded
		require.NoError(f, json.Unmarshal(lines.Bytes(), &r))
		b, err := hex.DecodeString(r.Hex)
		require.NoError(f, err)
		if r.Note != "" || i%50 == 0 {
			add(b)
		}
	}
}

func FuzzFrame(f *testing.F) {
	seeds(f, func(b []byte) { f.Add(b) })
	f.Fuzz(func(t *testing.T, b []byte) {
		frame, err := quecthing.DecodeFrame(b)
		if err != nil {
			require.ErrorIs(t, err, quecthing.ErrFrame)
			return
		}
		coded, err := frame.Encode()
		require.NoError(t, err)
		again, err := quecthing.DecodeFrame(coded)
		require.NoError(t, err)
		require.Equal(t, frame, again)
	})
}

func FuzzItems(f *testing.F) {
	seeds(f, func(b []byte) {
		if frame, err := quecthing.DecodeFrame(b); err == nil {
			f.Add(frame.Payload)
		}
	})
	f.Fuzz(func(t *testing.T, b []byte) {
		items, err := quecthing.DecodeItems(b)
		if err != nil {
			require.ErrorIs(t, err, quecthing.ErrItems)
			require.Empty(t, items)
			return
		}
		again, err := quecthing.DecodeItems(items.Encode())
		require.NoError(t, err)
		require.Equal(t, items, again)
		for id := range uint16(31) {
			items.Text(id)
			items.Int(id)
			items.Float(id)
			items.List(id)
		}
	})
}

func FuzzPassword(f *testing.F) {
	f.Add("1;0001;zaVZMXFht487M3hO;bfuDzzMEUT8IjgSfKwnH9vsuokeljhGttpDuVm/zWfg=")
	f.Add("0;0000;p1115X;0eCjz0J10Ac+yVm/JIy7eZJgfOYdfzw9kFJt3+5JLWLQ08THFyAo" +
		"oAIr3NVkLplKBD82HYInPMUIw8aPVEjJEyrTQ+HMXuUhQdDgeDJc5dE=")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := quecthing.ParsePassword(text)
		if err != nil {
			require.ErrorIs(t, err, quecthing.ErrPassword)
			return
		}
		_, _ = p.CheckFirst("d2c5Q1FsVWpwT1k3")
		_ = p.CheckLogin("d2c5Q1FsVWpwT1k3", "secret")
	})
}

func FuzzVersions(f *testing.F) {
	f.Add("STM32:1_0_0;ESP:7", "ESP", "8")
	f.Add("B:1;x;BA:1;A:1:2", "A", "")
	f.Add(strings.Repeat("A", quecthing.MaxVersions+1), "A", "")
	f.Fuzz(func(t *testing.T, text, component, version string) {
		list, err := quecthing.SetVersion(quecthing.ParseVersions(text), component, version)
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(quecthing.FormatVersions(list)), quecthing.MaxVersions)
		again := quecthing.ParseVersions(quecthing.FormatVersions(list))
		require.True(t, slices.Equal(list, again), "%q, read again: %q", list, again)
	})
}
