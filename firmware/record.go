package firmware

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"

	"otafleet/internal/files"
)

// Record keeps what an installer must know over restarts, besides what lies on
// the disk or in the component: T as JSON in a small file. It is replaced as a
// whole, so a power cut leaves the old content or the new one.
type Record[T any] struct {
	Path string
	Disk Disk
	// Limit is the longest file that is read, in bytes; 0 for 64 KiB.
	Limit int64
	// Check returns an error for content that no installer has saved. nil accepts
	// whatever JSON decodes into T.
	Check func(*T) error
	// Logger gets a warning about a damaged record; nil discards.
	Logger *slog.Logger
}

const recordLimit = 64 << 10 // bytes

// Load reads the content: nil if nothing was saved. Of a damaged record it
// returns the zero T, which knows nothing: an installer that refused to work
// could not be repaired over the air any more.
func (r Record[T]) Load() (*T, error) {
	limit := r.Limit
	if limit == 0 {
		limit = recordLimit
	}
	data, err := files.Read(r.Path, limit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil && !files.NoFile(err) {
		return nil, fmt.Errorf("cannot read the installer's record: %w", err)
	}
	content := new(T)
	if err == nil {
		err = json.Unmarshal(data, content)
	}
	if err == nil && r.Check != nil {
		err = r.Check(content)
	}
	if err != nil {
		return r.damaged(err), nil
	}
	return content, nil
}

func (r Record[T]) damaged(err error) *T {
	if r.Logger != nil {
		r.Logger.Warn("the installer's record is damaged; what it held is forgotten", "path", r.Path, "error", err)
	}
	return new(T)
}

// Save makes content what Load reads, durably. It makes the directory where that
// is missing, and removes what is at the path and is no file. Its errors have a
// protocol code, as WriteFailure gives it.
func (r Record[T]) Save(content *T) error {
	data, err := json.Marshal(content)
	if err != nil {
		return fmt.Errorf("cannot encode the installer's record: %w", err)
	}
	if err := r.Disk.MkdirAll(filepath.Dir(r.Path)); err != nil {
		return WriteFailure(fmt.Errorf("cannot make the directory of the installer's record: %w", err))
	}
	return WriteFailure(r.Disk.Replace(r.Path, data))
}
