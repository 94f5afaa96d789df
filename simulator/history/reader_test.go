package history_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/history"
	"otafleet/simulator/verdict"
	"otafleet/simulator/verdict/verdicttest"
)

// compressed makes the file of events from lines.
func compressed(t testing.TB, lines string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b)
	require.NoError(t, err)
	_, err = w.Write([]byte(lines))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

// FuzzRecord: no files make the reader panic, take much memory, or read for ever.
func FuzzRecord(f *testing.F) {
	_, info := sample()
	doc, err := os.ReadFile(filepath.Join(recorded(f, info, func(_, n int) bool { return n == 1 }), "run.json"))
	require.NoError(f, err)
	f.Add(doc, compressed(f, "{\"k\":\"arrived\",\"d\":\"gateways-000001\"}\n"))
	f.Add([]byte(`{"format": 1}`), compressed(f, "{\"k\":\"connected\"}\n{\"k\":"))
	f.Fuzz(func(t *testing.T, run, events []byte) {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "run.json"), run, 0o666))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "scenario.yaml"), info.Text, 0o666))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "events.jsonl.zst"), events, 0o666))
		r, err := history.Open(t.Context(), history.Dir(dir))
		if err != nil {
			return
		}
		reader, err := r.Events(t.Context())
		if err != nil {
			return
		}
		defer reader.Close()
		var e verdict.Event
		for range 1_000_000 {
			if err := reader.Next(&e); err != nil {
				return
			}
		}
	})
}

// BenchmarkHistory is what an event costs to be recorded, read, and judged again.
func BenchmarkHistory(b *testing.B) {
	s, info := sample()
	var all []verdict.Event
	verdicttest.Play(s, 42, func(e verdict.Event) { all = append(all, e) })
	b.Run("record", func(b *testing.B) {
		w, err := history.Create(b.Context(), history.Dir(filepath.Join(b.TempDir(), "r")), info)
		require.NoError(b, err)
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			w.AddEvents(all[i%len(all):][:1])
			i++
		}
		require.NoError(b, w.Close(history.End{}))
	})
	b.Run("read", func(b *testing.B) {
		w, err := history.Create(b.Context(), history.Dir(filepath.Join(b.TempDir(), "r")), info)
		require.NoError(b, err)
		for range 10 {
			w.AddEvents(all)
		}
		require.NoError(b, w.Abandon())
		r, err := history.Open(b.Context(), w.Place())
		require.NoError(b, err)
		b.ReportAllocs()
		reader, err := r.Events(b.Context())
		require.NoError(b, err)
		var e verdict.Event
		for b.Loop() {
			err := reader.Next(&e)
			if errors.Is(err, io.EOF) {
				reader.Close()
				reader, err = r.Events(b.Context())
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		reader.Close()
	})
	b.Run("judge", func(b *testing.B) {
		j := verdict.NewJudge(s, verdict.WithoutLogs)
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			j.Add(all[i%len(all)])
			i++
		}
	})
}
