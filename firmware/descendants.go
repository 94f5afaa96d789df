package firmware

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"otafleet/internal/files"
)

// run is one run of a program. Everything that the program starts inherits its
// mark, whatever groups and sessions it makes; so it can be found, by this agent
// or by the next one, and nothing of another run is.
type run struct {
	id    string
	trace string
	known map[process]bool // found so far: a child of one of them counts, without a mark too
}

// process is a process that cannot be taken for a later one of its number.
type process struct {
	pid   int
	start string // ticks since the machine's start
}

// runVariable is the environment variable that holds a run's id.
const runVariable = "OTA_RUN"

// begin ends what is left of the run before, and begins one. A run of another
// program that lives, such as an agent beside this one, is left alone.
func (p Program) begin() (*run, error) {
	r := &run{id: rand.Text(), known: map[process]bool{}}
	if p.Trace == "" {
		return r, nil
	}
	self, _, _ := readStat("/proc/self/stat")
	const limit = 4 << 10
	content, err := files.Read(p.Trace, limit)
	if files.NoFile(err) { // it names no run, and can take none
		err = os.RemoveAll(p.Trace)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if before, owner := parseTrace(string(content)); before != nil {
		now, _, alive := readStat(filepath.Join("/proc", strconv.Itoa(owner.pid), "stat"))
		if alive && now == owner && owner != self {
			return r, nil
		}
		if err := before.end(0); err != nil {
			return nil, err
		}
	}
	r.trace = p.Trace
	return r, os.WriteFile(p.Trace, fmt.Appendf(nil, "%s %d %s\n", r.id, self.pid, self.start), 0o600)
}

// parseTrace reads which run a trace names, and whose; nil where it names none.
func parseTrace(text string) (*run, process) {
	fields := strings.Fields(text)
	if len(fields) != 3 {
		return nil, process{}
	}
	pid, err := strconv.Atoi(fields[1])
	if err != nil {
		return nil, process{}
	}
	return &run{id: fields[0], known: map[process]bool{}}, process{pid, fields[2]}
}

func (r *run) mark() string { return runVariable + "=" + r.id }

// over forgets the run.
func (r *run) over() error {
	if r.trace == "" {
		return nil
	}
	return os.Remove(r.trace)
}

// end ends what the run has started: SIGTERM, after the grace SIGKILL. The error
// names what does not end, such as a process that waits for a broken disk.
func (r *run) end(grace time.Duration) error {
	const pause, patience = 10 * time.Millisecond, 5 * time.Second
	if grace > 0 {
		r.signal(syscall.SIGTERM)
	}
	began := time.Now()
	for {
		left := r.find()
		if len(left) == 0 {
			return nil
		}
		if waited := time.Since(began); waited > grace+patience {
			return fmt.Errorf("process %d, which it has started, does not end", left[0].pid)
		} else if waited >= grace {
			r.signal(syscall.SIGKILL)
		}
		time.Sleep(pause)
	}
}

func (r *run) signal(s syscall.Signal) {
	for _, p := range r.find() {
		_ = syscall.Kill(p.pid, s) // it may have ended, or be another user's
	}
}

// find finds what the run has started and still lives.
func (r *run) find() []process {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil // the pattern is right
	}
	parents := make(map[process]int)
	for _, path := range stats {
		if p, parent, alive := readStat(path); alive && p.pid != os.Getpid() {
			parents[p] = parent
			if !r.known[p] && r.marked(p.pid) {
				r.known[p] = true
			}
		}
	}
	for grew := true; grew; {
		grew = false
		pids := make(map[int]bool)
		for p := range r.known {
			pids[p.pid] = true
		}
		for p, parent := range parents {
			if !r.known[p] && pids[parent] {
				r.known[p], grew = true, true
			}
		}
	}
	var found []process
	for p := range r.known {
		if _, alive := parents[p]; alive {
			found = append(found, p)
		} else {
			delete(r.known, p)
		}
	}
	return found
}

// marked reports whether a process was started with the run's mark.
func (r *run) marked(pid int) bool {
	environment, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "environ"))
	return err == nil && bytes.Contains(append([]byte{0}, environment...), []byte("\x00"+r.mark()+"\x00"))
}

// readStat reads /proc/PID/stat; a process that waits to be reaped does not live.
func readStat(path string) (p process, parent int, alive bool) {
	content, err := os.ReadFile(path)
	number, _, _ := strings.Cut(string(content), " ")
	pid, atoiErr := strconv.Atoi(number)
	// The name in parentheses may hold anything; what is after it are numbers.
	fields := strings.Fields(string(content[bytes.LastIndexByte(content, ')')+1:]))
	const start = 19 // of the fields after the name
	if err != nil || atoiErr != nil || len(fields) <= start || fields[0] == "Z" || fields[0] == "X" {
		return process{}, 0, false
	}
	parent, err = strconv.Atoi(fields[1])
	return process{pid, fields[start]}, parent, err == nil
}
