package file

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"otafleet/firmware"
)

// RollBack makes the versions before live again of all components on trial: those
// that have been switched, wait for a restart to be confirmed, and still are what
// was switched to. It is for an agent that cannot start with one of them, and needs
// no configuration for it. dir holds the state directories of components. It
// gives the paths that it has changed; their installers find that out, and Revert
// drops what is left of the job.
func RollBack(ctx context.Context, dir string, log *slog.Logger) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var changed []string
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		path, failure := rollBack(ctx, filepath.Join(dir, entry.Name()), log)
		if err = errors.Join(err, failure); path != "" {
			changed = append(changed, path)
		}
	}
	return changed, err
}

// rollBack does it for one component, and gives its path if it was changed.
func rollBack(ctx context.Context, stateDir string, log *slog.Logger) (string, error) {
	rec, err := recordIn(stateDir, firmware.Disk{}, log).Load()
	if err != nil || rec == nil || rec.Trial == "" {
		return "", err
	}
	in, err := New(
		Config{Path: rec.Trial, Version: unknown, StateDir: stateDir, Restart: firmware.RestartProcess, Logger: log},
	)
	if err != nil {
		return "", err
	}
	live, err := in.holds(ctx, in.cfg.Path, rec.Target, rec.Source)
	if err != nil || !live {
		return "", err
	}
	if err := in.rollBack(ctx, rec); err != nil {
		return "", err
	}
	return in.cfg.Path, in.noteRollback(rec)
}
