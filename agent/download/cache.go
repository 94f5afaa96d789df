package download

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"otafleet/agent"
	"otafleet/firmware"
	"otafleet/internal/ota"
)

// DefaultKeep is how long a Cache keeps an unused file.
const DefaultKeep = time.Hour

// CacheConfig says what a Cache may keep, and where.
type CacheConfig struct {
	Dir   string        // the cache's own; made if it is missing, anything else in it is removed
	Limit int64         // bytes of all files
	Keep  time.Duration // how long a file stays after its last use; 0 means 1 h
	Disk  firmware.Disk // makes the changes; the zero Disk is the real one
	Log   *slog.Logger  // nil discards
}

// Cache keeps files that several devices of one process download, so that each
// is transferred once: the first device fetches it and leaves a copy here, those
// behind it wait, take what is there, and fetch the rest.
//
// Nothing in it is trusted: a chunk is taken out only if its hash is right. So a
// power cut can cost it chunks and nothing else, and it needs no record beside
// the bytes. It is never needed, either: a file that it has no room for, or that
// it cannot write, each device fetches for itself.
//
// Its methods may be called from any goroutine.
type Cache struct {
	config CacheConfig

	mu      sync.Mutex // guards the following, and what entries say of themselves
	entries map[ota.Digest]*entry
	held    int64       // bytes of the entries with room
	sweeper *time.Timer // nil while nothing waits to be dropped
	closed  bool
}

// NewCache opens a cache, with what it held before.
func NewCache(config CacheConfig) (*Cache, error) {
	if config.Keep == 0 {
		config.Keep = DefaultKeep
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	c := &Cache{config: config, entries: map[ota.Digest]*entry{}}
	if config.Dir == "" || config.Limit < 1 || config.Keep < 0 {
		return nil, errors.New("cannot open the cache: it needs a directory, a limit, and a time that is not negative")
	}
	if err := c.config.Disk.MkdirAll(config.Dir); err != nil {
		return nil, fmt.Errorf("cannot open the cache: %w", err)
	}
	found, err := os.ReadDir(config.Dir)
	if err != nil {
		return nil, fmt.Errorf("cannot open the cache: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range found {
		if err := c.adopt(f); err != nil {
			return nil, fmt.Errorf("cannot open the cache: %w", err)
		}
	}
	c.makeRoom(0)
	c.schedule()
	return c, nil
}

// adopt takes up a file that was there before.
func (c *Cache) adopt(f os.DirEntry) error {
	var digest ota.Digest
	n, err := hex.Decode(digest[:], []byte(f.Name())[:min(len(f.Name()), hex.EncodedLen(len(digest)))])
	info, statErr := f.Info()
	if err != nil || n != len(digest) || len(f.Name()) != hex.EncodedLen(n) || statErr != nil || !info.Mode().IsRegular() {
		return c.config.Disk.RemoveAll(filepath.Join(c.config.Dir, f.Name()))
	}
	c.entries[digest] = &entry{digest: digest, turn: make(chan struct{}, 1), room: info.Size(), used: time.Now()}
	c.held += info.Size()
	return nil
}

// Fetcher gives what downloads like f and shares what it downloads.
func (c *Cache) Fetcher(f *Fetcher) agent.Fetcher { return sharing{f, c} }

type sharing struct {
	fetcher *Fetcher
	cache   *Cache
}

// Fetch waits for those who download the same files now, then fetches what they
// have not brought.
func (s sharing) Fetch(ctx context.Context, job agent.FetchJob) agent.FetchResult {
	if job.Local != "" || job.Claimed() {
		return s.fetcher.Fetch(ctx, job) // nothing is transferred, or can be verified before it is whole
	}
	loan, err := s.cache.borrow(ctx, job.Files)
	if err != nil {
		return agent.FetchResult{Failure: agent.AsFailure(err, ota.Internal), Setbacks: job.Setbacks}
	}
	defer s.cache.giveBack(loan)
	return s.fetcher.fetch(ctx, job, loan)
}

// Trim drops every file that is not in use, to make room.
func (c *Cache) Trim() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.idle() {
		c.drop(e)
	}
	c.schedule()
}

// Close stops the clock of the cache. What it holds stays for the next start.
func (c *Cache) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.schedule()
}

// borrow waits for the turn at each of the files and gives their entries by
// digest. Turns are taken in one order, so that no two wait for each other.
// Files larger than the cache are left out.
func (c *Cache) borrow(ctx context.Context, files []ota.File) (map[ota.Digest]*entry, error) {
	loan := map[ota.Digest]*entry{}
	var digests []string
	for i := range files {
		if size := files[i].Size; size > 0 && size <= c.config.Limit {
			digests = append(digests, string(files[i].SHA256[:]))
		}
	}
	slices.Sort(digests)
	for _, text := range slices.Compact(digests) {
		digest := ota.Digest([]byte(text))
		e := c.enter(digest)
		select {
		case e.turn <- struct{}{}:
			loan[digest] = e
		case <-ctx.Done():
			c.leave(e)
			c.giveBack(loan)
			return nil, ctx.Err()
		}
	}
	needs := needsOf(files)
	for i := range files {
		if e := loan[files[i].SHA256]; e != nil && e.file == nil {
			c.open(e, files[i].Size, needs)
		}
	}
	return loan, nil
}

// needsOf is what the devices's own places of the files may still take, in
// bytes, before and after decoding.
func needsOf(files []ota.File) (n int64) {
	for i := range files {
		n += files[i].Size
		if files[i].Output != nil {
			n += files[i].Output.Size
		}
	}
	return n
}

// giveBack ends the turns of a borrower.
func (c *Cache) giveBack(loan map[ota.Digest]*entry) {
	for _, e := range loan {
		if e.close(c.config.Log); e.failed {
			c.remove(e) // the room is worth more elsewhere
		}
		<-e.turn
		c.leave(e)
	}
}

// enter finds the entry of a digest, or makes one, for a user of it.
func (c *Cache) enter(digest ota.Digest) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[digest]
	if e == nil {
		e = &entry{digest: digest, turn: make(chan struct{}, 1)}
		c.entries[digest] = e
	}
	e.users++
	return e
}

// leave is the end of a use.
func (c *Cache) leave(e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.users--
	e.used = time.Now()
	if e.users == 0 && (e.room == 0 || e.failed) {
		c.drop(e)
	}
	c.schedule()
}

// open opens the file of an entry for whoever has the turn. Without room for it
// there is none.
func (c *Cache) open(e *entry, size, needs int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.failed || !c.admit(e, size, needs) {
		return
	}
	file, err := c.config.Disk.Open(c.path(e))
	if err != nil {
		c.config.Log.Warn("cannot share a package", "error", err)
		e.failed = true
		return
	}
	e.file = file
}

// admit finds room for a file of size bytes. It must be within the limit, and it
// may take no more than half of what the devices's own places leave free: the
// next one needs some, too.
func (c *Cache) admit(e *entry, size, needs int64) bool {
	grows := max(0, size-e.room)
	if !c.makeRoom(grows) {
		return false
	}
	free, err := firmware.FreeSpace(c.config.Dir)
	if err != nil || grows > (free-needs)/2 {
		c.config.Log.Info("too little free space to share a package", "bytes", size, "free", free, "error", err)
		return false
	}
	e.room += grows
	c.held += grows
	return true
}

// makeRoom drops unused files, those not used for longest first, until
// so many more bytes are within the limit.
func (c *Cache) makeRoom(grows int64) bool {
	for _, e := range c.idle() {
		if c.held+grows <= c.config.Limit {
			break
		}
		c.drop(e)
	}
	return c.held+grows <= c.config.Limit
}

// idle gives the unused entries, those not used for longest first.
func (c *Cache) idle() []*entry {
	var idle []*entry
	for _, e := range c.entries {
		if e.users == 0 {
			idle = append(idle, e)
		}
	}
	slices.SortFunc(idle, func(a, b *entry) int { return a.used.Compare(b.used) })
	return idle
}

// drop removes an unused entry.
func (c *Cache) drop(e *entry) {
	delete(c.entries, e.digest)
	c.held -= e.room
	c.remove(e)
}

func (c *Cache) remove(e *entry) {
	if err := c.config.Disk.RemoveAll(c.path(e)); err != nil {
		c.config.Log.Warn("cannot remove a shared package", "error", err)
	}
}

// schedule has the next file dropped in its time.
func (c *Cache) schedule() {
	if c.sweeper != nil {
		c.sweeper.Stop()
		c.sweeper = nil
	}
	if idle := c.idle(); len(idle) > 0 && !c.closed {
		c.sweeper = time.AfterFunc(time.Until(idle[0].used.Add(c.config.Keep)), c.sweep)
	}
}

// sweep drops the files whose time is over.
func (c *Cache) sweep() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	for _, e := range c.idle() {
		if time.Since(e.used) >= c.config.Keep {
			c.drop(e)
		}
	}
	c.schedule()
}

func (c *Cache) path(e *entry) string {
	return filepath.Join(c.config.Dir, hex.EncodeToString(e.digest[:]))
}
