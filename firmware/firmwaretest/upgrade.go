package firmwaretest

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

func testUpgrade(b *bench) {
	b.runsOld()
	b.take(0, staged)
	b.runsOld()
	b.take(staged, activated)
	b.runsNew()
	b.take(activated, len(steps()))
	b.runsNew()
}

func testTwice(b *bench) {
	for i := range steps() {
		b.take(i, i+1)
		b.take(i, i+1)
		b.runsEither()
	}
	b.runsNew()
	require.NoError(b, b.revert(background()))
	require.NoError(b, b.revert(background()))
	b.runsOld()
}

func testRestarts(b *bench) {
	for i := range steps() {
		b.restart()
		b.take(i, i+1)
		b.restart()
		b.runsEither()
	}
	b.runsNew()
}

func testRevert(b *bench) {
	for done := range len(steps()) + 1 {
		for _, restarted := range []bool{false, true} {
			b.renew()
			b.take(0, done)
			if restarted {
				b.restart()
			}
			require.NoError(b, b.revert(background()), "revert after %d steps", done)
			b.runsOld()
			b.restart()
			b.runsOld()
			b.take(0, len(steps()))
			b.runsNew()
		}
	}
}

func testRevertUnopened(b *bench) {
	require.NoError(b, b.revert(background()))
	b.runsOld()
}

func testSecondUpgrade(b *bench) {
	b.take(0, len(steps()))
	b.upgradeTo(second, third)
	b.runsOld()
	for i := range steps() {
		b.take(i, i+1)
		b.runsEither()
	}
	b.runsNew()
	require.NoError(b, b.revert(background()))
	b.runsOld()
}

func testUpgradeAfterRevert(b *bench) {
	b.take(0, activated)
	require.NoError(b, b.revert(background()))
	b.upgradeTo(first, third)
	b.take(0, staged)
	b.runsOld()
	b.take(staged, len(steps()))
	b.runsNew()
	require.NoError(b, b.revert(background()))
	b.runsOld()
}

func testResume(b *bench) {
	places, err := b.open(background())
	require.NoError(b, err)
	data := b.new.Data[0]
	half := len(data) / 2
	_, err = places[0].WriteAt(data[:half], 0)
	require.NoError(b, err)
	require.NoError(b, places[0].Sync())
	closePlaces(places)

	b.restart()
	places, err = b.open(background())
	require.NoError(b, err)
	require.Equal(b, brief(data[:half]), brief(read(b, places[0], half)), "bytes of the same job are lost")
	closePlaces(places)
	b.take(0, len(steps()))
	b.runsNew()
}

func testOtherJob(b *bench) {
	b.take(0, 1)
	written, file := b.new.Data[0], b.new.Files[0]
	b.upgradeTo(first, third)
	places, err := b.open(background())
	require.NoError(b, err)
	found := read(b, places[0], len(written))
	closePlaces(places)
	for c := range file.Chunks {
		if b.subject.KeepsBlocks {
			break // its hashes do not fit this job; staging below shows that no byte comes through
		}
		offset, length := file.ChunkAt(c)
		require.False(b, holds(bytes.NewReader(found), offset, length, file.Chunks[c]), "chunk %d of another job is kept", c)
	}
	b.take(0, len(steps()))
	b.runsNew()
}

func read(b *bench, place io.ReaderAt, size int) []byte {
	found := make([]byte, size)
	n, err := place.ReadAt(found, 0)
	if err != nil {
		require.ErrorIs(b, err, io.EOF)
	}
	return found[:n]
}

func testWrongBytes(b *bench) {
	for position := range 3 {
		b.renew()
		b.take(0, 1)
		places, err := b.open(background())
		require.NoError(b, err)
		data := b.new.Data[0]
		at := (len(data) - 1) * position / 2
		_, err = places[0].WriteAt([]byte{data[at] ^ 1}, int64(at))
		require.NoError(b, err)
		require.NoError(b, places[0].Sync())
		closePlaces(places)
		b.refused("wrong byte")
	}
}

func testMissingBytes(b *bench) {
	places, err := b.open(background())
	require.NoError(b, err)
	closePlaces(places)
	b.refused("no bytes")

	b.renew()
	require.Error(b, b.installer.Stage(background(), b.job), "staged without a place")
	b.runsOld()
}

// refused checks that Stage refuses what is in the places, that nothing of it
// becomes live, and that the device gets over it.
func (b *bench) refused(what string) {
	b.Helper()
	err := b.installer.Stage(background(), b.job)
	var failure *ota.Failure
	require.ErrorAs(b, err, &failure, what)
	assert.Contains(b, []ota.Code{ota.DigestMismatch, ota.UnpackFailed, ota.DeltaFailed}, failure.Code, what)
	_, err = b.installer.Activate(background(), b.job)
	require.Error(b, err, "activated although staging failed: %s", what)
	b.runsOld()
	require.NoError(b, b.revert(background()))
	b.runsOld()
	b.take(0, len(steps()))
	b.runsNew()
}

func testUnstaged(b *bench) {
	_, err := b.installer.Activate(background(), b.job)
	require.Error(b, err, "activated before it was opened")
	b.take(0, 1)
	_, err = b.installer.Activate(background(), b.job)
	require.Error(b, err, "activated before it was staged")
	b.runsOld()
}

func testTooLarge(b *bench) {
	huge := b.job
	huge.Files = append([]ota.File(nil), b.job.Files...)
	huge.Files[0].Size = ota.MaxFileSize
	_, err := b.installer.Open(background(), huge)
	var failure *ota.Failure
	require.ErrorAs(b, err, &failure)
	assert.Contains(b, []ota.Code{ota.SpaceLow, ota.TooLarge}, failure.Code)
	assert.NotEmpty(b, failure.Detail)
	b.runsOld()
	b.take(0, len(steps()))
	b.runsNew()
}

func testEndedContext(b *bench) {
	ended, cancel := context.WithCancel(background())
	cancel()
	for i, s := range steps() {
		if err := s.take(b, ended); err != nil {
			assert.False(b, errors.Is(err, firmware.ErrRetry), "%s asks to be repeated when it was stopped", s.name)
		}
		b.restart()
		b.runsEither()
		b.take(i, i+1)
	}
	b.runsNew()
	_ = b.revert(ended) // it may be done or not
	b.restart()
	b.runsEither()
	require.NoError(b, b.revert(background()))
	b.runsOld()
}
