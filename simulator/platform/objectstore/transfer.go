package objectstore

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// A client that is slower than this is cut off: patience without a byte taken,
// or an upload of less than slowest bytes a second on top of it.
const (
	patience = 2 * time.Minute
	slowest  = 4 << 10
)

// upload is a received body.
type upload struct {
	content io.ReaderAt
	md5     []byte
	sha256  string
}

// announced is the size of an upload, which its client says. What comes in chunks of
// aws-chunked is refused: no client of this project sends them.
func (s *Store) announced(r *http.Request, claimed claim) (int64, error) {
	switch {
	case strings.HasPrefix(claimed.payload, streamingPayload):
		return 0, notImplemented
	case r.ContentLength < 0:
		return 0, missingLength
	case r.ContentLength > s.cfg.MaxObject:
		return 0, entityTooLarge
	}
	return r.ContentLength, nil
}

// receive reads exactly size bytes, into memory if they are few and otherwise
// into a file that has no name any longer.
func (s *Store) receive(body io.Reader, size int64) (upload, error) {
	var (
		file   *os.File
		memory bytes.Buffer
		target io.Writer = &memory
	)
	if size > inMemory {
		var err error
		if file, err = os.CreateTemp(s.cfg.TempDir, "upload-*"); err != nil {
			return upload{}, fmt.Errorf("cannot keep an upload: %w", err)
		}
		if err := os.Remove(file.Name()); err != nil {
			return upload{}, errors.Join(fmt.Errorf("cannot keep an upload: %w", err), file.Close())
		}
		target = file
	} else {
		memory.Grow(int(size))
	}
	sumMD5, sumSHA := md5.New(), sha256.New()
	n, err := io.Copy(io.MultiWriter(target, sumMD5, sumSHA), io.LimitReader(body, size+1))
	switch {
	case err != nil:
		err = incompleteBody.saying("The content could not be received: %v", err)
	case n != size:
		err = incompleteBody
	}
	u := upload{md5: sumMD5.Sum(nil), sha256: hex.EncodeToString(sumSHA.Sum(nil))}
	switch {
	case err != nil && file != nil:
		return upload{}, errors.Join(err, file.Close())
	case err != nil:
		return upload{}, err
	case file != nil:
		u.content = file
	default:
		u.content = bytes.NewReader(memory.Bytes())
	}
	return u, nil
}

// meter counts the bytes of an object as they go out, gives the client a fresh
// deadline for each piece, and says refusals of net/http in the words of S3.
type meter struct {
	http.ResponseWriter
	request *http.Request
	store   *Store
	at      place
	bytes   *atomic.Int64
	refused bool
}

// Unwrap lets http.ResponseController reach the connection.
func (m *meter) Unwrap() http.ResponseWriter { return m.ResponseWriter }

// WriteHeader replaces the refusals of http.ServeContent.
func (m *meter) WriteHeader(status int) {
	switch status {
	case http.StatusPreconditionFailed:
		m.refuse(preconditionFailed)
	case http.StatusRequestedRangeNotSatisfiable:
		m.refuse(invalidRange)
	default:
		m.ResponseWriter.WriteHeader(status)
	}
}

func (m *meter) refuse(f *failure) {
	m.refused = true
	m.store.fail(m.ResponseWriter, m.request, m.at, f)
}

// Write sends and counts.
func (m *meter) Write(p []byte) (int, error) {
	if m.refused {
		return len(p), nil
	}
	_ = http.NewResponseController(m.ResponseWriter).SetWriteDeadline(time.Now().Add(patience))
	n, err := m.ResponseWriter.Write(p)
	m.bytes.Add(int64(n))
	return n, err
}

// ReadFrom is io.Copy without a buffer of its own for each answer.
func (m *meter) ReadFrom(src io.Reader) (int64, error) {
	buffer := m.store.buffers.Get().(*[]byte)
	defer m.store.buffers.Put(buffer)
	return io.CopyBuffer(struct{ io.Writer }{m}, struct{ io.Reader }{src}, *buffer)
}
