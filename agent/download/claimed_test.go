package download_test

import (
	"bytes"
	"context"
	"crypto/md5"  //nolint:gosec // as platforms do
	"crypto/sha1" //nolint:gosec // as platforms do
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/firmware"
	"otafleet/internal/ota"
)

// claim is the description of data by a platform's word.
func claim(data []byte, kind ota.ChecksumKind) ota.File {
	c := ota.Claim{Target: "2", Name: "fw", Size: int64(len(data)), Sum: ota.Checksum{Kind: kind}}
	strong, first, second := sha256.Sum256(data), sha1.Sum(data), md5.Sum(data) //nolint:gosec // as platforms do
	switch kind {
	case ota.SHA256:
		c.Sum.Hex = hex.EncodeToString(strong[:])
	case ota.SHA1:
		c.Sum.Hex = hex.EncodeToString(first[:])
	case ota.MD5:
		c.Sum.Hex = hex.EncodeToString(second[:])
	}
	return c.File()
}

// memory is a place, and a mark, of which a power cut leaves what was synced.
type memory struct {
	mu              sync.Mutex
	content, synced []byte
	mark            []byte
	before          func() // each change; nil for nothing
}

func (m *memory) change() {
	if m.before != nil {
		m.before()
	}
}

func (m *memory) ReadAt(b []byte, offset int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return bytes.NewReader(m.content).ReadAt(b, offset)
}

func (m *memory) WriteAt(b []byte, offset int64) (int, error) {
	m.change()
	m.mu.Lock()
	defer m.mu.Unlock()
	if missing := int(offset) + len(b) - len(m.content); missing > 0 {
		m.content = append(m.content, make([]byte, missing)...)
	}
	return copy(m.content[offset:], b), nil
}

func (m *memory) Sync() error {
	m.change()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.synced = bytes.Clone(m.content)
	return nil
}

func (m *memory) Close() error { return nil }

func (m *memory) Keep(content []byte) error {
	m.change()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mark = bytes.Clone(content)
	return nil
}

func (m *memory) Kept() []byte { return m.mark }

func claimedJob(file ota.File, m *memory, urls ...string) agent.FetchJob {
	return agent.FetchJob{ID: "job", Mark: m, Files: []ota.File{file}, Places: []firmware.Target{m},
		Addresses: []ota.FileAddress{{Name: file.Name, URLs: urls}}}
}

func TestClaimedFileIsTakenAsItComes(t *testing.T) {
	t.Parallel()
	data := image(3_000_000, 1)
	for _, kind := range []ota.ChecksumKind{ota.SHA256, ota.SHA1, ota.MD5} {
		s, m := newServer(t, data), &memory{}
		result := newFetcher(t, quick()).Fetch(t.Context(), claimedJob(claim(data, kind), m, s.URL))
		succeeded(t, result)
		assert.Equal(t, data, m.synced)
		assert.Equal(t, 1, s.count())
		want := ota.Digest{}
		if kind.Weak() {
			want = sha256.Sum256(data)
		}
		assert.Equal(t, want, result.Found)
	}
}

// What broke off goes on where it did, if the object is still the same one.
func TestClaimedFileIsResumed(t *testing.T) {
	t.Parallel()
	data, half := image(3_000_000, 1), 1_500_000
	for _, header := range []struct{ name, value string }{
		{"ETag", `"one"`}, {"Last-Modified", "Mon, 23 Nov 2026 10:00:00 GMT"},
	} {
		var asked []string
		store := func(w http.ResponseWriter, r *http.Request, data []byte) {
			asked = append(asked, r.Header.Get("Range")+" "+r.Header.Get("If-Range"))
			w.Header().Set(header.name, header.value)
			if len(asked) == 1 {
				w.Header().Set("Content-Length", strconv.Itoa(len(data)))
				_, _ = w.Write(data[:half])
				return
			}
			when, _ := http.ParseTime(w.Header().Get("Last-Modified"))
			http.ServeContent(w, r, "", when, bytes.NewReader(data))
		}
		m := &memory{}
		s := newLiar(t, data, 100, store)
		job := claimedJob(claim(data, ota.SHA256), m, s.URL)
		job.Setbacks.Renewed = true
		succeeded(t, newFetcher(t, quick()).Fetch(t.Context(), job))
		assert.Equal(t, data, m.synced)
		require.Len(t, asked, 2)
		assert.Equal(t, "bytes=0-2999999 ", asked[0])
		assert.Regexp(t, `^bytes=1[0-9]{6}-2999999 `+regexpQuote(header.value)+`$`, asked[1])
	}
}

func regexpQuote(text string) string {
	return string(bytes.ReplaceAll([]byte(text), []byte(`"`), []byte(`\"`)))
}

// After a restart what is in place counts only for the same object, and the same job.
func TestClaimedFileGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	data := image(3_000_000, 1)
	for _, k := range []struct {
		name, etag, id, asked string
	}{
		{"the same object", `"one"`, "job", "bytes=1048576-2999999"},
		{"another object by its tag", `"two"`, "job", "bytes=1048576-2999999"},
		{"another job", `"one"`, "other", "bytes=0-2999999"},
	} {
		m := &memory{}
		ctx, power := context.WithCancel(t.Context())
		config := quick()
		cutting := &meter{next: http.DefaultTransport, left: 1_300_000}
		cutting.cut = func() error { power(); return context.Canceled }
		config.Transport = cutting
		m.before = func() {
			if ctx.Err() != nil {
				panic("changed after the power was cut")
			}
		}
		func() {
			defer func() { _ = recover() }()
			newFetcher(t, config).Fetch(ctx, claimedJob(claim(data, ota.MD5), m, newServer(t, data).URL))
		}()
		m.before, m.content = nil, bytes.Clone(m.synced)
		require.Len(t, m.synced, 1<<20)

		s := newLiar(t, data, 100, func(w http.ResponseWriter, r *http.Request, data []byte) {
			w.Header().Set("ETag", k.etag)
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
		})
		job := claimedJob(claim(data, ota.MD5), m, s.URL)
		job.ID = k.id
		succeeded(t, newFetcher(t, quick()).Fetch(t.Context(), job))
		assert.Equal(t, data, m.synced, k.name)
		assert.Equal(t, []string{k.asked}, s.ranges(), k.name)
	}
}

func TestClaimedFileStartsOverOnce(t *testing.T) {
	t.Parallel()
	data := image(200_000, 1)
	wrong := image(200_000, 2)
	serve := func(content []byte) func(http.ResponseWriter, *http.Request, []byte) {
		return func(w http.ResponseWriter, r *http.Request, _ []byte) { honest(w, r, content) }
	}

	once, m := newLiar(t, data, 1, serve(wrong)), &memory{}
	succeeded(t, newFetcher(t, quick()).Fetch(t.Context(), claimedJob(claim(data, ota.SHA1), m, once.URL)))
	assert.Equal(t, data, m.synced)
	assert.Equal(t, 2, once.count())

	always, m := newLiar(t, data, 100, serve(wrong)), &memory{}
	failedWith(t, newFetcher(t, quick()).Fetch(t.Context(), claimedJob(claim(data, ota.SHA1), m, always.URL)),
		ota.DigestMismatch)
	assert.Equal(t, 2, always.count())

	// That it is the second try survives a restart.
	m.mark = []byte(`{"job":"job","again":true}`)
	failedWith(t, newFetcher(t, quick()).Fetch(t.Context(), claimedJob(claim(data, ota.SHA1), m, always.URL)),
		ota.DigestMismatch)
	assert.Equal(t, 3, always.count())
}

// The second try takes the file in one piece, from another address if there is one.
func TestClaimedFileAsksElsewhere(t *testing.T) {
	t.Parallel()
	data := image(200_000, 1)
	bad, good, m := newServer(t, image(200_000, 2)), newServer(t, data), &memory{}
	succeeded(t, newFetcher(t, quick()).Fetch(t.Context(), claimedJob(claim(data, ota.SHA256), m, bad.URL, good.URL)))
	assert.Equal(t, data, m.synced)
	assert.Equal(t, []string{"bytes=0-199999"}, good.ranges())
}

// What is whole and not verified yet needs no server, and is not believed.
func TestClaimedFileIsReadBackAfterARestart(t *testing.T) {
	t.Parallel()
	data := image(200_000, 1)
	kept := []byte(`{"job":"job","validator":"\"one\"","have":200000}`)
	m := &memory{content: bytes.Clone(data), mark: kept}
	succeeded(t, newFetcher(t, quick()).Fetch(t.Context(), claimedJob(claim(data, ota.SHA256), m)))

	damaged := bytes.Clone(data)
	damaged[7] ^= 1
	for _, content := range [][]byte{damaged, data[:1000], nil} {
		m, s := &memory{content: bytes.Clone(content), mark: kept}, newServer(t, data)
		succeeded(t, newFetcher(t, quick()).Fetch(t.Context(), claimedJob(claim(data, ota.SHA256), m, s.URL)))
		assert.Equal(t, data, m.synced)
		assert.Equal(t, []string{"bytes=0-199999"}, s.ranges())
	}
	for _, mark := range []string{"", "{", `{"job":"job","have":-1,"validator":"x"}`,
		`{"job":"job","have":300000,"validator":"x"}`,
		`{"job":"job","have":100000}`} {
		m, s := &memory{content: bytes.Clone(data), mark: []byte(mark)}, newServer(t, data)
		succeeded(t, newFetcher(t, quick()).Fetch(t.Context(), claimedJob(claim(data, ota.SHA256), m, s.URL)))
		assert.Equal(t, []string{"bytes=0-199999"}, s.ranges(), mark)
	}
}

// Answers that are not what was asked for cost an attempt each.
func TestClaimedFileJudgesAnswers(t *testing.T) {
	t.Parallel()
	data := image(100_000, 1)
	for name, k := range map[string]struct {
		code   ota.Code
		answer func(w http.ResponseWriter, r *http.Request)
	}{
		"longer":  {ota.SizeMismatch, func(w http.ResponseWriter, r *http.Request) { honest(w, r, append(data, 1)) }},
		"shorter": {ota.SizeMismatch, func(w http.ResponseWriter, r *http.Request) { honest(w, r, data[1:]) }},
		"another range": {ota.HTTPError, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", contentRange(5, 99_999, 100_000))
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(data[5:])
		}},
		"no range": {ota.HTTPError, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(data)
		}},
		"not satisfiable": {ota.SizeMismatch, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(416) }},
		"a page":          {ota.HTTPError, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(302) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &memory{}
			s := newLiar(t, data, 1000, func(w http.ResponseWriter, r *http.Request, _ []byte) { k.answer(w, r) })
			job := claimedJob(claim(data, ota.SHA256), m, s.URL)
			job.Setbacks.Renewed = true
			failedWith(t, newFetcher(t, quick()).Fetch(t.Context(), job), k.code)
			assert.LessOrEqual(t, s.count(), 12)
		})
	}
}

func TestClaimedFileNamesWhatIsWrongWithItsPlace(t *testing.T) {
	t.Parallel()
	data := image(100_000, 1)
	broken := &brokenPlace{}
	job := claimedJob(claim(data, ota.SHA256), &memory{}, newServer(t, data).URL)
	job.Places = []firmware.Target{broken}
	failedWith(t, newFetcher(t, quick()).Fetch(t.Context(), job), ota.WriteFailed)

	job.Files = append(job.Files, describe("other", data, 4096))
	failedWith(t, newFetcher(t, quick()).Fetch(t.Context(), job), ota.ManifestMismatch)
	job.Files = []ota.File{claim(data, ota.SHA256)}
	job.Files[0].Size = ota.MaxFileSize + 1
	failedWith(t, newFetcher(t, quick()).Fetch(t.Context(), job), ota.ManifestMismatch)
}

type brokenPlace struct{ memory }

func (b *brokenPlace) WriteAt([]byte, int64) (int, error) { return 0, errors.New("worn out") }
