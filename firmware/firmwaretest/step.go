package firmwaretest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

// step is one step of an upgrade, as the agent takes it.
type step struct {
	name string
	take func(*bench, context.Context) error
}

// steps are those of a whole upgrade, in their order.
func steps() []step {
	return []step{
		{"fetch", (*bench).fetch},
		{"stage", func(b *bench, ctx context.Context) error { return b.installer.Stage(ctx, b.job) }},
		{"activate", (*bench).activate},
		{"confirm", func(b *bench, ctx context.Context) error { return b.installer.Commit(ctx, b.withoutFiles()) }},
	}
}

// The steps up to which the old version runs, and from which the new one does.
const (
	staged    = 2
	activated = 3
)

// take takes the steps from one number up to but not including another.
func (b *bench) take(from, to int) {
	b.Helper()
	for _, s := range steps()[from:to] {
		require.NoError(b, s.take(b, background()), s.name)
	}
}

// activate makes the new version run.
func (b *bench) activate(ctx context.Context) error {
	restart, err := b.installer.Activate(ctx, b.withoutFiles())
	return b.follow(restart, err)
}

// revert brings the old version back.
func (b *bench) revert(ctx context.Context) error {
	restart, err := b.installer.Revert(ctx, b.withoutFiles())
	return b.follow(restart, err)
}

// follow does the restart that a step asked for.
func (b *bench) follow(restart firmware.Restart, err error) error {
	if err != nil {
		return err
	}
	assert.True(b, restart.Valid(), "restart %q", restart)
	if restart != firmware.RestartNone {
		b.world.Restart(b.T, restart)
		b.restart()
	}
	return nil
}

// fetch fills the places as a download does: chunk by chunk in any order, each
// made durable, those already there left alone.
func (b *bench) fetch(ctx context.Context) error {
	places, err := b.open(ctx)
	if err != nil {
		return err
	}
	defer closePlaces(places)
	for i, place := range places {
		if err := fill(place, &b.job.Files[i], b.new.Data[i]); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) open(ctx context.Context) ([]firmware.Target, error) {
	places, err := b.installer.Open(ctx, b.job)
	if err == nil {
		require.Len(b, places, len(b.job.Files))
	}
	return places, err
}

func fill(place firmware.Target, file *ota.File, data []byte) error {
	order := rand.New(rand.NewPCG(1, uint64(len(data)))).Perm(len(file.Chunks))
	for _, c := range order {
		offset, length := file.ChunkAt(c)
		if holds(place, offset, length, file.Chunks[c]) {
			continue
		}
		if _, err := place.WriteAt(data[offset:offset+length], offset); err != nil {
			return err
		}
		if err := place.Sync(); err != nil {
			return err
		}
	}
	return nil
}

// holds reports whether a chunk is in its place already.
func holds(place io.ReaderAt, offset, length int64, want ota.Digest) bool {
	found := make([]byte, length)
	n, err := place.ReadAt(found, offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return false
	}
	return int64(n) == length && sha256.Sum256(found) == want
}

func closePlaces(places []firmware.Target) {
	for _, p := range places {
		_ = p.Close() // every write was made durable before
	}
}

// runsOld checks that the component runs the old version and says so.
func (b *bench) runsOld() { b.Helper(); b.runs(b.job.Source, b.old.Live) }

// runsNew checks that the component runs the new version and says so.
func (b *bench) runsNew() { b.Helper(); b.runs(b.job.Target, b.new.Live) }

func (b *bench) runs(version string, content []byte) {
	b.Helper()
	require.Equal(b, brief(content), brief(b.world.Live(b.T)), "what lives is not version %s", version)
	found, err := b.installer.Inspect(background())
	require.NoError(b, err, "inspect")
	require.Equal(b, version, found.Version, "inspect does not tell the truth")
}

// runsEither checks that the component runs exactly one of the two versions,
// and says which.
func (b *bench) runsEither() {
	b.Helper()
	if brief(b.world.Live(b.T)) == brief(b.new.Live) {
		b.runsNew()
	} else {
		b.runsOld()
	}
}

// brief makes contents readable in a failure.
func brief(content []byte) string {
	return fmt.Sprintf("%q… %d bytes, sha256 %.4x", content[:min(len(content), 16)], len(content), sha256.Sum256(content))
}
