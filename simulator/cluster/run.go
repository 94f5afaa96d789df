package cluster

import (
	"fmt"
	"hash/fnv"
	"regexp"
	"strings"
	"time"

	"otafleet/internal/ota"
	"otafleet/internal/yamlform"
)

// Run is a run of a scenario in shards.
type Run struct {
	Name     string // of what is made of it, by Name or by the user
	Scenario string // its name
	Text     []byte // of the scenario
	Devices  int
	Shards   int
	Virtual  bool
	Together bool          // the shards begin at the same moment
	Within   time.Duration // that the first of them waits for the others
	Embedded bool          // each shard has a platform of its own
	Flags    []string      // of ota-sim run, alike for all shards
	Verdict  []string      // flags of ota-sim merge
	Out      string        // place below which the shards keep their histories
	Memory   int64         // bytes that a shard takes at most
	Sessions int64         // of a shard: each needs a port
	Millis   int           // thousandths of a processor that a shard is given
	Lasts    time.Duration // that a shard may take, the wait for its start included
	Env      []Variable    // of all shards, and of merge
}

// Variable is one of the environment.
type Variable struct{ Name, Value string }

// Exit codes of ota-sim (docs/SCENARIOS.md), by what is done about them.
const (
	exitUsage       = 2 // no try can help
	exitPreflight   = 3 // nor here: all tasks are given the same
	exitUnreachable = 4 // no shard reaches it
	exitFailed      = 1
	exitShardLost   = 5
	exitAgain       = 6 // it broke off, and nothing is lost with it
)

const (
	mostTries = 3 // further tries of a shard

	// What merging takes at most: histories are streamed, but of each device there is a
	// record. A million devices were measured at 614 MiB.
	mergeBase, mergeDevice = 256 << 20, 1 << 10

	// patience is how long merge waits beyond the time that shards may take.
	patience = 10 * time.Minute

	// startPort is where shard 1 waits for the others.
	startPort = 7070
)

// longestName leaves room for what is added to a name, in the 63 characters of a DNS
// label: the number of a shard, or a hash.
const longestName = 50

// CheckName says why what a run makes cannot have a name: it becomes a DNS label
// (RFC 1035), that of the service too.
func CheckName(name string) error {
	if !regexp.MustCompile(`^[a-z]([a-z0-9-]*[a-z0-9])?$`).MatchString(name) || len(name) > longestName {
		return fmt.Errorf("%.100q is no name for a cluster: want 1 to %d of a-z, 0-9 and -, with a letter first and no - "+
			"last", name, longestName)
	}
	return nil
}

// Name makes a name of a scenario's. Two that would become the same get other ends.
func Name(scenario string) string {
	var b strings.Builder
	for _, r := range scenario {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			b.WriteRune(r)
		} else {
			b.WriteByte('-')
		}
	}
	name := "ota-sim-" + b.String()
	if CheckName(name) == nil && b.String() == scenario {
		return name
	}
	end := fmt.Sprintf("-%08x", hashOf(scenario))
	return strings.TrimRight(name[:min(len(name), longestName-len(end))], "-") + end
}

// hashOf tells texts apart in names.
func hashOf(text string) uint32 {
	sum := fnv.New32a()
	sum.Write([]byte(text))
	return sum.Sum32()
}

// words are those of the command that runs a shard of the scenario at a path.
func (r *Run) words(scenario string) []string {
	words := []string{"run", scenario, "--shard=auto", "--verdict=merge", "--quiet", "--out=" + r.Out}
	return append(words, r.Flags...)
}

// merging are those of the command that makes the verdict, after so long a wait.
func (r *Run) merging(atMost time.Duration) []string {
	words := []string{"merge", r.Out, fmt.Sprint("--wait=", r.Shards), "--wait-at-most=" + yamlform.FormatDuration(atMost)}
	return append(words, r.Verdict...)
}

// summary says what is run, in lines.
func (r *Run) summary() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%.100q: %s in %s, ", r.Scenario, ota.Counted(r.Devices, "device"), ota.Counted(r.Shards, "shard"))
	if r.Virtual {
		fmt.Fprintf(&b, "in virtual time. A shard that breaks off\nis tried again, at most %d times.\n", mostTries)
	} else {
		b.WriteString("in the real world. A shard that breaks off\nstays lost, and is named.\n")
	}
	if r.Embedded {
		b.WriteString("Each shard has a broker, a store and a fake platform of its own, in its process.\n")
	}
	return b.String()
}

// mergeMemory is what merging takes.
func (r *Run) mergeMemory() int64 { return mergeBase + int64(r.Devices)*mergeDevice }

// limited is what Go may use of memory (GOMEMLIMIT), so that it is not all taken. A shard
// of the real world sees to that by itself.
func limited(memory int64) int64 { return memory / 10 * 9 }

// mebibytes rounds up.
func mebibytes(bytes int64) int64 { return (bytes + 1<<20 - 1) >> 20 }
