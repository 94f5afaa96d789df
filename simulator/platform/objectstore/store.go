// Package objectstore is an object store inside the process that speaks S3:
// where a fleet fetches its packages when there is no real one.
//
// One flow through it: the program puts a package (Put, PutFile) and hands a
// device an address that Credentials.PresignGet has signed; the device asks
// for ranges of it; the handler (handler.go) finds bucket and key in path or
// host, checks the signature (signature.go) and lets net/http answer with the
// range, as long as the conditions in the request hold; Served tells how much
// of the object went out.
//
// Objects are GET, HEAD, PUT and DELETE, addressed by path or by virtual host, by
// requests that carry a Signature Version 4 in a header
// or in the address. Nothing is anonymous. What the program puts as bytes or
// as a file is not copied; an upload of more than 1 MiB goes to a nameless
// temporary file.
//
// The package does not know lists of objects, aws-chunked, multipart uploads,
// versions, copies, access lists, tags or metadata beside the content type, and says NotImplemented to them.
// Names from outside are keys of a map and never paths.
package objectstore

import (
	"bytes"
	"crypto/md5" // S3's ETag is one
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"otafleet/internal/files"
)

const (
	maxKey        = 1024    // bytes
	inMemory      = 1 << 20 // bytes of the largest upload that is kept in memory
	defaultObject = 1 << 30 // bytes of the largest upload
	copyBuffer    = 64 << 10
)

// Config says what a store is and who may use it.
type Config struct {
	Credentials Credentials // the only ones that are accepted, until Accept
	Buckets     []string    // that exist, besides those that Put and PutFile make
	Domain      string      // <bucket>.<Domain> addresses a bucket; empty means localhost
	MaxObject   int64       // bytes of an upload; 0 means 1 GiB
	TempDir     string      // for uploads of more than 1 MiB; empty means the system's

	Now    func() time.Time // nil means time.Now; another clock makes signatures expire
	Logger *slog.Logger     // nil discards
}

// Validate reports everything that is wrong with c.
func (c Config) Validate() error {
	errs := []error{c.Credentials.Validate()}
	for _, b := range c.Buckets {
		if !validBucket(b) {
			errs = append(errs, fmt.Errorf("bucket %q: want 3 to 63 of a-z, 0-9, dots and dashes", b))
		}
	}
	if c.MaxObject < 0 {
		errs = append(errs, fmt.Errorf("largest object %d: want a number of bytes", c.MaxObject))
	}
	return errors.Join(errs...)
}

// Store is a set of buckets and an http.Handler. Its methods may be called
// concurrently.
type Store struct {
	cfg         Config                      // immutable, complete but for Credentials
	credentials atomic.Pointer[Credentials] // the only ones that are accepted
	buffers     sync.Pool                   // of *[]byte

	mu      sync.RWMutex
	buckets map[string]map[string]*object
}

// object is immutable but for its counters.
type object struct {
	content     io.ReaderAt
	size        int64
	etag        string // with its quotes
	modified    time.Time
	contentType string
	served      *counters
}

// counters belong to a key: they stay when its object is replaced.
type counters struct{ requests, bytes atomic.Int64 }

// Object is what a store knows about an object.
type Object struct {
	Key      string
	Size     int64  // bytes
	ETag     string // hex MD5 of the content, without quotes
	Modified time.Time
}

// Served counts what a store has sent of one object.
type Served struct {
	Requests int64 // GET and HEAD, refused conditions included, refused signatures not
	Bytes    int64 // of content
}

// New returns a store without objects.
func New(cfg Config) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("cannot make the object store: %w", err)
	}
	if cfg.Domain == "" {
		cfg.Domain = "localhost"
	}
	if cfg.MaxObject == 0 {
		cfg.MaxObject = defaultObject
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Store{cfg: cfg, buckets: make(map[string]map[string]*object)}
	s.credentials.Store(&cfg.Credentials)
	s.buffers.New = func() any { b := make([]byte, copyBuffer); return &b }
	for _, b := range cfg.Buckets {
		s.buckets[b] = make(map[string]*object)
	}
	return s, nil
}

// Accept changes the only credentials that are accepted. What was signed with
// others is refused from now on; what is being sent goes on.
func (s *Store) Accept(c Credentials) error {
	if err := c.Validate(); err != nil {
		return fmt.Errorf("cannot change the credentials of the object store: %w", err)
	}
	s.credentials.Store(&c)
	return nil
}

// Put stores data, which must not be changed afterwards, and makes the bucket
// if there is none.
func (s *Store) Put(bucket, key string, data []byte) (Object, error) {
	sum := md5.Sum(data)
	return s.add(bucket, key, bytes.NewReader(data), int64(len(data)), sum[:])
}

// PutFile stores a file, which must not be changed afterwards, and makes the
// bucket if there is none. The file is read once for its ETag and stays open;
// its content does not come into memory.
func (s *Store) PutFile(bucket, key, path string) (Object, error) {
	f, err := files.Open(path)
	if err != nil {
		return Object{}, fmt.Errorf("cannot store %s/%s: %w", bucket, key, err)
	}
	sum := md5.New()
	size, err := io.Copy(sum, f)
	if err == nil {
		var o Object
		if o, err = s.add(bucket, key, f, size, sum.Sum(nil)); err == nil {
			return o, nil
		}
	}
	return Object{}, errors.Join(fmt.Errorf("cannot store %s/%s: %w", bucket, key, err), f.Close())
}

// PutReader stores what content holds, which must not change afterwards and
// must be safe for concurrent use, and makes the bucket if there is none. It is
// read once for its ETag; it does not come into memory.
func (s *Store) PutReader(bucket, key string, content io.ReaderAt, size int64) (Object, error) {
	sum := md5.New()
	if _, err := io.Copy(sum, io.NewSectionReader(content, 0, size)); err != nil {
		return Object{}, fmt.Errorf("cannot store %s/%s: %w", bucket, key, err)
	}
	return s.add(bucket, key, content, size, sum.Sum(nil))
}

// add is the program's way to store an object.
func (s *Store) add(bucket, key string, content io.ReaderAt, size int64, sum []byte) (Object, error) {
	switch {
	case !validBucket(bucket):
		return Object{}, fmt.Errorf("cannot store %s/%s: want a bucket of 3 to 63 of a-z, 0-9, dots and dashes", bucket, key)
	case !validKey(key):
		return Object{}, fmt.Errorf("cannot store %s/%q: want a key of 1 to %d bytes of UTF-8", bucket, key, maxKey)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buckets[bucket] == nil {
		s.buckets[bucket] = make(map[string]*object)
	}
	o := s.newObject(content, size, sum)
	s.replace(bucket, key, o)
	return o.describe(key), nil
}

func (s *Store) newObject(content io.ReaderAt, size int64, sum []byte) *object {
	return &object{
		content:     content,
		size:        size,
		etag:        `"` + hex.EncodeToString(sum) + `"`,
		modified:    s.cfg.Now(),
		contentType: "application/octet-stream",
		served:      new(counters),
	}
}

// replace puts o under a key; the caller holds mu. A file that nothing refers
// to any longer is closed by the garbage collector, so a download that is
// under way reads on.
func (s *Store) replace(bucket, key string, o *object) {
	if old := s.buckets[bucket][key]; old != nil {
		o.served = old.served
	}
	s.buckets[bucket][key] = o
}

// Remove deletes an object and reports whether there was one.
func (s *Store) Remove(bucket, key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.buckets[bucket][key]
	delete(s.buckets[bucket], key)
	return ok
}

// Stat describes an object.
func (s *Store) Stat(bucket, key string) (Object, bool) {
	if o := s.find(bucket, key); o != nil {
		return o.describe(key), true
	}
	return Object{}, false
}

// Open reads an object.
func (s *Store) Open(bucket, key string) (*io.SectionReader, bool) {
	o := s.find(bucket, key)
	if o == nil {
		return nil, false
	}
	return io.NewSectionReader(o.content, 0, o.size), true
}

// Served tells what has been sent of an object; zero if there is none.
func (s *Store) Served(bucket, key string) Served {
	o := s.find(bucket, key)
	if o == nil {
		return Served{}
	}
	return Served{Requests: o.served.requests.Load(), Bytes: o.served.bytes.Load()}
}

func (s *Store) find(bucket, key string) *object {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.buckets[bucket][key]
}

func (s *Store) has(bucket string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.buckets[bucket] != nil
}

func (o *object) describe(key string) Object {
	return Object{Key: key, Size: o.size, ETag: strings.Trim(o.etag, `"`), Modified: o.modified}
}

// validBucket reports whether name may be a bucket: it can be a label of a
// host name, and a level of a path.
func validBucket(name string) bool {
	if len(name) < 3 || len(name) > 63 {
		return false
	}
	for i := range len(name) {
		c := name[i]
		word := 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
		if !word && (c != '-' && c != '.' || i == 0 || i == len(name)-1) {
			return false
		}
	}
	return !strings.Contains(name, "..")
}

func validKey(key string) bool { return key != "" && len(key) <= maxKey && utf8.ValidString(key) }
