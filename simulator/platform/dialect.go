package platform

import (
	"crypto/md5" // old devices know no better
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
)

// Talk is what a device of another dialect and the platform say to each other in one
// go, while nothing else happens.
type Talk struct {
	Now     time.Time
	engine  *engine.Engine
	execute func([]engine.Output)
}

// NewTalk lets a dialect talk with an engine, whose outputs go to execute.
func NewTalk(now time.Time, e *engine.Engine, execute func([]engine.Output)) *Talk {
	return &Talk{Now: now, engine: e, execute: execute}
}

// Engine gives the views.
func (t *Talk) Engine() *engine.Engine { return t.engine }

// Hear takes a message as if the device had sent it over the broker.
func (t *Talk) Hear(id ota.Identity, message ota.Up) {
	t.execute(t.engine.Handle(t.Now, engine.Message{Device: id, Message: message}))
}

// Command carries out an order, or says why it may not.
func (t *Talk) Command(cmd engine.Command) error {
	outputs, err := t.engine.Command(t.Now, cmd)
	t.execute(outputs)
	return err
}

// Converse lets a dialect talk. When it returns, what came of it is kept, if anything
// is. It is ErrDown while the platform is killed.
func (s *Service) Converse(talk func(*Talk)) error {
	if err := s.converse(talk); err != nil {
		return err
	}
	return s.flush()
}

func (s *Service) converse(talk func(*Talk)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return ErrDown
	}
	now := time.Now()
	talk(NewTalk(now, s.engine, func(outputs []engine.Output) { s.execute(now, outputs) }))
	s.rearm()
	return nil
}

// Divert has what the platform says to a device, engine.Send and engine.Issue, handed
// to take and not to the broker; nil ends that. take is called with the platform
// locked, and must neither wait nor call back.
func (s *Service) Divert(id ota.Identity, take func(engine.Output)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.diverted == nil {
		s.diverted = map[ota.Identity]func(engine.Output){}
	}
	if s.diverted[id] = take; take == nil {
		delete(s.diverted, id)
	}
}

// Stocked has the product of each package that is added from now on handed to hear,
// before AddPackage or Upload returns: a dialect that has no names for components finds
// them there. hear may converse, and replaces the last one; nil ends that.
func (s *Service) Stocked(hear func(product string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stocked = hear
}

// tellStocked says that a product has another package.
func (s *Service) tellStocked(product string) {
	s.mu.Lock()
	hear := s.stocked
	s.mu.Unlock()
	if hear != nil {
		hear(product)
	}
}

// Message is what a device of the platform's own dialect is sent where the engine
// issues the address of a package.
func (s *Service) Message(out engine.Issue) (*ota.Package, error) {
	return s.catalog.message(time.Now(), s.config.Validity, out)
}

// File is a file of a package, with the digests that dialects ask for.
type File struct {
	Name              string
	Size              int64
	SHA1, MD5, SHA256 string // hexadecimal, in small letters
	CRC               string // CRC-32/MPEG-2: eight capital hexadecimal digits
}

// Describe reads a file for its size and digests.
func Describe(name string, content io.Reader) (File, error) {
	weak, weaker, strong, weakest := sha1.New(), md5.New(), sha256.New(), mpeg2{}
	size, err := io.Copy(io.MultiWriter(weak, weaker, strong, &weakest), content)
	if err != nil {
		return File{}, fmt.Errorf("file %s: %w", name, err)
	}
	return File{
		Name: name, Size: size, SHA1: hex.EncodeToString(weak.Sum(nil)), MD5: hex.EncodeToString(weaker.Sum(nil)),
		SHA256: hex.EncodeToString(strong.Sum(nil)), CRC: weakest.String(),
	}, nil
}

// ErrRemote is why the files of packages cannot be read here.
var ErrRemote = errors.New("packages lie in an external object store")

// Files gives a package's signed manifest, and its files in the order of that.
// The first call for a package reads them.
func (s *Service) Files(reference string) (ota.Envelope, []File, error) {
	found, ok := s.catalog.packages.Load(reference)
	if !ok {
		return ota.Envelope{}, nil, fmt.Errorf("package %s: %w", reference, engine.ErrUnknown)
	}
	p := found.(*artifact)
	files, err := p.read()
	if err != nil {
		return ota.Envelope{}, nil, fmt.Errorf("cannot read package %s: %w", reference, err)
	}
	return p.envelope, files, nil
}

// FileURL is a fresh address of a file of a package in the object store, which works as
// long as any that the platform gives.
func (s *Service) FileURL(reference, name string) (string, error) {
	address, err := s.catalog.address(time.Now(), s.config.Validity, path.Join(reference, name))
	if err != nil {
		return "", fmt.Errorf("cannot give an address of file %s: %w", name, err)
	}
	return address.URLs[0], nil
}

// ServeFile answers a request for a file of a package, by range if that is asked for.
func (s *Service) ServeFile(w http.ResponseWriter, r *http.Request, reference, name string) {
	if s.store == nil {
		http.Error(w, ErrRemote.Error(), http.StatusNotFound)
		return
	}
	s.store.Serve(w, r, s.catalog.bucket, s.catalog.key(path.Join(reference, name)))
}
