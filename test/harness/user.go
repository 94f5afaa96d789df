package harness

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// nobody is the user who owns nothing but what Own gives him.
const nobody = 65534

// asNobody runs a program without the rights of root, for whom no file is
// closed. Where the test has no such rights it runs as it is.
func asNobody() *syscall.SysProcAttr {
	if os.Geteuid() != 0 {
		return nil
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
}

// Own gives everything under a path to the user of RunAsNobody and StartAsNobody.
func Own(t testing.TB, path string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	err := filepath.WalkDir(path, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, nobody, nobody)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// RunAsNobody is Run without the rights of root.
func RunAsNobody(t testing.TB, dir, program string, args ...string) Outcome {
	t.Helper()
	return runWith(t, asNobody(), dir, program, args...)
}

// StartAsNobody is Start without the rights of root.
func StartAsNobody(t testing.TB, dir, program string, args ...string) *Process {
	t.Helper()
	return startWith(t, asNobody(), dir, program, args...)
}
