package statefile_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/agent/statefile"
	"otafleet/internal/ota"
)

var _ agent.StateFile = (*statefile.Store)(nil)

// opened is a store as a device uses it: with states and packages in it.
type opened struct {
	*statefile.Store
	memory agent.Memory
}

// openState opens a store.
func openState(cfg statefile.Config) (*opened, error) {
	s, err := statefile.Open(cfg)
	if err != nil {
		return nil, err
	}
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &opened{s, agent.Memory{File: s, Logger: log}}, nil
}

func (o *opened) Load() (*agent.State, error)               { return o.memory.Load() }
func (o *opened) Save(state *agent.State) error             { return o.memory.Save(state) }
func (o *opened) KeepPackage(p *ota.Package) error          { return o.memory.KeepPackage(p) }
func (o *opened) KeptPackage(component string) *ota.Package { return o.memory.KeptPackage(component) }
func (o *opened) ForgetPackage(component string)            { o.memory.ForgetPackage(component) }

func packageFor(component string, attempt int) *ota.Package {
	return &ota.Package{
		Time: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC), Plan: "p-17", Attempt: attempt, Component: component,
		Envelope: ota.Envelope{
			PayloadType: "application/vnd.ota.manifest.v1+json", Payload: []byte(`{}`),
			Signatures: []ota.Signature{{KeyID: strings.Repeat("ab", 32), Sig: make([]byte, 64)}},
		},
		Files: []ota.FileAddress{{Name: "app.bin", URLs: []string{"https://oss.example.com/app.bin?sig=1&x=2"}}},
	}
}

func open(t *testing.T, cfg statefile.Config) *opened {
	t.Helper()
	s, err := openState(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s
}

// loaded is open, with the state that was found.
func loaded(t *testing.T, cfg statefile.Config) (*opened, *agent.State) {
	t.Helper()
	s := open(t, cfg)
	state, err := s.Load()
	require.NoError(t, err)
	return s, state
}

func TestSaveComesAfterLoad(t *testing.T) {
	s := open(t, statefile.Config{Disk: newMemory()})
	assert.ErrorContains(t, s.Save(numbered(1)), "before it has been loaded")
}

func TestStateSurvivesRestarts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lib", "ota-agent")
	for n := range 7 {
		s, err := openState(statefile.Config{Dir: dir})
		require.NoError(t, err)
		state, err := s.Load()
		require.NoError(t, err)
		require.Equal(t, n, number(state))
		require.NoError(t, s.Save(numbered(n+1)))
		assert.Equal(t, statefile.Health{Saves: uint64(n) + 1}, s.Health())
		require.NoError(t, s.Close())
		assert.ErrorIs(t, s.Save(numbered(n)), fs.ErrClosed)
	}
}

func TestNothingIsReadableByOthers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s := open(t, statefile.Config{Dir: dir})
	require.NoError(t, s.KeepPackage(packageFor("app", 1)))
	info, err := os.Stat(dir)
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o700), info.Mode().Perm())
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, files, 4)
	for _, f := range files {
		info, err := f.Info()
		require.NoError(t, err)
		assert.Equal(t, fs.FileMode(0o600), info.Mode().Perm(), f.Name())
	}
}

func TestReserveIsTakenAtOnceAndOnlyGrows(t *testing.T) {
	dir := t.TempDir()
	for _, step := range []struct{ reserve, size int64 }{{4096, 4096}, {8192, 8192}, {1000, 8192}} {
		s, err := openState(statefile.Config{Dir: dir, Reserve: step.reserve})
		require.NoError(t, err)
		require.NoError(t, s.Close())
		for _, name := range []string{"state.0", "state.1"} {
			info, err := os.Stat(filepath.Join(dir, name))
			require.NoError(t, err)
			assert.Equal(t, step.size, info.Size())
		}
	}
}

func TestSecondAgentIsTurnedAway(t *testing.T) {
	dir := t.TempDir()
	first, err := openState(statefile.Config{Dir: dir})
	require.NoError(t, err)
	_, err = openState(statefile.Config{Dir: dir})
	var busy *statefile.Busy
	require.ErrorAs(t, err, &busy)
	assert.Equal(t, os.Getpid(), busy.PID)
	assert.ErrorContains(t, err, dir)
	require.NoError(t, first.Close())
	open(t, statefile.Config{Dir: dir})
}

func TestFullDiskStopsNoSave(t *testing.T) {
	disk := newMemory()
	s, _ := loaded(t, statefile.Config{Disk: disk, Reserve: 700})
	require.NoError(t, s.Save(numbered(1)))
	require.NoError(t, s.KeepPackage(packageFor("app", 1)))
	disk.space = 0

	for range 4 {
		require.NoError(t, s.Save(numbered(12)))
	}
	assert.ErrorIs(t, s.KeepPackage(packageFor("app", 2)), syscall.ENOSPC)
	assert.Equal(t, 1, s.KeptPackage("app").Attempt, "the address before is still there")
	assert.ErrorIs(t, s.Save(numbered(2)), syscall.ENOSPC, "a record that outgrows its file")
	assert.ErrorIs(t, s.Health().Failure, syscall.ENOSPC)

	again, state := loaded(t, statefile.Config{Disk: disk, Reserve: 700})
	assert.Equal(t, 12, number(state))

	disk.space = 1 << 20
	require.NoError(t, again.Save(numbered(2)))
	assert.NoError(t, again.Health().Failure)
}

func TestFailedWriteLeavesTheStateBefore(t *testing.T) {
	disk := newMemory()
	s, _ := loaded(t, statefile.Config{Disk: disk})
	require.NoError(t, s.Save(numbered(1)))
	disk.broken = errors.New("input/output error")
	assert.ErrorIs(t, s.Save(numbered(2)), disk.broken)
	disk.broken = nil
	_, state := loaded(t, statefile.Config{Disk: disk})
	assert.Equal(t, 1, number(state))
	require.NoError(t, s.Save(numbered(3)))
}

func TestOneDamagedFileFallsBack(t *testing.T) {
	dir := t.TempDir()
	s, err := openState(statefile.Config{Dir: dir})
	require.NoError(t, err)
	_, err = s.Load()
	require.NoError(t, err)
	require.NoError(t, s.Save(numbered(1))) // in state.1
	require.NoError(t, s.Save(numbered(2))) // in state.0
	require.NoError(t, s.Close())
	damage(t, filepath.Join(dir, "state.0"), 40)

	var log bytes.Buffer
	s = open(t, statefile.Config{Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	state, err := s.Load()
	require.NoError(t, err)
	assert.Equal(t, 1, number(state))
	assert.ErrorContains(t, s.Health().Worn, "state.0: checksum does not match")
	assert.Contains(t, log.String(), "checksum does not match")
	require.NoError(t, s.Save(numbered(3)))
	state, err = s.Load()
	require.NoError(t, err)
	assert.Equal(t, 3, number(state))
}

func TestTwoDamagedFilesAreKeptAside(t *testing.T) {
	dir := t.TempDir()
	for n := 1; n <= 6; n++ {
		s, err := openState(statefile.Config{Dir: dir, Reserve: 1000})
		require.NoError(t, err)
		_, _ = s.Load()
		require.NoError(t, s.Save(numbered(1)))
		require.NoError(t, s.Save(numbered(2)))
		require.NoError(t, s.Close())
		damage(t, filepath.Join(dir, "state.0"), 40)
		damage(t, filepath.Join(dir, "state.1"), 0)

		s, err = openState(statefile.Config{Dir: dir, Reserve: 1000})
		require.NoError(t, err)
		state, err := s.Load()
		var damaged *statefile.Damaged
		require.ErrorAs(t, err, &damaged)
		assert.Nil(t, state)
		assert.ErrorContains(t, err, "state.0: checksum does not match, state.1: not a state record")
		assert.ErrorContains(t, err, "reports its inventory")
		if n <= 4 {
			assert.Len(t, damaged.Kept, 2)
			assert.FileExists(t, filepath.Join(dir, damaged.Kept[1]))
		} else {
			assert.Len(t, damaged.Losses, 2)
		}
		require.NoError(t, s.Save(numbered(3)), "the store works all the same")
		require.NoError(t, s.Close())
	}
}

func TestLostFilesAreNoEmptyDevice(t *testing.T) {
	dir := t.TempDir()
	zeros := make([]byte, 1000)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "state.0"), zeros, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "state.1"), zeros, 0o600))
	_, err := open(t, statefile.Config{Dir: dir}).Load()
	var damaged *statefile.Damaged
	require.ErrorAs(t, err, &damaged)
	assert.ErrorContains(t, err, "all zeros")
}

func TestOneLostFileIsMadeAgain(t *testing.T) {
	for _, name := range []string{"state.0", "state.1"} {
		dir := t.TempDir()
		s, err := openState(statefile.Config{Dir: dir})
		require.NoError(t, err)
		_, err = s.Load()
		require.NoError(t, err)
		require.NoError(t, s.Save(numbered(1)))
		require.NoError(t, s.Save(numbered(2)))
		require.NoError(t, s.Close())
		require.NoError(t, os.Remove(filepath.Join(dir, name)))
		s, state := loaded(t, statefile.Config{Dir: dir})
		assert.Contains(t, []int{1, 2}, number(state))
		require.NoError(t, s.Save(numbered(3)))
	}
}

// TestStateOfNewerAgent rolls back to this agent from one that wrote a newer form,
// goes on with what is understood of it, saves, and comes forward again: what the
// newer agent had saved must not be taken for the latest.
func TestStateOfNewerAgent(t *testing.T) {
	dir := t.TempDir()
	s, err := openState(statefile.Config{Dir: dir})
	require.NoError(t, err)
	_, err = s.Load()
	require.NoError(t, err)
	for n := 1; n <= 4; n++ {
		require.NoError(t, s.Save(numbered(n)))
	}
	require.NoError(t, s.Close())
	for _, name := range []string{"state.0", "state.1"} {
		rewrite(t, filepath.Join(dir, name), `"format":1`, `"format":9`)
	}
	s = open(t, statefile.Config{Dir: dir})
	newer, err := s.Load()
	require.NoError(t, err, "a newer form is no damage")
	assert.Equal(t, 4, number(newer))
	kept, err := filepath.Glob(filepath.Join(dir, "*.corrupt-*"))
	require.NoError(t, err)
	assert.Len(t, kept, 1, "the newer agent may want it")
	require.NoError(t, s.Save(numbered(5)))
	require.NoError(t, s.Close())
	for _, name := range []string{"state.0", "state.1"} {
		rewrite(t, filepath.Join(dir, name), `"format":9`, `"format":1`)
	}
	_, state := loaded(t, statefile.Config{Dir: dir})
	assert.Equal(t, 5, number(state))
}

// TestOtherFormatOfRecord meets a file of another version of this package.
func TestOtherFormatOfRecord(t *testing.T) {
	dir := t.TempDir()
	open(t, statefile.Config{Dir: dir, Reserve: 100})
	damage(t, filepath.Join(dir, "state.0"), 11)
	disk := newMemory()
	content, err := os.ReadFile(filepath.Join(dir, "state.0"))
	require.NoError(t, err)
	disk.live["state.0"] = &inode{live: content}
	_, err = open(t, statefile.Config{Disk: disk}).Load()
	assert.ErrorContains(t, err, "format version 0, this agent reads 1")
}

// rewrite replaces a part of a record by another of the same length and sums it
// up again.
func rewrite(t *testing.T, path, from, to string) {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	b = bytes.Replace(b, []byte(from), []byte(to), 1)
	end := 24 + binary.BigEndian.Uint32(b[20:])
	sum := sha256.Sum256(b[:end])
	copy(b[end:], sum[:])
	require.NoError(t, os.WriteFile(path, b, 0o600))
}

func damage(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	b := make([]byte, 1)
	_, err = f.ReadAt(b, at)
	require.NoError(t, err)
	b[0] ^= 1
	_, err = f.WriteAt(b, at)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func TestPackages(t *testing.T) {
	dir := t.TempDir()
	s := open(t, statefile.Config{Dir: dir})
	assert.Nil(t, s.KeptPackage("app"))
	require.NoError(t, s.KeepPackage(packageFor("app", 1)))
	require.NoError(t, s.KeepPackage(packageFor("app", 2)))
	require.NoError(t, s.KeepPackage(packageFor("rootfs", 1)))
	assert.Equal(t, packageFor("app", 2), s.KeptPackage("app"))
	s.ForgetPackage("app")
	s.ForgetPackage("app")
	assert.Nil(t, s.KeptPackage("app"))
	assert.Equal(t, packageFor("rootfs", 1), s.KeptPackage("rootfs"))
	assert.NoFileExists(t, filepath.Join(dir, "package-app.json"))
}

func TestDamagedPackagesAreDropped(t *testing.T) {
	whole := func(t *testing.T, dir string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, "package-rootfs.json"))
		require.NoError(t, err)
		return b
	}
	for name, content := range map[string]func(t *testing.T, dir string) []byte{
		"empty":             func(*testing.T, string) []byte { return nil },
		"cut off":           func(t *testing.T, dir string) []byte { return whole(t, dir)[:100] },
		"another component": whole,
		"too long":          func(*testing.T, string) []byte { return bytes.Repeat([]byte(" "), ota.MaxPayload+1) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, statefile.Config{Dir: dir})
			require.NoError(t, s.KeepPackage(packageFor("rootfs", 1)))
			path := filepath.Join(dir, "package-app.json")
			require.NoError(t, os.WriteFile(path, content(t, dir), 0o600))
			assert.Nil(t, s.KeptPackage("app"))
			assert.NoFileExists(t, path)
		})
	}
}

// TestSomethingElseInAPackagesPlace is dropped as damage is, without waiting for a
// pipe or following a link out of the directory, and the next package is kept.
func TestSomethingElseInAPackagesPlace(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	require.NoError(t, os.WriteFile(outside, []byte("mine"), 0o600))
	for name, put := range map[string]func(path string) error{
		"directory":      func(path string) error { return os.Mkdir(path, 0o700) },
		"full directory": func(path string) error { return os.MkdirAll(filepath.Join(path, "in", "it"), 0o700) },
		"pipe":           func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"link":           func(path string) error { return os.Symlink(outside, path) },
		"dangling link":  func(path string) error { return os.Symlink("nowhere/at/all", path) },
		"no right":       func(path string) error { return os.WriteFile(path, []byte("{}"), 0) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, statefile.Config{Dir: dir})
			path := filepath.Join(dir, "package-app.json")
			require.NoError(t, put(path))
			assert.Nil(t, s.KeptPackage("app"))
			require.NoError(t, s.KeepPackage(packageFor("app", 1)))
			assert.Equal(t, packageFor("app", 1), s.KeptPackage("app"))
			s.ForgetPackage("app")
			assert.NoFileExists(t, path)
			mine, err := os.ReadFile(outside)
			require.NoError(t, err)
			assert.Equal(t, "mine", string(mine))
		})
	}
}

func TestPackageNamesStayInside(t *testing.T) {
	s := open(t, statefile.Config{Disk: newMemory()})
	for _, id := range []string{"", "..", "../../etc/passwd", "a/b", strings.Repeat("a", 33)} {
		assert.Error(t, s.KeepPackage(packageFor(id, 1)), id)
		assert.Nil(t, s.KeptPackage(id), id)
		s.ForgetPackage(id)
	}
}

func TestConfigProblemsAreSaidTogether(t *testing.T) {
	_, err := openState(statefile.Config{Reserve: -1})
	assert.ErrorContains(t, err, "no state directory")
	assert.ErrorContains(t, err, "reserve of -1 bytes")
	_, err = openState(statefile.Config{Dir: filepath.Join(t.TempDir(), strings.Repeat("x", 300))})
	assert.ErrorContains(t, err, "cannot make the state directory")
}

// FuzzLoad puts arbitrary bytes in both files: Load must give a state or an
// error, and the store must work after either.
func FuzzLoad(f *testing.F) {
	disk := newMemory()
	s, err := openState(statefile.Config{Disk: disk, Reserve: 600})
	require.NoError(f, err)
	_, err = s.Load()
	require.NoError(f, err)
	require.NoError(f, s.Save(numbered(1)))
	f.Add(disk.live["state.0"].live, disk.live["state.1"].live)
	f.Add([]byte{}, []byte("OTASTATE"))
	f.Add([]byte("OTASTATE\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\xff\xff\xff\xff"), make([]byte, 100))
	f.Fuzz(func(t *testing.T, zero, one []byte) {
		disk := newMemory()
		disk.live["state.0"] = &inode{live: zero}
		disk.live["state.1"] = &inode{live: one}
		s, err := openState(statefile.Config{Disk: disk, Reserve: 600})
		require.NoError(t, err)
		if _, err := s.Load(); err != nil {
			var damaged *statefile.Damaged
			require.ErrorAs(t, err, &damaged)
		}
		require.NoError(t, s.Save(numbered(1)))
		state, err := s.Load()
		require.NoError(t, err)
		require.Equal(t, 1, number(state))
	})
}

// unread is a disk whose files cannot be read for a while.
type unread struct {
	statefile.Disk
	bad *bool
}

func (d unread) Open(name string) (statefile.File, error) {
	f, err := d.Disk.Open(name)
	return unreadFile{f, d.bad}, err
}

type unreadFile struct {
	statefile.File
	bad *bool
}

func (f unreadFile) ReadAt(b []byte, at int64) (int, error) {
	if *f.bad {
		return 0, syscall.EIO
	}
	return f.File.ReadAt(b, at)
}

// TestLoadFromFailingStorage starts while the storage gives nothing: the device
// must not begin without its state, and has all of it once it is read again.
func TestLoadFromFailingStorage(t *testing.T) {
	bad := false
	disk := unread{newMemory(), &bad}
	s, err := openState(statefile.Config{Disk: disk})
	require.NoError(t, err)
	_, err = s.Load()
	require.NoError(t, err)
	require.NoError(t, s.Save(numbered(3)))
	require.NoError(t, s.Close())

	bad = true
	s, err = openState(statefile.Config{Disk: disk})
	require.NoError(t, err)
	_, err = s.Load()
	require.ErrorIs(t, err, syscall.EIO)
	var damaged *statefile.Damaged
	assert.NotErrorAs(t, err, &damaged)
	assert.Error(t, s.Save(numbered(1)), "nothing is saved over what was not read")

	bad = false
	state, err := s.Load()
	require.NoError(t, err)
	assert.Equal(t, 3, number(state))
}
