package download_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent/download"
	"otafleet/firmware"
	"otafleet/internal/ota"
)

// donated is a place beside a version that runs.
type donated struct {
	*place
	running io.ReaderAt
}

func (d donated) Running() io.ReaderAt { return d.running }

// broken can be read up to a byte.
type broken struct {
	io.ReaderAt
	from int64
}

func (b broken) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > b.from {
		return 0, errors.New("bad block")
	}
	return b.ReaderAt.ReadAt(p, off)
}

func TestFetchTakesWhatTheRunningVersionHas(t *testing.T) {
	t.Parallel()
	const chunk = 1000
	data := image(10*chunk+500, 1)
	file := describe("fw", data, chunk)
	piece := func(i int) []byte { return data[i*chunk : min((i+1)*chunk, len(data))] }
	other := image(chunk, 2)
	tests := map[string]struct {
		running io.ReaderAt
		asked   []string
	}{
		"the same version": {bytes.NewReader(data), nil},
		"the same, longer": {bytes.NewReader(append(bytes.Clone(data), 7)), []string{"bytes=10000-10499"}},
		"at other places": {bytes.NewReader(bytes.Join([][]byte{piece(9), other, piece(0), piece(4), piece(10)}, nil)),
			[]string{"bytes=1000-3999", "bytes=5000-8999"}},
		"not at chunks":     {bytes.NewReader(append([]byte{7}, data...)), []string{"bytes=0-10499"}},
		"nothing":           {bytes.NewReader(nil), []string{"bytes=0-10499"}},
		"cannot be opened":  {nil, []string{"bytes=0-10499"}},
		"cannot be read on": {broken{bytes.NewReader(data), 3 * chunk}, []string{"bytes=3000-10499"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			place := newPlace(t, file)
			s := newServer(t, data)
			job := jobOf(file, donated{place, test.running}, s.URL)
			last := int64(-1)
			job.Progress = func(done, total int64) {
				assert.Greater(t, done, last)
				last = done
			}
			succeeded(t, newFetcher(t, quick()).Fetch(t.Context(), job))
			place.holds(data)
			assert.Equal(t, test.asked, s.ranges())
			assert.EqualValues(t, len(data), last)
		})
	}
}

// Chunks that are the same are all taken from one.
func TestFetchTakesOneChunkForMany(t *testing.T) {
	t.Parallel()
	data := bytes.Repeat(image(1000, 1), 5)
	file := describe("fw", data, 1000)
	place := newPlace(t, file)
	place.put(data[:1000], 2000)
	job := jobOf(file, donated{place, bytes.NewReader(data[:1000])})
	succeeded(t, newFetcher(t, quick()).Fetch(t.Context(), job))
	place.holds(data)
	assert.Equal(t, 4, place.writes, "the one that was there is left alone")
}

func TestFetchWhoseCopyFails(t *testing.T) {
	t.Parallel()
	data := image(5000, 1)
	file := describe("fw", data, 1000)
	place := newPlace(t, file)
	place.fail, place.failAt = errors.New("worn out"), 2
	result := newFetcher(t, quick()).Fetch(t.Context(), jobOf(file, donated{place, bytes.NewReader(data)}))
	failedWith(t, result, ota.WriteFailed)

	missing, err := download.Verify(t.Context(), []ota.File{file}, []firmware.Target{place})
	require.NoError(t, err)
	assert.EqualValues(t, 4000, missing, "what was written before is not lost")
}
