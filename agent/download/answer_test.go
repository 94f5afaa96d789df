package download_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"otafleet/agent/download"
	"otafleet/internal/ota"
)

func TestParseContentRange(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][3]int64{
		"bytes 0-9/10":                      {0, 9, 10},
		"bytes 5-5/*":                       {5, 5, -1},
		"Bytes 0-0/1":                       {0, 0, 1},
		"bytes  1-2/3":                      {1, 2, 3},
		"bytes 0-9223372036854775806/*":     {0, 1<<63 - 2, -1},
		"bytes 0-1/9223372036854775807":     {0, 1, 1<<63 - 1},
		"bytes 00000-00001/000000000000002": {0, 1, 2},
	} {
		first, last, total, err := download.ParseContentRange(text)
		assert.NoError(t, err, text)
		assert.Equal(t, want, [3]int64{first, last, total}, text)
	}
	for _, text := range []string{
		"", "bytes", "bytes ", "bytes */10", "bytes 0-9", "bytes 0-9/", "bytes -9/10", "bytes 0-/10", "bytes 9-0/10",
		"bytes 0-10/10",
		"items 0-9/10", "bytes +0-9/10", "bytes 0--9/10", "bytes 0-9/-1", "bytes 0x0-9/10", "bytes 0-9, 20-29/30",
		"bytes 0-9223372036854775808/*", "bytes=0-9/10", "bytes 1_0-11/20",
	} {
		_, _, _, err := download.ParseContentRange(text)
		assert.Error(t, err, text)
	}
}

func FuzzContentRange(f *testing.F) {
	f.Add("bytes 0-9/10")
	f.Add("bytes 5-5/*")
	f.Add("bytes 9-0/10")
	f.Fuzz(func(t *testing.T, text string) {
		first, last, total, err := download.ParseContentRange(text)
		if err == nil && (first < 0 || last < first || total != -1 && total <= last) {
			t.Errorf("%q gave %d, %d, %d", text, first, last, total)
		}
	})
}

// canned answers every request the same way.
type canned struct {
	status int
	header http.Header
	body   []byte
	length int64
}

func (c *canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: c.status, Header: c.header.Clone(), Body: io.NopCloser(bytes.NewReader(c.body)),
		ContentLength: c.length, Request: r, ProtoMajor: 1, ProtoMinor: 1}, nil
}

// FuzzAnswer answers a download with anything. The place fails the test on a
// wrong write; the download must end, and succeed only with the image.
func FuzzAnswer(f *testing.F) {
	data := image(3000, 1)
	file := describe("fw", data, 1024)
	f.Add(206, "Content-Range: bytes 0-2999/3000", data, int64(3000), uint8(0))
	f.Add(200, "ETag: \"x\"", data, int64(-1), uint8(1))
	f.Add(206, "Content-Range: bytes 1024-2999/3000\nContent-Encoding: gzip", data[1024:], int64(5), uint8(1))
	f.Add(302, "Location: /x", []byte{}, int64(0), uint8(0))
	f.Add(416, "Content-Range: bytes */3", []byte("sorry"), int64(5), uint8(2))
	f.Fuzz(func(t *testing.T, status int, headers string, body []byte, length int64, held uint8) {
		answer := &canned{status: status, header: http.Header{}, body: body, length: length}
		for line := range strings.SplitSeq(headers, "\n") {
			name, value, _ := strings.Cut(line, ":")
			answer.header.Add(name, strings.TrimSpace(value))
		}
		for _, url := range []string{"http://host/x", "s3://firmware/x"} {
			config := quick()
			config.StallTimeout = time.Minute
			config.Transport, config.Storage = answer,
				&download.Storage{Endpoint: "http://oss.test", AccessKey: "a", SecretKey: "b"}
			fetcher, err := download.New(config)
			if err != nil {
				t.Fatal(err)
			}
			place := newPlace(t, file)
			place.put(data[:min(int(held)*1024, len(data))], 0)
			result := fetcher.Fetch(t.Context(), jobOf(file, place, url))
			switch {
			case result.Failure == nil && result.Need == "":
				place.holds(data)
			case result.Failure != nil && (!result.Failure.Code.Known() || result.Failure.Code == ota.Internal):
				t.Errorf("failed with %v", result.Failure)
			}
		}
	})
}
