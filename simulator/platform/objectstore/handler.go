package objectstore

import (
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// place is what a request is about; without a key, the bucket itself.
type place struct{ bucket, key string }

// locate finds bucket and key in the host and path of a request.
func (s *Store) locate(r *http.Request) place {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	path := strings.TrimPrefix(r.URL.Path, "/")
	if bucket, ok := strings.CutSuffix(strings.ToLower(host), "."+s.cfg.Domain); ok {
		return place{bucket, path}
	}
	bucket, key, _ := strings.Cut(path, "/")
	return place{bucket, key}
}

// ServeHTTP answers one request.
func (s *Store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Server", "objectstore")
	at := s.locate(r)
	claimed, err := s.credentials.Load().verify(r, s.cfg.Now())
	if err != nil {
		s.fail(w, r, at, err)
		return
	}
	switch {
	case at.bucket == "":
		err = notImplemented
	case !s.has(at.bucket):
		err = noSuchBucket
	case at.key == "":
		err = s.serveBucket(w, r)
	case len(at.key) > maxKey:
		err = keyTooLong
	case !validKey(at.key):
		err = invalidURI
	case !supported(r):
		err = notImplemented
	default:
		err = s.serveObject(w, r, at, claimed)
	}
	if err != nil {
		s.fail(w, r, at, err)
	}
}

// supported reports whether the query asks for the object itself, and not for
// one of the many things that S3 knows about it.
func supported(r *http.Request) bool {
	for name := range r.URL.Query() {
		if !strings.HasPrefix(name, "X-Amz-") && name != "x-id" {
			return false
		}
	}
	return r.Header.Get("X-Amz-Copy-Source") == ""
}

func (s *Store) serveObject(w http.ResponseWriter, r *http.Request, at place, claimed claim) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return s.get(w, r, at)
	case http.MethodPut:
		return s.put(w, r, at, claimed)
	case http.MethodDelete:
		s.Remove(at.bucket, at.key)
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return notImplemented
}

// Serve answers a GET or HEAD of an object whose sender the caller has let in.
func (s *Store) Serve(w http.ResponseWriter, r *http.Request, bucket, key string) {
	at := place{bucket, key}
	if err := s.get(w, r, at); err != nil {
		s.fail(w, r, at, err)
	}
}

// get leaves ranges and conditions to net/http.
func (s *Store) get(w http.ResponseWriter, r *http.Request, at place) error {
	o := s.find(at.bucket, at.key)
	if o == nil {
		return noSuchKey
	}
	o.served.requests.Add(1)
	w.Header().Set("ETag", o.etag)
	w.Header().Set("Content-Type", o.contentType)
	m := &meter{ResponseWriter: w, request: r, store: s, at: at, bytes: &o.served.bytes}
	http.ServeContent(m, r, "", o.modified, io.NewSectionReader(o.content, 0, o.size))
	return nil
}

// put receives an object. The conditions are checked before it, to spare a
// useless transfer, and after it.
func (s *Store) put(w http.ResponseWriter, r *http.Request, at place, claimed claim) error {
	if err := holds(r.Header, s.find(at.bucket, at.key)); err != nil {
		return err
	}
	size, err := s.announced(r, claimed)
	if err != nil {
		return err
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(patience + time.Duration(size/slowest)*time.Second))
	u, err := s.receive(r.Body, size)
	if err != nil {
		return err
	}
	if want := r.Header.Get("Content-Md5"); want != "" && want != base64.StdEncoding.EncodeToString(u.md5) {
		return badDigest
	}
	if len(claimed.payload) == 64 && claimed.payload != u.sha256 {
		return payloadMismatch
	}
	o := s.newObject(u.content, size, u.md5)
	if t := r.Header.Get("Content-Type"); t != "" {
		o.contentType = t
	}
	if err := s.commit(at, r.Header, o); err != nil {
		return err
	}
	w.Header().Set("ETag", o.etag)
	w.WriteHeader(http.StatusOK)
	return nil
}

// commit shows an uploaded object if the conditions still hold.
func (s *Store) commit(at place, conditions http.Header, o *object) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := holds(conditions, s.buckets[at.bucket][at.key]); err != nil {
		return err
	}
	s.replace(at.bucket, at.key, o)
	return nil
}

// holds checks the conditions of an upload against the object that it would
// replace.
func holds(header http.Header, old *object) error {
	match, none := header.Get("If-Match"), header.Get("If-None-Match")
	switch {
	case none != "" && none != "*":
		return notImplemented.saying("If-None-Match of an upload can only be *.")
	case none == "*" && old != nil,
		match != "" && old == nil,
		match != "" && match != "*" && strings.Trim(match, `"`) != strings.Trim(old.etag, `"`):
		return preconditionFailed
	}
	return nil
}

// serveBucket answers whether a bucket exists.
func (s *Store) serveBucket(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodHead {
		return notImplemented
	}
	w.Header().Set("X-Amz-Bucket-Region", s.credentials.Load().region())
	w.WriteHeader(http.StatusOK)
	return nil
}
