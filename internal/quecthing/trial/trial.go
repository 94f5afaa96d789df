// Package trial reads recordings of what the device SDK and a platform have said to
// each other, for the tests of both sides.
//
// One flow through it: ReadAll reads the folder testdata/trials of package
// quecthing; a test goes through the Lines of each Trial, gives its own side what
// the other one said, each line typed by its Content, and compares what its own side
// answers with the recorded lines. Another recording is one more file in the folder.
//
// The package says nothing of what a line means for an upgrade.
package trial

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Trial is one recording.
type Trial struct {
	Name    string            // of the file, without its ending
	About   string            // what was tried
	Variant string            // of the SDK: A, or B with multi-file packages, or C, an AT module
	Env     map[string]string // settings of the device: MCU (its version list), FLASH (bytes free), SCALE, PK, DK, PS, …
	// Scale is how many times faster the device's clock ran: times the time between
	// two lines it is the device's time.
	Scale int
	Lines []Line
}

// Line is one event of a recording.
type Line struct {
	Number int           // in the file, from 1
	At     time.Duration // since the recording began
	Who    Who
	Text   string // as recorded
	// Content is one of the types of this package, by Who. It is nil for notes, and
	// for what says nothing of either side: outputs of the recording's own tools.
	Content any
}

// Who is where a line comes from.
type Who string

// The sources of lines.
const (
	Up     Who = "UP"     // from the device to the platform: Opened to Ping
	Down   Who = "DOWN"   // from the platform to the device: Connack, Suback, Publish, Ack, Pong
	Client Who = "CLIENT" // seen on the device: Boot, Event, Return, State
	App    Who = "APP"    // the device's application: Call
	HTTP   Who = "HTTP"   // the download server: Request, Answer
	Note   Who = "NOTE"   // of the recorder
)

// ReadAll reads every recording in a directory, in the order of their names. Files
// that do not begin with "# trial" have another form and are left out.
func ReadAll(dir string) ([]Trial, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("no recording in %s: %w", dir, errors.Join(err, os.ErrNotExist))
	}
	slices.Sort(names)
	var all []Trial
	for _, name := range names {
		text, err := os.ReadFile(filepath.Clean(name))
		if err != nil {
			return nil, fmt.Errorf("cannot read a recording: %w", err)
		}
		if !strings.HasPrefix(string(text), "# trial ") {
			continue
		}
		t, err := Parse(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, t)
	}
	return all, nil
}

// Parse reads a recording. Its error names the line.
func Parse(text string) (Trial, error) {
	t := Trial{Scale: 1, Env: map[string]string{}}
	for i, line := range strings.Split(text, "\n") {
		if head, is := strings.CutPrefix(line, "# "); is {
			t.head(head)
			continue
		}
		if strings.TrimSpace(line) == "" {
			continue
		}
		parsed, err := parseLine(line)
		if err != nil {
			return t, fmt.Errorf("line %d: %w", i+1, err)
		}
		parsed.Number = i + 1
		t.Lines = append(t.Lines, parsed)
	}
	return t, nil
}

// head takes a line of the head: name, what was tried, client and settings.
func (t *Trial) head(line string) {
	name, named := strings.CutPrefix(line, "trial ")
	client, set := strings.CutPrefix(line, "client: SDK variant ")
	switch {
	case named:
		t.Name = name
	case set:
		variant, env, _ := strings.Cut(client, ", env ")
		t.Variant = variant
		for _, pair := range strings.Split(strings.Trim(env, "{}"), ", ") {
			if key, value, whole := strings.Cut(pair, ": "); whole {
				t.Env[strings.Trim(key, "'")] = strings.Trim(value, "'")
			}
		}
		if scale, err := strconv.Atoi(t.Env["SCALE"]); err == nil {
			t.Scale = scale
		}
	case t.About == "" && !strings.HasPrefix(line, "columns: "):
		t.About = line
	}
}

// parseLine reads "  1234 WHO    text".
func parseLine(line string) (Line, error) {
	at, rest, _ := strings.Cut(strings.TrimLeft(line, " "), " ")
	who, text, _ := strings.Cut(rest, " ")
	ms, err := strconv.Atoi(at)
	if err != nil {
		return Line{}, fmt.Errorf("it does not begin with milliseconds: %q", line)
	}
	l := Line{At: time.Duration(ms) * time.Millisecond, Who: Who(who), Text: strings.TrimLeft(text, " ")}
	switch l.Who {
	case Up:
		l.Content, err = parseUp(l.Text)
	case Down:
		l.Content, err = parseDown(l.Text)
	case Client:
		l.Content = parseClient(l.Text)
	case App:
		l.Content = Call(strings.Fields(strings.TrimPrefix(l.Text, "> ")))
	case HTTP:
		l.Content = parseHTTP(l.Text)
	case Note:
	default:
		err = fmt.Errorf("%q is no source of lines", who)
	}
	return l, err
}
