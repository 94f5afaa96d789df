package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"otafleet/simulator/preflight"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// needs is what a run of the chosen devices takes of a machine.
func (c *choice) needs(embedded bool) preflight.Run {
	r := preflight.Run{Devices: c.selected.Devices(), Images: images(c.scenario), Embedded: embedded}
	for i := range c.scenario.Fleets {
		if c.scenario.Fleets[i].Behind == "" {
			r.Sessions = append(r.Sessions, c.selected.Count(i))
		}
	}
	return r
}

// images is the size of all packages of a scenario.
func images(s *scenario.Scenario) int64 {
	made, n := map[scenario.PackageName]bool{}, int64(0)
	for i := range s.Plans {
		for k := range s.Plans[i].Components {
			c := &s.Plans[i].Components[k]
			if name := c.PackageOf(s.Plans[i].Product); !made[name] {
				made[name] = true
				n += c.Size
			}
		}
	}
	return n
}

// writeChecks lists what a run needs against what there is.
func writeChecks(w io.Writer, result preflight.Result) {
	for _, c := range result.Checks {
		mark := "✓"
		if !c.Fits() {
			mark = "✗"
		}
		amount := func(n int64) string { return fmt.Sprint(n) }
		name := map[preflight.Resource]string{preflight.Files: "open files", preflight.Ports: "ports", preflight.Memory: "memory"}[c.Resource]
		if c.Resource == preflight.Memory {
			amount = verdict.Bytes
		}
		have := "nobody knows how many there are"
		if c.Have > 0 {
			have = amount(c.Have)
		}
		fmt.Fprintf(w, "  %s %-14s %s of %s\n", mark, name, amount(c.Need), have)
	}
}

// writeMend says what lets a run fit, as commands that then work.
func writeMend(w io.Writer, result preflight.Result, command runCommand) {
	files, ports, memory := result.Checks[preflight.Files], result.Checks[preflight.Ports], result.Checks[preflight.Memory]
	switch m := result.Mend; {
	case m.Shards > 0:
		how := "at once"
		if m.InTurn {
			how = "one after the other"
		}
		fmt.Fprintf(w, "In %d processes %s it fits:\n\n%s", m.Shards, how, command.shards(m))
	case !ports.Fits():
		fmt.Fprint(w, "All sessions go to one broker, so several processes would not help. As root, give it more ports:\n\n"+
			"  sysctl -w net.ipv4.ip_local_port_range='1024 65535'\n")
	default:
		fmt.Fprint(w, "No number of processes would help: it takes a larger machine, or a smaller scenario.\n")
	}
	fmt.Fprintf(w, "\nWithout sockets it fits in any case:\n\n  %s\n", command.virtual())
	if !files.Fits() && ports.Fits() && memory.Fits() {
		fmt.Fprintf(w, "\nFor one process, root would have to raise the limit of open files: ulimit -n %d\n", files.Need)
	}
}

// runCommand is a command line of ota-sim run.
type runCommand struct {
	program  string
	scenario string
	name     string   // of the scenario
	flags    []string // all, as --name=value
}

// String is the command line as a shell takes it.
func (c runCommand) String() string {
	return quoted(slices.Concat([]string{c.program, "run"}, c.flags, []string{c.scenario})...)
}

// virtual is the command line of the same run in virtual time.
func (c runCommand) virtual() string {
	meaningless, kept := socketFlags(), []string{"--virtual"}
	for _, flag := range c.flags {
		if name, _, _ := strings.Cut(strings.TrimPrefix(flag, "--"), "="); !slices.Contains(meaningless, name) {
			kept = append(kept, flag)
		}
	}
	return quoted(slices.Concat([]string{c.program, "run"}, kept, []string{c.scenario})...)
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
		case "shard", "metrics", "quiet":
		default:
			kept = append(kept, flag)
			if name == "stand-in" && prefix == "" {
				prefix = "ota/v1"
			}
		}
	}
	end := "& done; wait"
	if m.InTurn {
		end = "; done"
	}
	if prefix != "" {
		kept = append(kept, "--prefix="+prefix+"/$i")
	}
	each := quoted(slices.Concat([]string{c.program, "run", "--quiet", fmt.Sprintf("--shard=$i/%d", m.Shards), "--out=" + out + "-$i"}, kept, []string{c.scenario})...)
	merge := quoted(slices.Concat([]string{c.program, "merge"}, outputs)...)
	return fmt.Sprintf("  for i in $(seq %d); do %s %s\n  %s $(seq -f %s-%%g %d)\n",
		m.Shards, each, end, merge, quoted(out), m.Shards)
}

// quoted writes words so that a shell takes them as they are. Where a word has
// the variable $i, that is left to the shell.
func quoted(words ...string) string {
	const safe = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789%+,-./:=@_"
	text := make([]string, len(words))
	for i, word := range words {
		parts := strings.Split(word, "$i")
		for k, part := range parts {
			if strings.Trim(part, safe) != "" || word == "" {
				parts[k] = "'" + strings.ReplaceAll(part, "'", `'\''`) + "'"
			}
		}
		text[i] = strings.Join(parts, "$i")
	}
	return strings.Join(text, " ")
}
