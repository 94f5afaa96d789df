package download_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// server serves one image under every path, and fails as its test says.
type server struct {
	*httptest.Server
	data []byte

	mu       sync.Mutex
	wrong    int // requests that are still answered by lie
	lie      func(w http.ResponseWriter, r *http.Request, data []byte)
	requests []*http.Request
}

// newServer serves data honestly.
func newServer(t testing.TB, data []byte) *server { return newLiar(t, data, 0, nil) }

// newLiar answers the first wrong requests with lie, and those after honestly.
func newLiar(t testing.TB, data []byte, wrong int, lie func(http.ResponseWriter, *http.Request, []byte)) *server {
	s := &server{data: data, wrong: wrong, lie: lie}
	s.Server = httptest.NewServer(s)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, r)
	lying := s.wrong > 0
	s.wrong--
	s.mu.Unlock()
	if lying {
		s.lie(w, r, s.data)
		return
	}
	honest(w, r, s.data)
}

func honest(w http.ResponseWriter, r *http.Request, data []byte) {
	w.Header().Set("ETag", `"one"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

func (s *server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests)
}

func (s *server) ranges() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, r := range s.requests {
		all = append(all, r.Header.Get("Range"))
	}
	return all
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
