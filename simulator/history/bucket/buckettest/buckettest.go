// Package buckettest is a store that speaks as much of S3 as the records of runs need, for
// tests: objects written whole or in parts, on the condition that there is none, read from
// any byte on, and listed.
//
// One flow through it: New starts a server with one bucket; a test gives Environment to
// what it tests, and may let requests fail by Fail. It checks no signature: that of the
// client is tested against third-party stores.
package buckettest

import (
	"bytes"
	"crypto/md5" // S3's ETag is one
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Bucket is the name of the only bucket.
const Bucket = "runs"

// Server is such a store.
type Server struct {
	URL string

	mu      sync.Mutex // guards the following
	objects map[string][]byte
	uploads map[string]map[int][]byte // parts by the upload
	fail    func(w http.ResponseWriter, r *http.Request) bool
}

// New starts a store, until the end of the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{objects: map[string][]byte{}, uploads: map[string]map[int][]byte{}}
	listening := httptest.NewServer(s)
	t.Cleanup(listening.Close)
	s.URL = listening.URL
	return s
}

// Environment is that of a process that uses the store.
func (s *Server) Environment() map[string]string {
	return map[string]string{"AWS_ENDPOINT_URL": s.URL, "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}
}

// Getenv is os.Getenv of such a process.
func (s *Server) Getenv(name string) string { return s.Environment()[name] }

// Fail lets f answer requests before the store does, if it returns true. It is called by
// one goroutine at a time.
func (s *Server) Fail(f func(w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = f
}

// Objects are the contents by their keys.
func (s *Server) Objects() map[string][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string][]byte{}
	for key, content := range s.objects {
		all[key] = bytes.Clone(content)
	}
	return all
}

// Put makes an object.
func (s *Server) Put(key string, content []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[key] = bytes.Clone(content)
}

// Remove removes an object.
func (s *Server) Remove(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, key)
}

// Uploads is how many uploads in parts are neither complete nor given up.
func (s *Server) Uploads() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.uploads)
}

// Refuse answers with an error of S3.
func Refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>for a test</Message></Error>", code)
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has gone
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil && s.fail(w, r) {
		return
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	query := r.URL.Query()
	switch {
	case bucket != Bucket:
		Refuse(w, http.StatusNotFound, "NoSuchBucket")
	case key == "":
		s.list(w, query.Get("prefix"))
	case query.Has("uploadId"):
		s.part(w, r, key, body)
	case r.Method == http.MethodPost:
		id := strconv.Itoa(len(s.uploads) + 1)
		s.uploads[id] = map[int][]byte{}
		answer(w, "InitiateMultipartUploadResult", "<UploadId>"+id+"</UploadId>")
	case r.Method == http.MethodPut:
		if _, there := s.objects[key]; there && r.Header.Get("If-None-Match") == "*" {
			Refuse(w, http.StatusPreconditionFailed, "PreconditionFailed")
			return
		}
		s.objects[key] = body
		w.Header().Set("ETag", tag(body))
	default:
		s.get(w, r, key)
	}
}

func (s *Server) get(w http.ResponseWriter, r *http.Request, key string) {
	content, there := s.objects[key]
	if !there {
		Refuse(w, http.StatusNotFound, "NoSuchKey")
		return
	}
	w.Header().Set("ETag", tag(content))
	http.ServeContent(w, r, "", time.Unix(1_700_000_000, 0), bytes.NewReader(content))
}

// part takes a part of an upload, or its end.
func (s *Server) part(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	id := r.URL.Query().Get("uploadId")
	parts, there := s.uploads[id]
	switch {
	case !there:
		Refuse(w, http.StatusNotFound, "NoSuchUpload")
	case r.Method == http.MethodPut:
		number, _ := strconv.Atoi(r.URL.Query().Get("partNumber"))
		parts[number] = body
		w.Header().Set("ETag", tag(body))
	case r.Method == http.MethodDelete:
		delete(s.uploads, id)
		w.WriteHeader(http.StatusNoContent)
	default:
		var whole []byte
		for number := 1; number <= len(parts); number++ {
			whole = append(whole, parts[number]...)
		}
		delete(s.uploads, id)
		s.objects[key] = whole
		answer(w, "CompleteMultipartUploadResult", "<Bucket>"+Bucket+"</Bucket><Key>"+escape(key)+"</Key>")
	}
}

// list answers with the keys under a prefix, up to the next slash.
func (s *Server) list(w http.ResponseWriter, prefix string) {
	var keys, below []string
	for key := range s.objects {
		rest, is := strings.CutPrefix(key, prefix)
		if name, _, deeper := strings.Cut(rest, "/"); is && deeper {
			below = append(below, "<CommonPrefixes><Prefix>"+escape(prefix+name+"/")+"</Prefix></CommonPrefixes>")
		} else if is {
			keys = append(keys, "<Contents><Key>"+escape(key)+"</Key><Size>1</Size></Contents>")
		}
	}
	slices.Sort(below)
	slices.Sort(keys)
	answer(w, "ListBucketResult", "<IsTruncated>false</IsTruncated>"+strings.Join(keys, "")+
		strings.Join(slices.Compact(below), ""))
}

func answer(w http.ResponseWriter, element, content string) {
	w.Header().Set("Content-Type", "application/xml")
	fmt.Fprintf(w, "<%s>%s</%s>", element, content, element)
}

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder does not fail
	return b.String()
}

func tag(content []byte) string {
	sum := md5.Sum(content)
	return `"` + hex.EncodeToString(sum[:]) + `"`
}
