package control

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestWhoMayChangeSomething(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.sock")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	group, err := groupOf(path)
	require.NoError(t, err)
	s := &Server{Path: path}
	const nobody, noProcess = 65534, 1 << 30
	for name, test := range map[string]struct {
		peer *unix.Ucred
		may  bool
	}{
		"root":                         {&unix.Ucred{Pid: noProcess, Uid: 0, Gid: nobody}, true},
		"the agent's user":             {&unix.Ucred{Pid: noProcess, Uid: uint32(os.Geteuid()), Gid: nobody}, true},
		"of the socket's group":        {&unix.Ucred{Pid: noProcess, Uid: 12345, Gid: group}, true},
		"of the group among others":    {&unix.Ucred{Pid: int32(os.Getpid()), Uid: 12345, Gid: nobody}, hasGroup(t, group)},
		"somebody else":                {&unix.Ucred{Pid: noProcess, Uid: 12345, Gid: group + 1}, false},
		"nobody that the kernel names": {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			err := s.admit(test.peer)
			assert.Equal(t, test.may, err == nil, "%v", err)
		})
	}
	require.NoError(t, os.Remove(path))
	assert.Error(t, s.admit(&unix.Ucred{Uid: 12345, Gid: group}), "without a socket nobody is of its group")
}

// hasGroup reports whether the group is one of this process's further ones.
func hasGroup(t *testing.T, group uint32) bool {
	t.Helper()
	groups, err := os.Getgroups()
	require.NoError(t, err)
	found := groupsOf(int32(os.Getpid()))
	assert.Len(t, found, len(groups))
	for _, g := range groups {
		assert.Contains(t, found, uint32(g))
		if uint32(g) == group {
			return true
		}
	}
	return false
}
