package firmware

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestInheritedDescriptorsStayHere(t *testing.T) {
	for name, keep := range map[string]func(){"at once": KeepDescriptors, "one by one": func() { keepListed(3) }} {
		fd, err := unix.Open("/dev/null", unix.O_RDONLY, 0) // without close-on-exec, as an inherited one
		require.NoError(t, err)
		has := Program{Args: []string{"/bin/sh", "-c", fmt.Sprintf("[ -e /proc/self/fd/%d ]", fd)}, Limit: time.Minute}
		before, err := has.Run(t.Context())
		require.NoError(t, err)
		keep()
		after, err := has.Run(t.Context())
		require.NoError(t, err)
		require.NoError(t, unix.Close(fd))
		assert.Equal(t, []int{0, 1}, []int{before.Exit, after.Exit}, name)
	}
}
