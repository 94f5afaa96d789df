package bucket

import (
	"context"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/history/bucket/buckettest"
)

// place is one in a store of the test, in which what failed is tried again twice, at once.
func place(t testing.TB, s *buckettest.Server, address string) *Place {
	t.Helper()
	p, err := Open(address, s.Getenv)
	require.NoError(t, err)
	p.store.pauses = func(effort) []time.Duration { return []time.Duration{0, 0} }
	return p
}

func content(t testing.TB, p *Place, name string) string {
	t.Helper()
	file, err := p.Open(t.Context(), name)
	require.NoError(t, err)
	defer file.Close()
	text, err := io.ReadAll(file)
	require.NoError(t, err)
	return string(text)
}

// TestPlace: files and places are found where they were put, and nothing else.
func TestPlace(t *testing.T) {
	t.Parallel()
	s := buckettest.New(t)
	run := place(t, s, "s3://runs/my run/é/")
	assert.Equal(t, "s3://runs/my run/é", run.String())
	assert.Equal(t, "s3://runs/my run/é/part-1", run.Below("part-1").String())
	names, err := run.Names(t.Context())
	require.NoError(t, err)
	assert.Empty(t, names)
	_, err = run.Open(t.Context(), "run.json")
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "s3://runs/my run/é/run.json")

	require.NoError(t, run.Write(t.Context(), "run.json", []byte("{}")))
	require.NoError(t, run.Below("part-2").Write(t.Context(), "begun.json", []byte("{}")))
	s.Put("my run/é/", nil)         // some tools make such an object
	s.Put("my run/é/part-2/", nil)  // or such
	s.Put("my run/é/../x", nil)     // no name of a place
	s.Put("my run/éother/x", nil)   // of another one
	s.Put("my run/é//double", nil)  // nor this
	s.Put("my run/é/a&<b>.\"", nil) // of the user
	names, err = run.Names(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{`a&<b>."`, "part-2/", "run.json"}, names)
	assert.Equal(t, "{}", content(t, run, "run.json"))

	whole := place(t, s, "s3://runs")
	names, err = whole.Names(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"my run/"}, names)
	assert.Equal(t, "{}", content(t, whole.below("my run/é"), "run.json"))
	assert.Equal(t, "s3://runs", whole.String())
}

// TestWrittenOnce: of two processes one gets the place, and an answer that was lost costs
// nothing.
func TestWrittenOnce(t *testing.T) {
	t.Parallel()
	s := buckettest.New(t)
	run := place(t, s, "s3://runs/run")
	require.NoError(t, run.Write(t.Context(), "begun.json", []byte("first")))
	require.NoError(t, run.Write(t.Context(), "begun.json", []byte("first")), "it is the same")
	for _, other := range []string{"second", "first and more", "fir", ""} {
		require.ErrorIs(t, run.Write(t.Context(), "begun.json", []byte(other)), fs.ErrExist)
	}
	assert.Equal(t, "first", content(t, run, "begun.json"))

	lost := false
	s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || lost {
			return false
		}
		lost = true
		go s.Put("run/run.json", []byte("mine")) // behind this request
		time.Sleep(50 * time.Millisecond)
		buckettest.Refuse(w, http.StatusServiceUnavailable, "SlowDown")
		return true
	})
	require.Eventually(t, func() bool { return run.Write(t.Context(), "run.json", []byte("mine")) == nil },
		10*time.Second, time.Millisecond)
	assert.Equal(t, "mine", content(t, run, "run.json"))

	s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
		refuse := r.Header.Get("If-None-Match") != ""
		if refuse {
			buckettest.Refuse(w, http.StatusNotImplemented, "NotImplemented")
		}
		return refuse
	})
	require.NoError(t, run.Write(t.Context(), "scenario.yaml", []byte("text")), "a store without conditions")
	assert.Equal(t, "text", content(t, run, "scenario.yaml"))
}

// TestRefusals say what is wrong, where, and what to do, and are not tried again.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for code, tt := range map[string]struct {
		status int
		want   string
	}{
		"AccessDenied":                 {http.StatusForbidden, "the credentials need s3:"},
		"NoSuchBucket":                 {http.StatusNotFound, "has no bucket runs: make it, or check AWS_ENDPOINT_URL"},
		"InvalidAccessKeyId":           {http.StatusForbidden, "check AWS_ACCESS_KEY_ID"},
		"SignatureDoesNotMatch":        {http.StatusForbidden, "check AWS_ACCESS_KEY_ID"},
		"ExpiredToken":                 {http.StatusBadRequest, "AWS_SESSION_TOKEN"},
		"RequestTimeTooSkewed":         {http.StatusForbidden, "the clocks of this machine and of http://"},
		"PermanentRedirect":            {http.StatusMovedPermanently, "is in another region: set AWS_REGION=eu-1"},
		"AuthorizationHeaderMalformed": {http.StatusBadRequest, "set AWS_REGION=eu-1"},
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			s := buckettest.New(t)
			asked := 0
			s.Fail(func(w http.ResponseWriter, _ *http.Request) bool {
				asked++
				w.Header().Set("X-Amz-Bucket-Region", "eu-1")
				buckettest.Refuse(w, tt.status, code)
				return true
			})
			for name, err := range failures(t, place(t, s, "s3://runs/run")) {
				var refused *Refusal
				require.ErrorAs(t, err, &refused, name)
				require.ErrorContains(t, err, tt.want, name)
				require.ErrorContains(t, err, "s3://runs/run", name)
				assert.NotContains(t, err.Error(), "secret")
			}
			s.Fail(nil) // what it counted is seen from here on
			assert.Equal(t, 4, asked)
		})
	}
}

// failures does everything with a place, and gives what came of each.
func failures(t *testing.T, p *Place) map[string]error {
	t.Helper()
	_, list := p.Names(t.Context())
	_, open := p.Open(t.Context(), "run.json")
	w, err := p.Create(t.Context(), "events.jsonl.zst")
	require.NoError(t, err)
	write := p.Write(t.Context(), "run.json", nil)
	return map[string]error{"list": list, "open": open, "write": write, "create": w.Close()}
}

// TestTrouble that passes is waited for, and other trouble not for ever.
func TestTrouble(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]http.HandlerFunc{
		"busy": func(w http.ResponseWriter, _ *http.Request) {
			buckettest.Refuse(w, http.StatusServiceUnavailable, "SlowDown")
		},
		"broken": func(w http.ResponseWriter, _ *http.Request) { buckettest.Refuse(w, 500, "InternalError") },
		"a proxy": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "<html>bad gateway", http.StatusBadGateway)
		},
		"vanished": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := buckettest.New(t)
			p := place(t, s, "s3://runs/run")
			passes := map[string]int{}
			s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
				key := r.Method + r.URL.Path
				if passes[key]++; passes[key]%3 == 0 {
					return false
				}
				fail(w, r)
				return true
			})
			s.Put("run/run.json", nil)
			for name, err := range failures(t, p) {
				require.NoError(t, err, name)
			}
			s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
				fail(w, r)
				return true
			})
			for name, err := range failures(t, p) {
				require.ErrorIs(t, err, ErrUnavailable, name)
				require.ErrorContains(t, err, "s3://runs/run", name)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, err := p.Names(ctx)
			require.ErrorIs(t, err, context.Canceled)
		})
	}
}

// TestWrongServers answer with something else: that is said, and takes no memory.
func TestWrongServers(t *testing.T) {
	t.Parallel()
	endless := strings.Repeat("<Contents><Key>run/a</Key></Contents>", 1000)
	for name, tt := range map[string]struct {
		answer func(w http.ResponseWriter, n int)
		want   string
	}{
		"a page": {func(w http.ResponseWriter, _ int) { _, _ = io.WriteString(w, "<!doctype html><p>Hello") },
			"does not answer as a store that speaks S3: check AWS_ENDPOINT_URL"},
		"a long answer": {func(w http.ResponseWriter, _ int) {
			_, _ = io.WriteString(w, "<ListBucketResult><Prefix>"+strings.Repeat("a", maxAnswer))
		}, "its answer is longer than"},
		"pages without an end": {func(w http.ResponseWriter, _ int) {
			_, _ = io.WriteString(w, "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>n"+
				"</NextContinuationToken>"+endless+"</ListBucketResult>")
		}, "more than 100000 names"},
		"a page that does not follow": {func(w http.ResponseWriter, _ int) {
			_, _ = io.WriteString(w, "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>")
		}, "should have continuation token"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := buckettest.New(t)
			asked := 0
			s.Fail(func(w http.ResponseWriter, _ *http.Request) bool {
				asked++
				tt.answer(w, asked)
				return true
			})
			_, err := place(t, s, "s3://runs/run").Names(t.Context())
			require.ErrorContains(t, err, tt.want)
			require.ErrorContains(t, err, "s3://runs/run")
		})
	}
	s := buckettest.New(t)
	secure, err := Open("s3://runs/run", func(name string) string {
		return strings.Replace(s.Getenv(name), "http:", "https:", 1)
	})
	require.NoError(t, err)
	_, err = secure.Names(t.Context())
	require.ErrorContains(t, err, "check AWS_ENDPOINT_URL")
}

// TestEnvironment: what is set up wrongly is said before anything is asked.
func TestEnvironment(t *testing.T) {
	t.Setenv("HOME", t.TempDir()) // without credentials
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "")
	t.Setenv("AWS_CONFIG_FILE", "")
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(bundle, []byte("no certificate"), 0o600))
	keys := map[string]string{"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "very secret"}
	for want, change := range map[string]map[string]string{
		"":                              {"AWS_REGION": "eu-1"},
		"AWS_ENDPOINT_URL: want https":  {"AWS_ENDPOINT_URL": "store:9000"},
		"AWS_ENDPOINT_URL: want https:": {"AWS_ENDPOINT_URL_S3": "https://store/path", "AWS_ENDPOINT_URL": "http://store"},
		"AWS_ENDPOINT_URL: want":        {"AWS_ENDPOINT_URL": "https://id:very secret@store"},
		"one of them is not set":        {"AWS_SECRET_ACCESS_KEY": ""},
		"there are no credentials for the store: set AWS_ACCESS_KEY_ID": {"AWS_ACCESS_KEY_ID": "",
			"AWS_SECRET_ACCESS_KEY": ""},
		"has no certificate":         {"AWS_CA_BUNDLE": bundle},
		"AWS_CA_BUNDLE: open absent": {"AWS_CA_BUNDLE": "absent"},
	} {
		_, err := Open("s3://runs/run", func(name string) string {
			if value, changed := change[name]; changed {
				return value
			}
			return keys[name]
		})
		if want == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "very secret")
	}
}

// FuzzAddress: an address is refused, or that of a place with valid names, which it says
// again.
func FuzzAddress(f *testing.F) {
	for _, address := range []string{"s3://runs/my/run/", "s3://runs", "s3://a@b/c", "s3://runs/a//b", "s3://runs//",
		"s3:runs", ""} {
		f.Add(address)
	}
	f.Fuzz(func(t *testing.T, address string) {
		bucket, prefix, err := parse(address)
		if err != nil {
			return
		}
		again := (&Place{bucket: bucket, prefix: prefix}).String()
		assert.Equal(t, strings.TrimSuffix(address, "/"), again)
		assert.True(t, prefix == "" || fs.ValidPath(prefix))
		assert.NotContains(t, bucket, "@")
	})
}
