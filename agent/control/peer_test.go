package control

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWhoMayChangeSomething(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.sock")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	group, err := groupOf(path)
	require.NoError(t, err)
	s := &Server{Path: path}
	const nobody = 65534
	for name, test := range map[string]struct {
		peer *peer
		may  bool
	}{
		"root":                      {&peer{0, []uint32{nobody}}, true},
		"the agent's user":          {&peer{uint32(os.Geteuid()), []uint32{nobody}}, true},
		"of the socket's group":     {&peer{12345, []uint32{group}}, true},
		"of the group among others": {&peer{12345, []uint32{nobody, group + 2, group}}, true},
		"another user":              {&peer{12345, []uint32{group + 1}}, false},
		"unknown to the kernel":     {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			err := s.admit(test.peer)
			assert.Equal(t, test.may, err == nil, "%v", err)
		})
	}
	require.NoError(t, os.Remove(path))
	assert.Error(t, s.admit(&peer{12345, []uint32{group}}), "without a socket no user is of its group")
}

// The kernel tells all groups of a peer, as they were when it connected.
func TestPeerOfASocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.sock")
	socket, err := net.Listen("unix", path)
	require.NoError(t, err)
	defer socket.Close()
	client, err := net.Dial("unix", path)
	require.NoError(t, err)
	defer client.Close()
	conn, err := socket.Accept()
	require.NoError(t, err)
	defer conn.Close()

	p, err := peerOf(conn)
	require.NoError(t, err)
	assert.Equal(t, uint32(os.Geteuid()), p.uid)
	want := []uint32{uint32(os.Getegid())}
	further, err := os.Getgroups()
	require.NoError(t, err)
	for _, g := range further {
		want = append(want, uint32(g))
	}
	assert.Equal(t, want, p.groups)
}

func TestConnectionsHaveALimit(t *testing.T) {
	l := &listener{open: map[uint32]int{}}
	for range 1000 {
		assert.True(t, l.enter(&peer{uid: 0}), "root is never kept out")
	}
	user := func(n int) *peer { return &peer{uid: uint32(100000 + n)} }
	for i := range maxOfUser + 3 {
		assert.Equal(t, i < maxOfUser, l.enter(user(0)))
	}
	for n := 1; l.all < maxOfAll; n++ {
		require.True(t, l.enter(user(n)))
	}
	assert.False(t, l.enter(user(99)), "all together have a limit too")
	for range maxOfUser {
		l.leave(user(0))
	}
	assert.True(t, l.enter(user(99)))
	assert.NotContains(t, l.open, user(0).uid)
}
