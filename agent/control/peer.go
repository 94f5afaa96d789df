package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Whoever can open the socket's file may look. To change something a peer must
// be root, the agent's own user, or a member of the socket's group. The file's
// mode 0660 says the same; this holds too when somebody has opened the file to
// all, so that a screen may show the status.

// peerKey is where a connection's peer stands in its requests' contexts.
type peerKey struct{}

// withPeer notes who is at the other end of a connection.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	peer, err := peerOf(c)
	if err != nil {
		return ctx // nobody that may change anything
	}
	return context.WithValue(ctx, peerKey{}, peer)
}

// peerOf asks the kernel for the credentials that a peer had when it connected.
func peerOf(c net.Conn) (*unix.Ucred, error) {
	conn, is := c.(*net.UnixConn)
	if !is {
		return nil, errors.New("is no Unix socket")
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var peer *unix.Ucred
	var failure error
	err = raw.Control(func(fd uintptr) { peer, failure = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	return peer, errors.Join(err, failure)
}

// changing lets only those do something who may.
func (s *Server) changing(do http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		peer, _ := r.Context().Value(peerKey{}).(*unix.Ucred)
		if err := s.admit(peer); err != nil {
			refuse(w, http.StatusForbidden, err.Error())
			return
		}
		do(w, r)
	}
}

// admit says why a peer may not change anything, or nil.
func (s *Server) admit(peer *unix.Ucred) error {
	if peer == nil {
		return errors.New("the agent cannot tell who asks, so it changes nothing")
	}
	group, err := groupOf(s.Path)
	switch {
	case peer.Uid == 0 || int(peer.Uid) == os.Geteuid():
		return nil
	case err == nil && (peer.Gid == group || slices.Contains(groupsOf(peer.Pid), group)):
		return nil
	}
	return fmt.Errorf("user %d may look and change nothing: be root, the agent's user, or a member of the group of %s", peer.Uid, s.Path)
}

// groupOf is the group of a file.
func groupOf(path string) (uint32, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	stat, is := info.Sys().(*syscall.Stat_t)
	if !is {
		return 0, errors.New("the system does not tell the group of a file")
	}
	return stat.Gid, nil
}

// groupsOf reads the further groups of a process; none where they cannot be
// read.
func groupsOf(pid int32) (groups []uint32) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return nil
	}
	defer f.Close()
	for in := bufio.NewScanner(f); in.Scan(); {
		list, is := strings.CutPrefix(in.Text(), "Groups:")
		if !is {
			continue
		}
		for _, field := range strings.Fields(list) {
			if g, err := strconv.ParseUint(field, 10, 32); err == nil {
				groups = append(groups, uint32(g))
			}
		}
	}
	return groups
}
