package real

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/firmware"
	"otafleet/internal/bundle"
	"otafleet/internal/ota"
	"otafleet/simulator/model"
)

const testChunk = 4 << 10

// bench is a flash on its way from 1.0.0 to another version.
type bench struct {
	*testing.T
	flash *flash
	wrong []string // what the flash complained of
}

func newBench(t *testing.T) *bench {
	b := &bench{T: t}
	b.flash = &flash{chunks: &chunks{}, slots: model.Slots{Running: "1.0.0", Restart: firmware.RestartSystem},
		wrong: func(text string) { b.wrong = append(b.wrong, text) }}
	return b
}

// content is what a version consists of: a few chunks, the last one short.
func content(version string) []byte {
	var seed [32]byte
	copy(seed[:], version)
	random := make([]byte, 10*testChunk+100)
	_, _ = rand.NewChaCha8(seed).Read(random) // never fails
	return random
}

func jobTo(t *testing.T, version string) firmware.Job {
	t.Helper()
	file, err := bundle.Describe("app.bin", bytes.NewReader(content(version)), testChunk)
	require.NoError(t, err)
	return firmware.Job{Component: "app", Source: "1.0.0", Target: version, Files: []ota.File{file}}
}

func (b *bench) open(job firmware.Job) firmware.Target {
	b.Helper()
	places, err := b.flash.Open(b.Context(), job)
	require.NoError(b, err)
	require.Len(b, places, 1)
	return places[0]
}

// fill writes chunks from one number up to another.
func (b *bench) fill(job firmware.Job, from, to int) {
	b.Helper()
	place := b.open(job)
	for i := from; i < to; i++ {
		at, length := job.Files[0].ChunkAt(i)
		n, err := place.WriteAt(content(job.Target)[at:at+length], at)
		require.NoError(b, err)
		require.Equal(b, int(length), n)
	}
	require.NoError(b, place.Sync())
	require.NoError(b, place.Close())
}

func (b *bench) fillAll(job firmware.Job) { b.Helper(); b.fill(job, 0, len(job.Files[0].Chunks)) }

// upgrade takes every step, so often each.
func (b *bench) upgrade(job firmware.Job, times int) {
	b.Helper()
	b.fillAll(job)
	for range times {
		require.NoError(b, b.flash.Stage(b.Context(), job))
	}
	later := job
	later.Files = nil // the manifest need not be there any more
	for range times {
		restart, err := b.flash.Activate(b.Context(), later)
		require.NoError(b, err)
		assert.Equal(b, firmware.RestartSystem, restart)
	}
	for range times {
		require.NoError(b, b.flash.Commit(b.Context(), later))
	}
	b.runs(job.Target)
}

func (b *bench) runs(version string) {
	b.Helper()
	found, err := b.flash.Inspect(b.Context())
	require.NoError(b, err)
	require.Equal(b, version, found.Version)
}

func (b *bench) revert(job firmware.Job) firmware.Restart {
	b.Helper()
	restart, err := b.flash.Revert(b.Context(), job)
	require.NoError(b, err)
	return restart
}

func TestFlashUpgrades(t *testing.T) {
	for _, times := range []int{1, 2} { // a step that is repeated after a cut
		b := newBench(t)
		b.upgrade(jobTo(t, "1.1.0"), times)
		b.upgrade(jobTo(t, "1.2.0"), times)
		assert.Empty(t, b.wrong)
		assert.Equal(t, int64(2*len(content(""))), b.flash.writtenBytes())
	}
}

// TestFlashRollsBack reverts after each number of steps; it says again what it
// needs when it is repeated, and the next upgrade works.
func TestFlashRollsBack(t *testing.T) {
	job := jobTo(t, "1.1.0")
	steps := []func(*bench){
		func(b *bench) { b.fillAll(job) },
		func(b *bench) { require.NoError(b, b.flash.Stage(b.Context(), job)) },
		func(b *bench) { _, err := b.flash.Activate(b.Context(), job); require.NoError(b, err) },
		func(b *bench) { require.NoError(b, b.flash.Commit(b.Context(), job)) },
	}
	const activated = 3
	for done := range len(steps) + 1 {
		b := newBench(t)
		for _, step := range steps[:done] {
			step(b)
		}
		want := firmware.RestartNone
		if done >= activated {
			want = firmware.RestartSystem
		}
		assert.Equal(t, want, b.revert(job), "after %d steps", done)
		b.runs("1.0.0")
		assert.Equal(t, want, b.revert(job), "again after %d steps", done)
		b.runs("1.0.0")
		b.upgrade(jobTo(t, "1.2.0"), 1)
		assert.Equal(t, firmware.RestartSystem, b.revert(jobTo(t, "1.2.0")))
		b.runs("1.0.0")
	}
}

func TestFlashKeepsChunksOfTheSameJob(t *testing.T) {
	b := newBench(t)
	job := jobTo(t, "1.1.0")
	b.fill(job, 0, 3)
	b.fill(job, 5, 6)
	place := b.open(job)
	found := make([]byte, 6*testChunk)
	n, err := place.ReadAt(found, 0)
	require.NoError(t, err)
	assert.Equal(t, len(found), n)
	want := bytes.Clone(content("1.1.0")[:6*testChunk])
	clear(want[3*testChunk : 5*testChunk])
	assert.Equal(t, want, found, "zeros where nothing was written")

	n, err = place.ReadAt(found, 4*testChunk+10)
	require.ErrorIs(t, err, io.EOF, "the file ends behind the last chunk")
	assert.Equal(t, 2*testChunk-10, n)
	_, err = place.ReadAt(found[:1], -1)
	require.Error(t, err)
	assert.Equal(t, int64(4*testChunk), b.flash.writtenBytes())

	err = b.flash.Stage(t.Context(), job)
	assert.Equal(t, ota.DigestMismatch, failureCode(t, err), "chunks are missing")
	b.fill(job, 3, 5)
	b.fill(job, 6, 11)
	require.NoError(t, b.flash.Stage(t.Context(), job))
	assert.Equal(t, int64(len(content(""))), b.flash.writtenBytes())
}

func TestFlashDropsChunksOfAnotherJob(t *testing.T) {
	b := newBench(t)
	b.fillAll(jobTo(t, "1.1.0"))
	place := b.open(jobTo(t, "1.2.0"))
	_, err := place.ReadAt(make([]byte, 1), 0)
	require.ErrorIs(t, err, io.EOF)
	require.Error(t, b.flash.Stage(t.Context(), jobTo(t, "1.1.0")))
}

// TestFlashRefusesWrongBytes: an unsimulated flash could not know better; this
// one knows that none may write what is not signed.
func TestFlashRefusesWrongBytes(t *testing.T) {
	job := jobTo(t, "1.1.0")
	wrong := make([]byte, testChunk)
	for _, known := range []bool{false, true} {
		b := newBench(t)
		if known {
			b.fill(job, 0, 1)
		}
		_, err := b.open(job).WriteAt(wrong, 0)
		require.ErrorContains(t, err, "not the signed one")
		assert.Equal(t, []string{"app.bin: unverified bytes were written as chunk 0"}, b.wrong)
		b.upgrade(job, 1)
		assert.Len(t, b.wrong, 1, "the right bytes are right all the same")
	}
	b := newBench(t)
	place := b.open(job)
	for _, write := range []struct {
		length int
		at     int64
	}{{1, 0}, {testChunk, 1}, {2 * testChunk, 0}, {testChunk, 10 * testChunk}, {testChunk, 11 * testChunk},
		{testChunk, -testChunk}, {100, 10*testChunk - 1}} {
		_, err := place.WriteAt(make([]byte, write.length), write.at)
		require.ErrorContains(t, err, "whole chunks", "%v", write)
	}
	assert.Empty(t, b.wrong, "a clumsy write is an error, not a violation")
}

func TestFlashActivatesOnlyWhatIsStaged(t *testing.T) {
	b := newBench(t)
	job := jobTo(t, "1.1.0")
	_, err := b.flash.Activate(t.Context(), job)
	assert.Equal(t, ota.InstallerFailed, failureCode(t, err))
	b.fillAll(job)
	_, err = b.flash.Activate(t.Context(), job)
	assert.Equal(t, ota.InstallerFailed, failureCode(t, err))
	assert.Equal(t, ota.VerifyFailed, failureCode(t, b.flash.Commit(t.Context(), job)))
	b.runs("1.0.0")
}

// TestFlashIsCutWhileItInstalls leaves the old version running, and the staged
// one to be activated again.
func TestFlashIsCutWhileItInstalls(t *testing.T) {
	b := newBench(t)
	b.flash.install = time.Hour
	job := jobTo(t, "1.1.0")
	b.fillAll(job)
	require.NoError(t, b.flash.Stage(t.Context(), job))
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	_, err := b.flash.Activate(ctx, job)
	require.ErrorIs(t, err, context.Canceled)
	b.runs("1.0.0")
	b.flash.install = 0
	_, err = b.flash.Activate(t.Context(), job)
	require.NoError(t, err)
	b.runs("1.1.0")
}

// TestChunksAreBounded: what does not fit is verified and not kept, and reads as
// zeros, so that it is fetched again.
func TestChunksAreBounded(t *testing.T) {
	b := newBench(t)
	b.flash.chunks.bytes = maxChunkMemory
	job := jobTo(t, "1.1.0")
	b.fill(job, 0, 1)
	found := make([]byte, testChunk)
	_, err := b.open(job).ReadAt(found, 0)
	require.NoError(t, err)
	assert.Equal(t, make([]byte, testChunk), found)
	_, err = b.open(job).WriteAt(found, 0)
	require.Error(t, err)
	assert.Len(t, b.wrong, 1)
	b.upgrade(job, 1)
}

func failureCode(t *testing.T, err error) ota.Code {
	t.Helper()
	var failure *ota.Failure
	require.True(t, errors.As(err, &failure), "%v", err)
	return failure.Code
}
