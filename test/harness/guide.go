package harness

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"otafleet/internal/address"
)

// Guide is a reader of README.md's section "On a device", who types what it says
// in a directory that looks like a checkout, and looks for what it shows. The
// programs are built already, and what listens does so elsewhere.
type Guide struct {
	Dir      string
	Platform *Process // as it was started last
	Agent    *Process

	t            testing.TB
	blocks       [][]string // the section's fences, line by line
	platformArgs []string
}

// The fences of the section, in its order.
const (
	makeFence     = iota // makes versions, key and package
	platformFence        // serves the platform
	agentFence           // checks the configuration, then runs the agent
	heardFence           // what the platform prints
	askFence             // commands after a "$ ", each with what it prints
	fences
)

// readerBroker is where the section has its broker.
const readerBroker = "127.0.0.1:1883"

// NewGuide opens the README of the checkout. brokerAddress is where the device
// finds the broker, platformArgs are arguments of the platform beside the
// README's words.
func NewGuide(t testing.TB, programs Programs, checkout, brokerAddress string, platformArgs ...string) *Guide {
	t.Helper()
	dir, err := os.MkdirTemp("", "ota-") // short, for the socket's sake
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	g := &Guide{Dir: dir, t: t, platformArgs: platformArgs}
	_, section, found := strings.Cut(g.read(filepath.Join(checkout, "README.md")), "\n## On a device\n")
	section, _, ends := strings.Cut(section, "\n## ")
	if g.blocks = fencesOf(section); !found || !ends || len(g.blocks) != fences {
		t.Fatalf("README.md: the section \"On a device\" has %d fences, not %d: change this reader with it", len(g.blocks),
			fences)
	}
	config := g.read(filepath.Join(checkout, "examples/agent.yaml"))
	if !strings.Contains(config, readerBroker) {
		t.Fatalf("examples/agent.yaml does not connect to %s", readerBroker)
	}
	g.write("examples/agent.yaml", strings.ReplaceAll(config, readerBroker, brokerAddress))
	g.link("bin/ota-agent", programs.Agent)
	g.link("bin/ota-sim", programs.Sim)
	return g
}

// fencesOf gives what stands between the fences of a document.
func fencesOf(document string) (blocks [][]string) {
	inside := false
	for line := range strings.Lines(document) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "```"):
			if inside = !inside; inside {
				blocks = append(blocks, nil)
			}
		case inside:
			last := len(blocks) - 1
			blocks[last] = append(blocks[last], line)
		}
	}
	return blocks
}

// Follow does all steps. The agent and the platform then run on.
func (g *Guide) Follow() {
	g.t.Helper()
	prepare := g.blocks[makeFence]
	if prepare[0] != "make build" {
		g.t.Fatalf("README.md: the first command is %q, not the build", prepare[0])
	}
	g.Sh(strings.Join(prepare[1:], "\n"))
	g.Serve(g.blocks[platformFence][0])
	agent := g.blocks[agentFence]
	g.Sh(strings.Join(agent[:len(agent)-1], "\n"))
	g.Agent = Start(g.t, g.Dir, "sh", "-c", "exec "+agent[len(agent)-1])
	g.hear()
	g.ask()
}

// Sh runs commands of a reader, who goes on only if they succeed, and returns
// what they print.
func (g *Guide) Sh(commands string) string {
	g.t.Helper()
	outcome := Run(g.t, g.Dir, "sh", "-ec", commands)
	if outcome.Code != 0 {
		g.t.Fatalf("exit code %d of:\n%s\n%s", outcome.Code, commands, outcome.Err)
	}
	return outcome.Out
}

// Serve starts the platform with a reader's command, and platformArgs beside it.
func (g *Guide) Serve(command string) {
	g.t.Helper()
	args := append(
		[]string{"-c", "exec " + command + ` "$@"`, "sh"},
		append([]string{"--page", "127.0.0.1:0"}, g.platformArgs...)...)
	g.Platform = Start(g.t, g.Dir, "sh", args...)
	g.Platform.AwaitOutput(ready)
}

// clock is the time before what the platform prints.
var clock = regexp.MustCompile(`^\d\d:\d\d:\d\d  `)

// hear waits until the platform has printed what the README shows, in its order.
func (g *Guide) hear() {
	g.t.Helper()
	lines := g.blocks[heardFence]
	g.Platform.AwaitOutput(clock.ReplaceAllString(lines[len(lines)-1], ""))
	rest := g.Platform.Output()
	for _, line := range lines {
		words := clock.ReplaceAllString(line, "")
		_, after, found := strings.Cut(rest, "  "+words+"\n")
		if words == line || !found {
			g.t.Fatalf("the platform does not print, in its place: %q", line)
		}
		rest = after
	}
}

// changing is what the README cannot know of an answer: times, versions of the
// program, and the spaces that they need.
var changing = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|up [0-9hms]+|ota-agent/[^ ,]+`)

// ask types the commands of the last step and compares what they print. A reader
// is not so fast that reports still wait for the platform.
func (g *Guide) ask() {
	g.t.Helper()
	status := strings.TrimPrefix(g.blocks[askFence][0], "$ ")
	Await(g.t, "the last acknowledgement", func() bool { return !strings.Contains(g.Sh(status), "wait for the platform") })
	var said, shown strings.Builder
	for _, line := range g.blocks[askFence] {
		shown.WriteString(line + "\n")
		if command, is := strings.CutPrefix(line, "$ "); is {
			said.WriteString(line + "\n" + g.Sh(command))
		}
	}
	same := func(text string) string {
		var lines []string
		for line := range strings.Lines(text) {
			lines = append(lines, strings.TrimSpace(changing.ReplaceAllString(line, "*")))
		}
		return strings.Join(lines, "\n")
	}
	if same(said.String()) != same(shown.String()) {
		g.t.Errorf("README.md shows\n%s\nand the programs say\n%s", shown.String(), said.String())
	}
}

func (g *Guide) read(path string) string {
	g.t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		g.t.Fatal(err)
	}
	return string(content)
}

func (g *Guide) write(name, content string) {
	g.t.Helper()
	path := filepath.Join(g.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		g.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		g.t.Fatal(err)
	}
}

func (g *Guide) link(name, program string) {
	g.t.Helper()
	path := filepath.Join(g.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		g.t.Fatal(err)
	}
	if err := os.Symlink(program, path); err != nil {
		g.t.Fatal(err)
	}
}

// FreeAddress finds a free port of the loopback and keeps it until the test ends,
// whether its server is up or down.
func FreeAddress(t testing.TB) string {
	t.Helper()
	kept, err := address.Keep("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kept.Release)
	return kept.String()
}
