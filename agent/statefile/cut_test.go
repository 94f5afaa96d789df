package statefile_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/agent/statefile"
)

// numbered is a state that can be told from the others. Its size changes with
// its number, over the reserve of the cut tests and back.
func numbered(n int) *agent.State {
	s := &agent.State{Components: []agent.Component{{ID: "app", Version: strconv.Itoa(n)}}}
	for i := range (n * 5) % 12 {
		s.Components = append(s.Components, agent.Component{ID: fmt.Sprintf("c%d", i), Version: strings.Repeat("v", 60)})
	}
	return s
}

// number tells which state it is; 0 for none.
func number(s *agent.State) int {
	if s == nil {
		return 0
	}
	n, _ := strconv.Atoi(s.Components[0].Version)
	return n
}

const saves = 5

// boot opens the state file of a disk, saves on from the state that it finds, and
// tells the last state whose Save came back.
func boot(disk *memory) (last int) {
	s, err := openState(statefile.Config{Disk: disk, Reserve: 700})
	if err != nil {
		return 0
	}
	if _, err := s.Load(); err != nil {
		return 0
	}
	for n := 1; n <= saves; n++ {
		if s.Save(numbered(n)) != nil {
			return n - 1
		}
	}
	return saves
}

// TestCuts cuts the power at every operation of a device's life and, where that
// is a write, after every byte of it. Whatever the disk then kept of what was
// not synced, the next start finds the last state or the one before it.
func TestCuts(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	cuts := 0
	for at := 1; ; at++ {
		whole := newMemory()
		whole.cutAt = at
		boot(whole)
		if whole.ops < at {
			break
		}
		for to := 0; to <= whole.written; to++ {
			disk := newMemory()
			disk.cutAt, disk.cutTo = at, to
			last := boot(disk)
			for f := range fates {
				checkAfterCut(t, disk.afterCut(f, random), last, fmt.Sprintf("cut at operation %d, byte %d, fate %d", at, to, f))
				cuts++
			}
		}
	}
	require.Greater(t, cuts, 10_000)
}

func checkAfterCut(t *testing.T, disk *memory, last int, when string) {
	t.Helper()
	s, err := openState(statefile.Config{Disk: disk, Reserve: 700})
	require.NoError(t, err, when)
	state, err := s.Load()
	require.NoError(t, err, when)
	got := number(state)
	require.True(t, got == last || got == last+1, "%s: saved %d, found %d", when, last, got)

	require.NoError(t, s.Save(numbered(7)), when)
	require.NoError(t, s.Close(), when)
	s, err = openState(statefile.Config{Disk: disk, Reserve: 700})
	require.NoError(t, err, when)
	state, err = s.Load()
	require.NoError(t, err, when)
	require.Equal(t, 7, number(state), when)
}

// TestCutsOfPackages cuts while a package address is replaced and dropped.
func TestCutsOfPackages(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for at := 1; ; at++ {
		whole := newMemory()
		_, _ = packageBoot(whole, at, 0)
		if whole.ops < at {
			return
		}
		for to := 0; to <= whole.written; to++ {
			disk := newMemory()
			sure, possible := packageBoot(disk, at, to)
			for f := range fates {
				next := disk.afterCut(f, random)
				s, err := openState(statefile.Config{Disk: next, Reserve: 700})
				require.NoError(t, err)
				found := 0
				if p := s.KeptPackage("app"); p != nil {
					found = p.Attempt
				}
				require.Contains(t, []int{sure, possible}, found, "cut at operation %d, byte %d, fate %d", at, to, f)
				for name := range next.live {
					require.NotContains(t, name, ".part")
				}
			}
		}
	}
}

// packageBoot keeps two addresses one after the other and drops the second. It
// tells the attempt of the one that is surely kept and of the one that may be; 0
// stands for none.
func packageBoot(disk *memory, cutAt, cutTo int) (sure, possible int) {
	disk.cutAt, disk.cutTo = cutAt, cutTo
	s, err := openState(statefile.Config{Disk: disk, Reserve: 700})
	if err != nil {
		return 0, 0
	}
	for attempt := 1; attempt <= 2; attempt++ {
		if s.KeepPackage(packageFor("app", attempt)) != nil {
			return attempt - 1, attempt
		}
	}
	s.ForgetPackage("app")
	if disk.ops >= cutAt {
		return 2, 0
	}
	return 0, 0
}
