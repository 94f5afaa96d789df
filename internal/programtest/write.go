// Package programtest writes programs that tests run at once.
//
// One flow through it: Write writes a script or an executable file, and the test
// starts it, while other tests of the process start theirs. It starts nothing itself.
package programtest

import (
	"os"
	"syscall"
	"testing"
)

// Write writes a program with these permissions, whatever the umask is.
//
// A process that is forked while the file is open for writing keeps it open until it
// has executed something else, and until then the kernel answers "text file busy" to
// whoever executes the file. So nothing is forked meanwhile.
func Write(t testing.TB, path string, content []byte, mode os.FileMode) {
	t.Helper()
	syscall.ForkLock.RLock()
	err := os.WriteFile(path, content, mode)
	syscall.ForkLock.RUnlock()
	if err == nil {
		err = os.Chmod(path, mode)
	}
	if err != nil {
		t.Fatal(err)
	}
}
