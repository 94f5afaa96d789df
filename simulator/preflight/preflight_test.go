package preflight

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// roomy is a machine on which only files are short.
func roomy(files int64) Machine {
	return Machine{Files: files, Ports: 28232, Memory: 64 << 30, Processors: 2}
}

func run(devices int, embedded bool) Run {
	return Run{Devices: devices, Sessions: []int{devices}, Embedded: embedded}
}

func TestExamine(t *testing.T) {
	cramped := func(memory int64) Machine {
		m := roomy(20000)
		m.Memory = memory
		return m
	}
	behind := run(30000, true)
	behind.Sessions = []int{1000, 2000}
	sourced := run(50000, false)
	sourced.Sources = 2
	secure := run(19000, false)
	secure.Secure = true
	chunky := run(1000, true)
	chunky.Chunk = 4 << 20
	big := run(10, true)
	big.Images = 1 << 30
	for name, tt := range map[string]struct {
		run     Run
		machine Machine
		want    Mend
	}{
		"fits":                                {run(9700, true), roomy(20000), Mend{}},
		"both ends are here":                  {run(9701, true), roomy(20000), Mend{Shards: 2}},
		"one end is here":                     {run(19400, false), roomy(20000), Mend{}},
		"one too many":                        {run(19401, false), roomy(20000), Mend{Shards: 2}},
		"25,000":                              {run(25000, true), roomy(20000), Mend{Shards: 3}},
		"a part fits without":                 {run(700, true), roomy(1024), Mend{Shards: 4}},
		"gateways speak for the others":       {behind, roomy(20000), Mend{}},
		"more than ports":                     {run(30000, true), roomy(1 << 20), Mend{Shards: 2}},
		"more than ports, of a shared broker": {run(30000, false), roomy(1 << 20), Mend{Sources: 2}},
		"ports of two addresses":              {sourced, roomy(1 << 20), Mend{}},
		"more than ports of two addresses":    {run(57000, false), roomy(1 << 20), Mend{Sources: 3}},
		"ports and files":                     {run(57000, false), roomy(20000), Mend{Sources: 3, Shards: 3}},
		"ports and memory":                    {run(57000, false), cramped(10 << 20), Mend{Over: true}},
		"memory of an external broker":        {run(19000, false), cramped(510 << 20), Mend{}},
		"memory of TLS":                       {secure, cramped(510 << 20), Mend{Shards: 2, InTurn: true}},
		"chunks of downloads":                 {chunky, cramped(1 << 30), Mend{Shards: 5, InTurn: true}},
		"memory for all processes at once":    {run(19000, true), cramped(3 << 30), Mend{Shards: 2}},
		"memory for one process at a time":    {run(19000, true), cramped(2 << 30), Mend{Shards: 2, InTurn: true}},
		"memory alone":                        {run(9000, true), cramped(1 << 30), Mend{Shards: 2, InTurn: true}},
		"memory for nothing":                  {big, cramped(1 << 30), Mend{Over: true}},
		"no files":                            {run(1, true), roomy(601), Mend{Over: true}},
		"nothing is known":                    {run(1_000_000, true), Machine{}, Mend{}},
	} {
		t.Run(name, func(t *testing.T) {
			result := Examine(tt.run, tt.machine)
			assert.Equal(t, tt.want, result.Mend)
			assert.Equal(t, tt.want == Mend{}, result.Fits())
			short := 0
			for i, c := range result.Checks {
				assert.Equal(t, Resource(i), c.Resource)
				if !c.Fits() {
					short++
				}
			}
			assert.Equal(t, result.Fits(), short == 0, "%v", result.Checks)
		})
	}
}

// TestWhatMendsFits holds the advice to its word.
func TestWhatMendsFits(t *testing.T) {
	for devices := 1; devices < 200_000; devices = devices*3/2 + 1 {
		for _, embedded := range []bool{true, false} {
			for _, files := range []int64{1024, 4096, 20000, 1 << 20} {
				m := roomy(files)
				r := run(devices, embedded)
				got := Examine(r, m).Mend
				require.False(t, got.Over, "%d devices", devices)
				r.Sources = got.Sources
				part := r.Part(max(1, got.Shards))
				assert.GreaterOrEqual(t, part.Devices*max(1, got.Shards), devices)
				assert.True(t, Examine(part, m).Fits(), "%d devices, %d files: %+v", devices, files, got)
				if got.Shards > 1 {
					assert.False(t, Fits(r.Part(got.Shards-1), m), "fewer processes would do")
				}
			}
		}
	}
}

func TestLook(t *testing.T) {
	m, err := Look()
	require.NoError(t, err)
	assert.Positive(t, m.Processors)
	assert.Positive(t, m.Files)
	assert.Greater(t, m.Memory, int64(1<<20), "this is Linux")
	assert.Greater(t, m.Ports, int64(100))
}

func TestWhatTheSystemSays(t *testing.T) {
	assert.Equal(t, int64(28232), portsIn("32768\t60999\n"))
	assert.Equal(t, int64(0), portsIn("2 1"))
	for _, text := range []string{"", "1", "a b", "1 2 3"} {
		assert.LessOrEqual(t, portsIn(text), int64(0), text)
	}
	assert.Equal(t, int64(23598<<20),
		availableIn("MemTotal:       24683000 kB\nMemAvailable:   24164352 kB\nBuffers: 1 kB\n"))
	assert.Zero(t, availableIn("MemTotal: 1 kB\n"))
	assert.Equal(t, int64(700), leftIn("1000\n", "300\n"))
	assert.Equal(t, int64(1), leftIn("1000\n", "3000\n"))
	assert.Zero(t, leftIn("max\n", "300\n"))
	assert.Zero(t, leftIn("", ""))
	assert.Equal(t, int64(unlimited), bounded(1<<64-1))
}

// TestGroups are looked at from the process's own up, in either version.
func TestGroups(t *testing.T) {
	const root = "/sys/fs/cgroup"
	for name, tt := range map[string]struct {
		membership string
		files      map[string]string
		want       []int64
	}{
		"none": {"0::/\n", nil, nil},
		"v2 nested": {"0::/a/b\n", map[string]string{root + "/a/memory.max": "1000\n", root + "/a/memory.current": "300\n",
			root + "/a/b/memory.max": "max\n"}, []int64{700}},
		"v2 both": {"0::/a/b\n", map[string]string{root + "/a/memory.max": "1000", root + "/a/b/memory.max": "600"},
			[]int64{600, 1000}},
		"v2 inside": {"0::/../x\n", map[string]string{root + "/memory.max": "500"}, []int64{500}},
		"v1": {"4:memory:/a\n3:cpuset:/\n", map[string]string{root + "/memory/a/memory.limit_in_bytes": "262144000",
			root + "/memory/a/memory.usage_in_bytes": "44000"}, []int64{262100000}},
		"v1 shared": {"4:cpu,memory:/\n", map[string]string{root + "/memory/memory.limit_in_bytes": "9223372036854771712"},
			nil},
		"hybrid":     {"4:memory:/\n0::/a\n", map[string]string{root + "/unified/a/memory.max": "800"}, []int64{800}},
		"no process": {"gone", nil, nil},
	} {
		assert.Equal(t, tt.want, groupsLeft(root, tt.membership, func(path string) string { return tt.files[path] }), name)
	}
	assert.Equal(t, int64(1000<<20-200<<10), leftOf(1000<<20, "VmPeak:  1 kB\nVmSize:\t  200 kB\n"))
	assert.Equal(t, int64(1), leftOf(1<<20, "VmSize: 9000 kB\n"))
}
