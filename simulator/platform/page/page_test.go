package page_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/bundle"
	"otafleet/internal/ota"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/platform/page"
)

// site is a platform with its pages, and a browser without a script.
type site struct {
	t        testing.TB
	platform *platform.Service
	url      string
	client   *http.Client
}

func open(t testing.TB, token string) *site {
	t.Helper()
	p, err := platform.New(platform.Config{})
	require.NoError(t, err)
	pages, err := page.Listen(page.Config{Address: "127.0.0.1:0", Token: token})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { assert.NoError(t, p.Run(ctx)) })
	serving.Go(func() { assert.NoError(t, pages.Run(ctx, p)) })
	t.Cleanup(func() { cancel(); serving.Wait() })
	return &site{t, p, pages.URL(), &http.Client{}}
}

func (s *site) read(answer *http.Response, err error) (int, string) {
	s.t.Helper()
	require.NoError(s.t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(s.t, err)
	return answer.StatusCode, string(text)
}

func (s *site) get(path string) (int, string) { return s.read(s.client.Get(s.url + path)) }

func (s *site) post(path string, fields ...string) (int, string) {
	values := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		values.Add(fields[i], fields[i+1])
	}
	return s.read(s.client.PostForm(s.url+path, values))
}

// upload gives a package of component A to version 2 to the form.
func (s *site) upload(name string) (int, string) {
	s.t.Helper()
	dir := s.t.TempDir()
	image, path := filepath.Join(dir, "A.bin"), filepath.Join(dir, "A.ota")
	require.NoError(s.t, os.WriteFile(image, []byte("a new system"), 0o600))
	_, key, err := ed25519.GenerateKey(nil)
	require.NoError(s.t, err)
	_, err = bundle.Create(path, bundle.Release{
		Manifest: ota.Manifest{
			Product: "gw", Component: "A", Type: ota.Module, Package: ota.Full, Target: "2", Release: 1,
		}, Files: []string{image}, Keys: []ed25519.PrivateKey{key}})
	require.NoError(s.t, err)
	content, err := os.ReadFile(path)
	require.NoError(s.t, err)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	require.NoError(s.t, form.WriteField("name", name))
	part, err := form.CreateFormFile("file", "A.ota")
	require.NoError(s.t, err)
	_, _ = part.Write(content)
	require.NoError(s.t, form.Close())
	return s.read(s.client.Post(s.url+"/packages", form.FormDataContentType(), &body))
}

func (s *site) packageID() (id string) {
	s.platform.View(func(e *engine.Engine) { id = e.Packages()[0].ID })
	return id
}

func (s *site) says(key string, message ota.Up) {
	s.platform.Hear(ota.Identity{Product: "gw", Device: key}, message)
}

// fields are what the form of a plan sends at least.
func fields(name, pkg string, more ...string) []string {
	return append([]string{"name", name, "product", "gw", "time_zone", "Europe/Berlin", "mode", "silent", "push", "true",
		"start", time.Now().Add(-24 * time.Hour).Format("2006-01-02T15:04"), "end",
		time.Now().Add(48 * time.Hour).Format("2006-01-02T15:04"), "retries", "0",
		"package", pkg, "sources", "1; 0", "upgrade", "yes"}, more...)
}

// TestWithoutScript goes through every page and every form as a browser that runs
// no script does.
func TestWithoutScript(t *testing.T) {
	s := open(t, "")
	_, text := s.get("/")
	assert.Contains(t, text, "There is no plan yet")
	status, text := s.upload("Spring <system>")
	require.Equal(t, 200, status, text)
	assert.Contains(t, text, "Spring &lt;system&gt;")
	status, text = s.upload("Another")
	assert.Equal(t, 422, status)
	assert.Contains(t, text, "is already the package of A for 2")
	pkg := s.packageID()

	status, text = s.post("/new-plan", fields("", pkg, "min_battery", "lots", "push_from", "3", "push_to", "3")...)
	assert.Equal(t, 422, status)
	for _, part := range []string{"name: 0 characters, must be 1 to 100", "min battery: must be 0 to 100",
		"push hours 3 to 3", `value="Europe/Berlin"`, `aria-invalid="true"`} {
		assert.Contains(t, text, part)
	}
	status, text = s.post("/new-plan", fields("Spring", pkg)...)
	require.Equal(t, 200, status, text)
	assert.Contains(t, text, "Inactivated")
	_, text = s.get("/plans/spring/edit")
	assert.Contains(t, text, `value="1; 0"`)
	_, text = s.post("/plans/spring/edit", fields("Spring 2", pkg, "black", "gw-8\ngw-9")...)
	assert.Contains(t, text, "gw-8, gw-9")
	_, text = s.get("/new-plan?components=spring")
	assert.Contains(t, text, `value="`+pkg+`" selected`)
	form := fields("Other", pkg)
	form[3] = "other"
	status, text = s.post("/new-plan", form...)
	assert.Equal(t, 422, status)
	assert.Contains(t, text, "is for product gw, the plan for other")
	_, text = s.post("/plans/spring/order", "order", "activate")
	assert.Contains(t, text, "Upgrade monitoring")
	s.fails("gw-1")
	s.says("gw-2", &ota.Inventory{Components: []ota.ComponentVersion{{ID: "A", Type: ota.Module, Version: "2"}}})

	_, text = s.get("/plans/spring/monitoring?status=upgrade_failed")
	assert.Contains(t, text, `data-device="gw-1"`)
	assert.NotContains(t, text, `data-device="gw-2"`)
	_, text = s.get("/plans/spring/devices/gw-1")
	assert.Contains(t, text, "boot_failed")
	assert.Contains(t, text, "The device is online and starts at once.")
	_, text = s.post("/plans/spring/retry", "chosen", "yes")
	assert.Contains(t, text, "No device was chosen.")
	_, text = s.post("/plans/spring/retry", "device", "gw-1", "device", "gw-2", "chosen", "yes")
	assert.Contains(t, text, "1 device tried again")
	assert.Contains(t, text, "1 left out")
	for _, order := range []string{"suspend", "resume", "terminate"} {
		status, _ = s.post("/plans/spring/order", "order", order)
		assert.Equal(t, 200, status, order)
	}
	status, _ = s.post("/plans/spring/order", "order", "activate")
	assert.Equal(t, 409, status)
	for _, path := range []string{"/plans/x", "/plans/x/monitoring", "/plans/spring/devices/x", "/packages/x", "/x",
		"/plans/x/edit"} {
		status, _ = s.get(path)
		assert.Equal(t, 404, status, path)
	}
	status, _ = s.post("/packages/"+pkg, "order", "verify", "device", "gw-7")
	assert.Equal(t, 404, status)
}

// fails lets a device fail the plan spring.
func (s *site) fails(key string) {
	s.says(key,
		&ota.Inventory{Request: true, Components: []ota.ComponentVersion{{ID: "A", Type: ota.Module, Version: "1"}}})
	s.says(key, &ota.Decision{Plan: "spring", Attempt: 1, Accept: true})
	for i, status := range []ota.Status{ota.PlanReceived, ota.UpgradeConfirmed, ota.ReadyToDownload, ota.Downloading,
		ota.DownloadSucceeded, ota.Upgrading, ota.UpgradeFailed} {
		r := &ota.Report{
			Time: time.Now(), Plan: "spring", Attempt: 1, Seq: i + 1, Component: "A", Status: status, Version: "1",
		}
		if status == ota.UpgradeSucceeded {
			r.Version = "2"
		}
		if status.Failed() {
			r.Failure = &ota.Failure{Code: ota.BootFailed}
		}
		s.says(key, r)
	}
}

func TestManualPlan(t *testing.T) {
	s := open(t, "")
	s.upload("x")
	form := fields("By hand", s.packageID(), "language", "en", "text", "Better.")
	form[7] = "manual"
	_, text := s.post("/new-plan", form...)
	require.Contains(t, text, "Better.")
	s.post("/plans/by-hand/order", "order", "activate")
	s.says("gw-1", &ota.Inventory{Components: []ota.ComponentVersion{{ID: "A", Type: ota.Module, Version: "1"}}})
	at := func(d time.Duration) string { return time.Now().UTC().Add(d).Format("2006-01-02T15:04") }
	for _, c := range []struct {
		form []string
		want string
	}{
		{[]string{"operation", "appoint", "start", at(time.Hour), "end", at(3 * time.Hour)}, "Appointed from"},
		{[]string{"operation", "confirm"}, "The user has confirmed."},
		{[]string{"operation", "cancel"}, "The user has cancelled."},
	} {
		_, text := s.post("/plans/by-hand/devices/gw-1/answer", c.form...)
		assert.Contains(t, text, c.want)
	}
	_, text = s.post("/plans/by-hand/devices/gw-1/confirming", "on", "true")
	assert.Contains(t, text, "Automatic confirmation is on")
}

func TestSignIn(t *testing.T) {
	const token = "correct horse battery"
	s := open(t, token)
	status, text := s.get("/plans")
	assert.Equal(t, 200, status)
	assert.Contains(t, text, "Sign in")
	status, _ = s.get("/api/v1/plans")
	assert.Equal(t, 401, status)
	status, _ = s.post("/new-plan")
	assert.Equal(t, 401, status)

	jar := &oneCookie{}
	s.client.Jar = jar
	_, text = s.post("/login", "token", token, "next", "https://evil.example/")
	assert.Contains(t, text, "Upgrade plans", "back into these pages and nowhere else")
	require.NotNil(t, jar.cookie)
	assert.True(t, jar.cookie.HttpOnly)
	assert.Equal(t, http.SameSiteStrictMode, jar.cookie.SameSite)
	assert.NotContains(t, jar.cookie.Value, token)
	status, _ = s.get("/api/v1/plans")
	assert.Equal(t, 200, status)
	_, text = s.post("/logout")
	assert.Contains(t, text, "Sign in")
	status, _ = s.get("/api/v1/plans")
	assert.Equal(t, 401, status)
	status, text = s.post("/login", "token", "guess")
	assert.Equal(t, 401, status)
	assert.Contains(t, text, "That is not the token")
	status, text = s.post("/login", "token", token)
	assert.Equal(t, 429, status)
	assert.Contains(t, text, "try again in a second")
}

// oneCookie is a jar.
type oneCookie struct{ cookie *http.Cookie }

func (j *oneCookie) SetCookies(_ *url.URL, cookies []*http.Cookie) {
	if j.cookie = cookies[0]; j.cookie.MaxAge < 0 {
		j.cookie = nil
	}
}
func (j *oneCookie) Cookies(*url.URL) []*http.Cookie {
	if j.cookie == nil {
		return nil
	}
	return []*http.Cookie{{Name: j.cookie.Name, Value: j.cookie.Value}}
}

func TestHeadersKeepThePageToItself(t *testing.T) {
	s := open(t, "")
	answer, err := s.client.Get(s.url + "/plans")
	require.NoError(t, err)
	answer.Body.Close()
	assert.Contains(t, answer.Header.Get("Content-Security-Policy"), "default-src 'none'")
	assert.NotContains(t, answer.Header.Get("Content-Security-Policy"), "unsafe")
	for _, name := range []string{"page.css", "page.js", "icon.svg"} {
		status, _ := s.get("/assets/" + name)
		assert.Equal(t, 200, status, name)
	}
	for _, name := range []string{"layout.html", "..%2fdoc.go", "x"} {
		status, _ := s.get("/assets/" + name)
		assert.Equal(t, 404, status, name)
	}
	r, err := http.NewRequest("POST", s.url+"/plans/x/order", strings.NewReader("order=delete"))
	require.NoError(t, err)
	r.Header.Set("Origin", "https://evil.example")
	status, _ := s.read(s.client.Do(r))
	assert.Equal(t, 403, status)
}

func TestListenRefuses(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", "nonsense", ""} {
		_, err := page.Listen(page.Config{Address: address})
		assert.ErrorContains(t, err, "cannot serve the pages", address)
	}
}

// BenchmarkMonitoring draws the monitoring page of a plan of 100,000 devices.
func BenchmarkMonitoring(b *testing.B) {
	const devices = 100_000
	s := open(b, "")
	s.upload("x")
	s.post("/new-plan", fields("Spring", s.packageID())...)
	s.post("/plans/spring/order", "order", "activate")
	for i := range devices {
		key := fmt.Sprintf("gateways-%06d", i)
		if i%100 == 0 {
			s.fails(key)
		} else {
			s.says(key, &ota.Inventory{Components: []ota.ComponentVersion{{ID: "A", Type: ota.Module, Version: "1"}}})
		}
	}
	for _, c := range []struct{ name, path string }{
		{"first", "/plans/spring/monitoring"},
		{"failed", "/plans/spring/monitoring?status=upgrade_failed"},
		{"online", "/plans/spring/monitoring?online=true"},
		{"key", "/plans/spring/monitoring?key=gateways-0999"},
		{"last", "/plans/spring/monitoring?offset=99950"},
		{"api", "/api/v1/plans/spring/devices"},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if status, text := s.get(c.path); status != http.StatusOK {
					b.Fatal(text)
				}
			}
		})
	}
}

// BenchmarkFollow is what one fact costs a platform whose events are followed; the
// events.
func BenchmarkFollow(b *testing.B) {
	for _, followers := range []int{0, 1} {
		b.Run(fmt.Sprint(followers), func(b *testing.B) {
			s := open(b, "")
			s.upload("x")
			s.post("/new-plan", fields("Spring", s.packageID())...)
			s.post("/plans/spring/order", "order", "activate")
			if followers > 0 {
				answer, err := s.client.Get(s.url + "/api/v1/events?kind=plan&plan=spring")
				require.NoError(b, err)
				defer answer.Body.Close()
				go io.Copy(io.Discard, answer.Body)
			}
			n := 0
			for b.Loop() {
				s.fails(fmt.Sprintf("d-%08d", n))
				n++
			}
		})
	}
}
