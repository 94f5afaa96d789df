package api

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const testToken = "correct horse battery"

// TestVisits: each sign-in has a cookie of its own, which ends when its browser says
// so or stays away.
func TestVisits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, err := NewGuard("0.0.0.0:80", testToken)
		require.NoError(t, err)
		request := httptest.NewRequest("GET", "http://ota.example/", nil)
		signIn := func() *http.Cookie {
			w := httptest.NewRecorder()
			require.NoError(t, g.Admit(w, request, testToken))
			return w.Result().Cookies()[0]
		}
		with := func(c *http.Cookie) *http.Request {
			r := httptest.NewRequest("GET", "http://ota.example/", nil)
			r.AddCookie(c)
			return r
		}
		one, two := signIn(), signIn()
		assert.NotEqual(t, one.Value, two.Value)
		require.NoError(t, g.Check(with(one)))
		require.NoError(t, g.Check(with(two)))
		g.Dismiss(httptest.NewRecorder(), with(one))
		require.Error(t, g.Check(with(one)), "a copy is worth nothing either")
		time.Sleep(visitTime - time.Second)
		require.NoError(t, g.Check(with(two)))
		time.Sleep(visitTime - time.Second)
		require.NoError(t, g.Check(with(two)), "it was used meanwhile")
		time.Sleep(visitTime)
		require.Error(t, g.Check(with(two)))
		for range 2 * maxVisits {
			signIn()
		}
		assert.LessOrEqual(t, len(g.visits.until), maxVisits)
	})
}

// TestWrongTokens: whoever gives a wrong token has to wait, by header and by form,
// and no other visitor.
func TestWrongTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, err := NewGuard("0.0.0.0:80", testToken)
		require.NoError(t, err)
		try := func(from, token string) int {
			r := httptest.NewRequest("GET", "http://ota.example/", nil)
			r.RemoteAddr = from
			r.Header.Set("Authorization", "Bearer "+token)
			if err := g.Check(r); err != nil {
				return ProblemOf(err).Status
			}
			return http.StatusOK
		}
		compared := 0
		for range 100 {
			if try("192.0.2.1:1000", "guess") == http.StatusUnauthorized {
				compared++
			}
			time.Sleep(100 * time.Millisecond)
		}
		assert.Equal(t, 10, compared, "one a second")
		try("192.0.2.1:1001", "guess")
		assert.Equal(t, http.StatusTooManyRequests, try("192.0.2.1:1002", testToken))
		assert.Equal(t, http.StatusOK, try("192.0.2.2:1000", testToken))
		time.Sleep(wrongPause)
		assert.Equal(t, http.StatusOK, try("192.0.2.1:1002", testToken))
		for i := range 2 * maxPauses {
			try(fmt.Sprintf("10.0.%d.%d:1", i/256, i%256), "guess")
		}
		assert.LessOrEqual(t, len(g.visits.pausing), maxPauses)
	})
}

func TestTooSlow(t *testing.T) {
	for _, c := range []struct {
		taken int64
		in    time.Duration
		slow  bool
	}{
		{0, 0, false}, {0, uploadStall, false}, {1, uploadStall + time.Second, true},
		{uploadRate, uploadStall + time.Second, false}, {uploadRate * 60, uploadStall + time.Minute + time.Second, true},
		{500 << 20, uploadTime + time.Second, true}, {500 << 20, uploadTime, false},
	} {
		assert.Equal(t, c.slow, tooSlow(c.taken, c.in), "%d in %s", c.taken, c.in)
	}
}
