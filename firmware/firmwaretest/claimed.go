package firmwaretest

import (
	"crypto/md5" //nolint:gosec // as platforms do
	"crypto/sha256"
	"encoding/hex"

	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
)

// testClaimed upgrades on a platform's word: the file has no chunks, is written as it
// comes, over a restart, and its SHA-256 is known after that only. An image that is
// transferred in another form than its own needs a signed manifest.
func testClaimed(b *bench) {
	if len(b.job.Files) != 1 || b.job.Files[0].Encoding != ota.Plain {
		return
	}
	data := b.new.Data[0]
	sum := md5.Sum(data) //nolint:gosec // as platforms do
	claim := ota.Claim{Target: b.job.Target, Name: b.job.Files[0].Name, Size: int64(len(data)),
		Sum: ota.Checksum{Kind: ota.MD5, Hex: hex.EncodeToString(sum[:])}}
	b.job.Files = []ota.File{claim.File()}

	half := len(data) / 3
	b.write(data[:half], 0)
	b.restart()
	b.write(data[half:], half)
	require.Error(b, b.installer.Stage(background(), b.job), "staged before it is known what has come")
	require.NoError(b, b.revert(background()))

	b.renew()
	b.job.Files = []ota.File{claim.File()}
	b.write(data[:half], 0)
	b.restart()
	b.write(data[half:], half)
	b.restart()
	b.job.Files[0].SHA256 = sha256.Sum256(data)
	b.take(1, len(steps()))
	b.runsNew()
	require.NoError(b, b.revert(background()))
	b.runsOld()
}

// write writes a part of the job's file into its place, and finds the part before it
// there.
func (b *bench) write(part []byte, offset int) {
	b.Helper()
	places, err := b.open(background())
	require.NoError(b, err)
	defer closePlaces(places)
	require.Equal(b, brief(b.new.Data[0][:offset]), brief(read(b, places[0], offset)), "what was written is lost")
	const piece = 1000
	for at := 0; at < len(part); at += piece {
		_, err = places[0].WriteAt(part[at:min(at+piece, len(part))], int64(offset+at))
		require.NoError(b, err)
	}
	require.NoError(b, places[0].Sync())
}
