package platform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/platform/objectstore"
)

// catalog knows where packages lie and gives addresses of them.
type catalog struct {
	// Immutable once it is set up.
	base   string
	bucket string
	root   string             // begins every key, so that platforms in one bucket do not share objects; may be empty
	store  *objectstore.Store // nil if it is external
	plain  bool               // devices get s3:// addresses

	credentials atomic.Pointer[objectstore.Credentials]
	packages    sync.Map // reference -> *artifact
}

// artifact is one package in the catalog.
type artifact struct {
	envelope ota.Envelope
	files    []ota.File
	read     func() ([]File, error) // reads the files once, for their digests
}

// key is where an object lies in the bucket.
func (s *catalog) key(name string) string { return path.Join(s.root, name) }

// add uploads the files of a package.
func (s *catalog) add(
	ctx context.Context, envelope ota.Envelope, manifest *ota.Manifest, files []io.ReaderAt, reference string,
) error {
	for i := range manifest.Files {
		f := &manifest.Files[i]
		if err := s.put(ctx, path.Join(reference, f.Name), files[i], f.Size); err != nil {
			return errors.Join(fmt.Errorf("file %s: %w", f.Name, err), s.dropAll(ctx, reference, manifest.Files[:i]))
		}
	}
	s.know(envelope, manifest, reference)
	return nil
}

// know takes in a package whose files lie in the store.
func (s *catalog) know(envelope ota.Envelope, manifest *ota.Manifest, reference string) {
	files := manifest.Files
	s.packages.Store(reference, &artifact{envelope: envelope, files: files, read: sync.OnceValues(func() ([]File, error) {
		return s.digest(reference, files)
	})})
}

// digest reads the files of a package for their digests.
func (s *catalog) digest(reference string, files []ota.File) ([]File, error) {
	if s.store == nil {
		return nil, ErrRemote
	}
	var all []File
	for i := range files {
		content, found := s.store.Open(s.bucket, s.key(path.Join(reference, files[i].Name)))
		if !found {
			return nil, fmt.Errorf("file %s: %w", files[i].Name, engine.ErrUnknown)
		}
		described, err := Describe(files[i].Name, content)
		if err != nil {
			return nil, err
		}
		all = append(all, described)
	}
	return all, nil
}

// remove takes a package from the catalog, and its files out of the store.
func (s *catalog) remove(ctx context.Context, reference string) error {
	found, ok := s.packages.LoadAndDelete(reference)
	if !ok {
		return nil
	}
	return s.dropAll(ctx, reference, found.(*artifact).files)
}

// clear takes every package from the catalog, as remove does.
func (s *catalog) clear(ctx context.Context) error {
	var all error
	s.packages.Range(func(reference, _ any) bool {
		if err := s.remove(ctx, reference.(string)); err != nil {
			all = errors.Join(all, fmt.Errorf("package %s: %w", reference, err))
		}
		return true
	})
	return all
}

// dropAll removes the files of a package out of the store.
func (s *catalog) dropAll(ctx context.Context, reference string, files []ota.File) error {
	var all error
	for i := range files {
		if err := s.drop(ctx, path.Join(reference, files[i].Name)); err != nil {
			all = errors.Join(all, fmt.Errorf("file %s: %w", files[i].Name, err))
		}
	}
	return all
}

// drop removes one object, here or with a presigned request elsewhere.
func (s *catalog) drop(ctx context.Context, name string) error {
	if s.store != nil {
		s.store.Remove(s.bucket, s.key(name))
		return nil
	}
	address, err := s.credentials.Load().PresignDelete(s.base, s.bucket, s.key(name), time.Now(), time.Hour)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodDelete, address, http.NoBody)
	if err != nil {
		return err
	}
	return demand(request, "delete", http.StatusNoContent)
}

// put stores one object, here or with a presigned request elsewhere.
func (s *catalog) put(ctx context.Context, name string, content io.ReaderAt, size int64) error {
	if s.store != nil {
		_, err := s.store.PutReader(s.bucket, s.key(name), content, size)
		return err
	}
	address, err := s.credentials.Load().PresignPut(s.base, s.bucket, s.key(name), time.Now(), time.Hour)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, address, io.NewSectionReader(content, 0, size))
	if err != nil {
		return err
	}
	request.ContentLength = size
	return demand(request, "upload", http.StatusOK)
}

// demand makes a request that the store must answer with a status.
func demand(request *http.Request, action string, status int) error {
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("cannot %s: %w", action, withoutAddress(err))
	}
	defer answer.Body.Close()
	if answer.StatusCode != status {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 512))
		return fmt.Errorf("cannot %s: the object store answered %s: %.200s", action, answer.Status, text)
	}
	return nil
}

// withoutAddress takes a presigned address, which is a key for an hour, out of an
// error.
func withoutAddress(err error) error {
	var failed *url.Error
	if errors.As(err, &failed) {
		return failed.Err
	}
	return err
}

// message builds the package message of one device and component.
func (s *catalog) message(now time.Time, valid time.Duration, out engine.Issue) (*ota.Package, error) {
	found, ok := s.packages.Load(out.Package)
	if !ok {
		return nil, fmt.Errorf("there is no package %s", out.Package)
	}
	p := found.(*artifact)
	message := &ota.Package{
		Time: now, Plan: out.Plan, Attempt: out.Attempt, Component: out.Component, Envelope: p.envelope,
	}
	for i := range p.files {
		name := p.files[i].Name
		address, err := s.address(now, valid, path.Join(out.Package, name))
		if err != nil {
			return nil, err
		}
		address.Name = name
		message.Files = append(message.Files, address)
	}
	return message, nil
}

// address is where a device gets one object, and until when.
func (s *catalog) address(now time.Time, valid time.Duration, name string) (ota.FileAddress, error) {
	if s.plain {
		return ota.FileAddress{URLs: []string{"s3://" + s.bucket + "/" + s.key(name)}}, nil
	}
	now = now.Truncate(time.Second) // as the signature tells it: an address must not say that it works longer
	address, err := s.credentials.Load().PresignGet(s.base, s.bucket, s.key(name), now, valid)
	return ota.FileAddress{URLs: []string{address}, Expires: now.Add(valid)}, err
}
