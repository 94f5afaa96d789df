package main

import (
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"otafleet/internal/ota"
	"otafleet/internal/shell"
	"otafleet/simulator/preflight"
	"otafleet/simulator/scenario"
)

// needs is what a run of the chosen devices takes of a machine, in that world and
// from so many source addresses.
func (c *choice) needs(f *worldFlags, sources int) preflight.Run {
	r := preflight.Run{Devices: c.selected.Devices(), Embedded: f.broker == "",
		Secure: strings.HasPrefix(f.broker, "mqtts:"), Sources: sources}
	r.Images, r.Chunk = images(c.scenario)
	for i := range c.scenario.Fleets {
		if c.scenario.Fleets[i].Behind == "" {
			r.Sessions = append(r.Sessions, c.selected.Count(i))
		}
	}
	return r
}

// images is the size of all packages of a scenario, and of their largest chunk.
func images(s *scenario.Scenario) (bytes, chunk int64) {
	made := map[scenario.PackageName]bool{}
	for i := range s.Plans {
		for _, p := range s.Plans[i].Making() {
			for k := range p.Components {
				c := &p.Components[k]
				if name := c.PackageOf(p.Product); !made[name] {
					made[name] = true
					bytes += c.Size
					chunk = max(chunk, int64(c.Chunk))
				}
			}
		}
	}
	return bytes, chunk
}

// tooMany begins a sentence about a run that is too large.
func (c *choice) tooMany() string {
	if c.selected.Devices() == 1 {
		return "1 device does not fit"
	}
	return fmt.Sprintf("%d devices do not fit", c.selected.Devices())
}

// writeChecks lists what a run needs against what there is.
func writeChecks(w io.Writer, result preflight.Result) {
	for _, c := range result.Checks {
		mark := "✓"
		if !c.Fits() {
			mark = "✗"
		}
		amount := func(n int64) string { return fmt.Sprint(n) }
		name := map[preflight.Resource]string{preflight.Files: "open files", preflight.Ports: "ports",
			preflight.Memory: "memory"}[c.Resource]
		if c.Resource == preflight.Memory {
			amount = ota.FormatSize
		}
		have := "an unknown number"
		if c.Have > 0 {
			have = amount(c.Have)
		}
		fmt.Fprintf(w, "  %s %-14s %s of %s\n", mark, name, amount(c.Need), have)
	}
}

// writeMend says what lets a run fit, as commands that then work.
func writeMend(w io.Writer, result preflight.Result, command runCommand) {
	command = command.inFile(w)
	files, ports, memory := result.Checks[preflight.Files], result.Checks[preflight.Ports], result.Checks[preflight.Memory]
	m := result.Mend
	if m.Sources > 0 {
		command = command.from(w, m.Sources)
	}
	switch {
	case m.Over:
		fmt.Fprint(w, "No number of processes would help: it takes a larger machine, or a smaller scenario.\n")
	case m.Shards > 0:
		how := "at once"
		if m.InTurn {
			how = "one after the other"
		}
		fmt.Fprintf(w, "In %d processes %s it fits:\n\n%s", m.Shards, how, command.shards(m))
	case m.Sources > 0:
		fmt.Fprintf(w, "So it fits:\n\n  %s\n", command)
	}
	if m.Sources > 0 {
		fmt.Fprint(w, "\nOr root gives each address more ports:\nsysctl -w net.ipv4.ip_local_port_range='1024 65535'\n")
	}
	if line, can := command.virtually(); can {
		fmt.Fprintf(w, "\nIn virtual time it fits:\n\n  %s\n", line)
	}
	if !files.Fits() && ports.Fits() && memory.Fits() {
		fmt.Fprintf(w, "\nFor one process, root would have to raise the limit of open files:\nulimit -n %d\n", files.Need)
	}
}

// runCommand is a command line of ota-sim run.
type runCommand struct {
	scenario string
	name     string   // of the scenario
	broker   string   // its URL; empty if it is embedded
	flags    []string // all, as --name=value
}

// commandOf is the command line that runs a scenario with the flags that were given.
func commandOf(s *source, broker string, given *pflag.FlagSet) runCommand {
	return runCommand{scenario: shell.Path(s.name), name: s.Scenario.Name, broker: broker, flags: changed(given)}
}

// String is the command line as a shell takes it.
func (c runCommand) String() string {
	return shell.Line(slices.Concat([]string{"ota-sim", "run"}, c.flags, []string{c.scenario})...)
}

// inFile is the command line of a scenario that can be read again: what has come
// through a pipe has to be put into a file.
func (c runCommand) inFile(w io.Writer) runCommand {
	if state, err := os.Stat(c.scenario); c.scenario != "./-" && (err != nil || state.Mode().IsRegular()) {
		return c
	}
	c.scenario = "SCENARIO"
	fmt.Fprint(w, "The scenario came through a pipe. Put it into a file, and the file's name for SCENARIO.\n")
	return c
}

// from is the command line from so many source addresses. It says which ones: all
// of a loopback are this machine's, elsewhere those must be named that are.
func (c runCommand) from(w io.Writer, sources int) runCommand {
	fmt.Fprintf(w, "Sessions with one broker need a port each, so they must come from %s of this machine.\n",
		ota.Counted(sources, "address"))
	addresses := "FIRST-LAST"
	if u, err := url.Parse(c.broker); err == nil && loopback(u.Hostname()) {
		addresses = fmt.Sprintf("127.0.0.1-127.0.%d.%d", sources>>8, sources&0xff)
	} else {
		fmt.Fprintf(w, "Put the first and the last of them for FIRST and LAST.\n")
	}
	c.flags = slices.DeleteFunc(slices.Clone(c.flags),
		func(flag string) bool { return strings.HasPrefix(flag, "--source-addresses=") })
	c.flags = append(c.flags, "--source-addresses="+addresses)
	return c
}

// loopback reports whether a host is this one, by IPv4.
func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.Is4() && a.IsLoopback()
}

// virtually is the command line in virtual time, unless the run is about a broker
// or a store.
func (c runCommand) virtually() (line string, can bool) {
	words, sockets := []string{"ota-sim", "run", "--virtual"}, socketFlags()
	for _, flag := range c.flags {
		switch name, _, _ := strings.Cut(strings.TrimPrefix(flag, "--"), "="); {
		case name == "metrics" || name == "prefix" || name == "source-addresses":
		case slices.Contains(sockets, name):
			return "", false
		default:
			words = append(words, flag)
		}
	}
	return shell.Line(append(words, c.scenario)...), true
}

// shards are the command lines that run all shards and merge them.
func (c runCommand) shards(m preflight.Mend) string {
	var kept, outputs []string
	out, prefix := c.name+"-shard", ""
	for _, flag := range c.flags {
		name, value, _ := strings.Cut(strings.TrimPrefix(flag, "--"), "=")
		switch name {
		case "json", "junit", "html":
			outputs = append(outputs, flag)
		case "out":
			out = value
		case "prefix":
			prefix = value
		case "shard", "metrics", "profile", "quiet":
		default:
			kept = append(kept, flag)
			if name == "fake-platform" && prefix == "" {
				prefix = "ota/v1"
			}
		}
	}
	end := "& done; wait"
	if m.InTurn {
		end = "; done"
	}
	each := shell.Line("--out="+out+"-") + "$i"
	if len(kept) > 0 {
		each += " " + shell.Line(kept...)
	}
	if prefix != "" {
		each += " " + shell.Line("--prefix="+prefix+"/") + "$i"
	}
	dirs := make([]string, m.Shards)
	for i := range dirs {
		dirs[i] = fmt.Sprint(out, "-", i+1)
	}
	return fmt.Sprintf("  for i in $(seq %d); do ota-sim run --quiet --shard=$i/%d %s %s %s\n  %s\n",
		m.Shards, m.Shards, each, shell.Line(c.scenario), end,
		shell.Line(slices.Concat([]string{"ota-sim", "merge"}, outputs, dirs)...))
}
