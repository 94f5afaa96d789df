package barrier

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"
)

// protocol is the version of what the processes say to each other.
const protocol = 1

// A message is a JSON object on a line. The other shards ask, shard 1 answers.
const (
	maxLine  = 8 << 10
	maxFacts = 16
	maxName  = 64 // of a fact, and of an identity
	maxValue = 256
)

// request is what a process asks shard 1 with.
type request struct {
	Hello *hello `json:"hello,omitempty"` // in the first one of a connection
	Ready bool   `json:"ready,omitempty"` // it could begin
}

// hello says who asks.
type hello struct {
	Protocol int    `json:"protocol"`
	ID       string `json:"id"` // of the process, drawn anew by each
	Shard    int    `json:"shard"`
	Shards   int    `json:"shards"`
	Facts    []Fact `json:"facts"`
}

// answer is what shard 1 says.
type answer struct {
	Since   int64  `json:"since"`             // nanoseconds of its monotonic clock, from some moment on
	Clock   int64  `json:"clock"`             // its wall clock, in nanoseconds since 1970
	Missing []int  `json:"missing,omitempty"` // the first shards that are not ready
	More    int    `json:"more,omitempty"`    // how many are not ready beside them
	Start   int64  `json:"start,omitempty"`   // when the run begins, as Since has it; 0 while it is not known
	Over    bool   `json:"over,omitempty"`    // time is over for those that are missing
	Refused string `json:"refused,omitempty"` // why the process may not begin
	Late    bool   `json:"late,omitempty"`    // of a process that is refused: the run has begun without it
}

func (h *hello) String() string { return fmt.Sprintf("%d/%d", h.Shard, h.Shards) }

// check says what is wrong with a hello.
func (h *hello) check() error {
	switch {
	case h.Protocol < 1 || h.ID == "" || len(h.ID) > maxName:
		return errors.New("it does not say who it is")
	case h.Shards < 1 || h.Shards > MaxShards || h.Shard < 1 || h.Shard > h.Shards:
		return fmt.Errorf("there is no shard %d/%d", h.Shard, h.Shards)
	}
	return checkFacts(h.Facts)
}

func checkFacts(facts []Fact) error {
	if len(facts) > maxFacts {
		return fmt.Errorf("%d facts are too many: at most %d", len(facts), maxFacts)
	}
	for _, fact := range facts {
		if fact.Name == "" || len(fact.Name) > maxName || len(fact.Value) > maxValue {
			return fmt.Errorf("the fact %.64q is too long, or has no name", fact.Name)
		}
	}
	return nil
}

// parseRequest reads a request.
func parseRequest(line []byte) (*request, error) {
	r := &request{}
	if err := json.Unmarshal(line, r); err != nil {
		return nil, err
	}
	if r.Hello == nil {
		return r, nil
	}
	return r, r.Hello.check()
}

// longestRun bounds what monotonic clocks show, and longestLead how far ahead a start is.
const (
	longestRun  = 10 * 365 * 24 * time.Hour
	longestLead = time.Minute
)

// parseAnswer reads an answer.
func parseAnswer(line []byte) (*answer, error) {
	a := &answer{}
	switch err := json.Unmarshal(line, a); {
	case err != nil:
		return nil, err
	case a.Since < 0 || a.Since > int64(longestRun) || a.More < 0 || a.More > MaxShards:
		return nil, errors.New("its time cannot be")
	case a.Start != 0 && (a.Start < 0 || a.Start > a.Since+int64(longestLead)):
		return nil, errors.New("its start cannot be")
	}
	return a, nil
}

// line is a connection on which lines are said and heard.
type line struct {
	conn   net.Conn
	reader *bufio.Reader
}

func newLine(conn net.Conn) *line { return &line{conn, bufio.NewReaderSize(conn, maxLine)} }

// read reads a line, for which there is a time.
func (l *line) read(within time.Duration) ([]byte, error) {
	if err := l.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		return nil, err
	}
	return l.reader.ReadSlice('\n')
}

// write writes a message, for which there is a time.
func (l *line) write(message any, within time.Duration) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	if err := l.conn.SetWriteDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	_, err = l.conn.Write(append(text, '\n'))
	return err
}
