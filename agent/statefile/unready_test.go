package statefile_test

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent/statefile"
)

// readOnly is a disk that can be written, or not.
type readOnly struct {
	*memory
	is bool
}

func (d *readOnly) Open(name string) (statefile.File, error) {
	if d.is {
		return nil, syscall.EROFS
	}
	return d.memory.Open(name)
}

func (d *readOnly) Remove(name string) error {
	if d.is {
		return syscall.EROFS
	}
	return d.memory.Remove(name)
}

// A device starts on a disk that takes nothing with all that it knew, saves nothing
// there, and goes on where it was when the disk takes something again.
func TestReadOnlyDisk(t *testing.T) {
	for name, spoil := range map[string]func(*readOnly){
		"both files":       func(*readOnly) {},
		"one is missing":   func(d *readOnly) { delete(d.live, "state.0") }, // of the first and the third save
		"a part is left":   func(d *readOnly) { d.live["package-app.json.part"] = &inode{} },
		"one is shortened": func(d *readOnly) { d.live["state.0"].live = nil },
	} {
		t.Run(name, func(t *testing.T) {
			disk := &readOnly{memory: newMemory()}
			s, _ := loaded(t, statefile.Config{Disk: disk})
			require.NoError(t, s.Save(numbered(1)))
			require.NoError(t, s.KeepPackage(packageFor("app", 1)))
			require.NoError(t, s.Close())

			spoil(disk)
			disk.is = true
			s, state := loaded(t, statefile.Config{Disk: disk})
			assert.Equal(t, 1, number(state))
			assert.Equal(t, packageFor("app", 1), s.KeptPackage("app"))
			assert.ErrorIs(t, s.Health().Failure, syscall.EROFS, "before the first save, too")
			for range 2 {
				assert.ErrorIs(t, s.Save(numbered(2)), syscall.EROFS)
			}
			disk.is = false
			for n := 2; n < 5; n++ {
				require.NoError(t, s.Save(numbered(n)))
				require.NoError(t, s.Health().Failure)
			}
			assert.Equal(t, packageFor("app", 1), s.KeptPackage("app"))
			require.NoError(t, s.Close())
			s, state = loaded(t, statefile.Config{Disk: disk})
			assert.Equal(t, 4, number(state))
			assert.NoError(t, s.Health().Worn)
		})
	}
}

// Where there is no state at all on a disk that takes nothing, nothing is known of
// the device: the file system that has it may come later.
func TestEmptyReadOnlyDisk(t *testing.T) {
	disk := &readOnly{memory: newMemory(), is: true}
	disk.live["lost+found"] = &inode{}
	_, err := openState(statefile.Config{Disk: disk})
	require.ErrorIs(t, err, syscall.EROFS)
	assert.True(t, statefile.Passes(err))
}
