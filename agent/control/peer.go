package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"syscall"
	"unsafe" //nolint:depguard // x/sys reads this option as a text only, which ends at a zero

	"golang.org/x/sys/unix"
)

// Whoever can open the socket's file may look. To change something a peer must
// be root, the agent's own user, or a member of the socket's group. The file's
// mode 0660 says the same; this also holds when the file has been opened to
// everybody, so that a screen may show the status.

// peer is the process at the other end of a connection, as it was when it
// connected. All of it comes from the socket: a process number may belong to
// another process by now, a descriptor may have been passed on.
type peer struct {
	uid    uint32
	groups []uint32 // the primary one first
}

// peerKey is where a connection's peer stands in its requests' contexts.
type peerKey struct{}

// withPeer notes who is at the other end of a connection.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	if known, is := c.(*peerConn); is {
		return context.WithValue(ctx, peerKey{}, known.peer)
	}
	return ctx // a peer that may change nothing
}

// peerOf asks the kernel for the credentials that a peer had when it connected.
func peerOf(c net.Conn) (*peer, error) {
	conn, is := c.(*net.UnixConn)
	if !is {
		return nil, errors.New("is no Unix socket")
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var p *peer
	var failure error
	err = raw.Control(func(fd uintptr) {
		var user *unix.Ucred
		if user, failure = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); failure == nil {
			p = &peer{uid: user.Uid, groups: append([]uint32{user.Gid}, furtherGroups(fd)...)}
		}
	})
	return p, errors.Join(err, failure)
}

// maxGroups is Linux's own limit, NGROUPS_MAX.
const maxGroups = 65536

// furtherGroups asks for the supplementary groups of a peer. Before Linux 4.13
// there is no answer: then only its primary group counts.
func furtherGroups(fd uintptr) []uint32 {
	for room := 64; room <= maxGroups; room *= 32 {
		groups := make([]uint32, room)
		size := uint32(4 * len(groups))
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&groups[0])), uintptr(unsafe.Pointer(&size)), 0)
		switch errno {
		case 0:
			return groups[:size/4]
		case unix.ERANGE:
		default:
			return nil
		}
	}
	return nil
}

// changing admits only peers that may change something.
func (s *Server) changing(do http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p, _ := r.Context().Value(peerKey{}).(*peer)
		if err := s.admit(p); err != nil {
			refuse(w, http.StatusForbidden, err.Error())
			return
		}
		do(w, r)
	}
}

// admit says why a peer may not change anything, or nil.
func (s *Server) admit(p *peer) error {
	if p == nil {
		return errors.New("the agent cannot tell who asks, so it changes nothing")
	}
	if p.trusted() {
		return nil
	}
	if group, err := groupOf(s.Path); err == nil && slices.Contains(p.groups, group) {
		return nil
	}
	return fmt.Errorf("user %d may look and change nothing: be root, the agent's user, or a member of the group of %s",
		p.uid, s.Path)
}

// trusted reports whether a peer is root or the agent's own user.
func (p *peer) trusted() bool { return p.uid == 0 || int(p.uid) == os.Geteuid() }

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
