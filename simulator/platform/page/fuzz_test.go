package page_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// FuzzPages sends anything to the pages and their forms: none is the platform's
// own failure, and what is refused is a page too.
func FuzzPages(f *testing.F) {
	s := open(f, "")
	s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s.upload("x")
	pkg := s.packageID()
	s.post("/new-plan", fields("Spring", pkg)...)
	s.post("/plans/spring/order", "order", "activate")
	s.fails("gw-1")
	for _, path := range []string{"/", "/plans", "/packages/" + pkg,
		"/plans/spring/monitoring?limit=1&offset=9&status=upgraded&key=g&retried=1&refused=x", "/plans/spring/devices/gw-1",
		"/new-plan?components=spring", "/devices?limit=1&offset=1&sort=-last&search=%ff&online=true", "/plans/..%2f/edit",
		"/login?next=//x", "/assets/..%2f..%2fdoc.go", "/plans/%00/monitoring", "/api/v1/plans/%ff"} {
		f.Add("GET", path, "", "")
	}
	for path, form := range map[string]string{
		"/new-plan":          "name=Q&product=gw&package=" + pkg + "&sources=1;0&start=x&retries=1e9&push_from=-1",
		"/plans/spring/edit": "name=%ff", "/plans/spring/order": "order=suspend",
		"/plans/spring/retry":                   "device=gw-1&chosen=yes",
		"/plans/spring/devices/gw-1/answer":     "operation=appoint&start=x&end=2026-01-01T00:00",
		"/plans/spring/devices/gw-1/confirming": "on=maybe", "/plans/spring/devices/gw-1/end": "", "/packages/" +
			pkg: "order=verify&device=gw-1", "/login": "token=&next=\\x", "/logout": "",
	} {
		f.Add("POST", path, "application/x-www-form-urlencoded", form)
	}
	f.Add("POST", "/packages", "multipart/form-data; boundary=b",
		"--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nx\r\n--b--\r\n")
	f.Fuzz(func(t *testing.T, method, path, kind, body string) {
		at, err := url.Parse(s.url + path)
		if err != nil || at.Host != strings.TrimPrefix(s.url, "http://") || strings.HasPrefix(at.Path, "/api/") {
			return
		}
		r, err := http.NewRequestWithContext(t.Context(), method, at.String(), strings.NewReader(body))
		if err != nil {
			return
		}
		r.Header.Set("Content-Type", kind)
		answer, err := s.client.Do(r)
		if err != nil {
			return // not a request that can be made
		}
		require.NoError(t, answer.Body.Close())
		assert.Less(t, answer.StatusCode, http.StatusInternalServerError, "%s %s", method, path)
	})
}
