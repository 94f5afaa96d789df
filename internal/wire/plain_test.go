package wire

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
)

// TestPlainStatus: what is written by hand is what encoding/json writes.
func TestPlainStatus(t *testing.T) {
	for _, version := range []string{"", "1.0.0", `a"b`, `back\slash`, "<&>'", "über", "~ !", "\u2028"} {
		for _, failure := range []*ota.Failure{nil, {Code: ota.Internal, Detail: "no\nspace"}} {
			r := &ota.Report{Time: time.Date(2026, 2, 3, 4, 5, 6, 7e6, time.FixedZone("", 3600)), Plan: "spring.2",
				Attempt: 3, Seq: 17, Component: "root_fs-1", Status: ota.Upgrading, Version: version, Failure: failure}
			if failure != nil {
				r.Status = ota.UpgradeFailed
			}
			var want bytes.Buffer
			enc := json.NewEncoder(&want)
			enc.SetEscapeHTML(false)
			require.NoError(t, enc.Encode(statusOf(r)))
			_, got, err := AppendUp([]byte("before"), r)
			if version == "\u2028" { // is not printable
				assert.Error(t, err)
				continue
			}
			require.NoError(t, err)
			assert.Equal(t, "before"+want.String(), string(got)+"\n")
		}
	}
}

// TestInstant: times are written by timeLayout.
func TestInstant(t *testing.T) {
	for _, at := range []time.Time{time.Unix(0, 0), time.Date(1970, 1, 1, 23, 59, 59, 999_999_999, time.UTC),
		time.Date(9999, 12, 31, 1, 2, 3, 40_000_000, time.FixedZone("", -7200)),
		time.Date(2028, 2, 29, 0, 0, 0, 5_600_000, time.UTC)} {
		assert.Equal(t, at.UTC().Format(timeLayout), string(instant{t: at}.append(nil)))
	}
}

// BenchmarkPlainStatus holds what is written by hand beside encoding/json.
func BenchmarkPlainStatus(b *testing.B) {
	report := &ota.Report{Time: time.Date(2026, 2, 3, 4, 5, 6, 7e6, time.UTC), Plan: "spring",
		Attempt: 1, Seq: 7, Component: "rootfs", Status: ota.Upgrading, Version: "1.0.0"}
	b.Run("by=hand", func(b *testing.B) {
		b.ReportAllocs()
		room := make([]byte, 0, plainStatus)
		for b.Loop() {
			appendPlain(room, report)
		}
	})
	b.Run("by=json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := json.Marshal(statusOf(report))
			require.NoError(b, err)
		}
	})
}
