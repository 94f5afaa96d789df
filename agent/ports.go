package agent

import (
	"context"
	"slices"
	"time"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

// Link sends messages to the platform. package link implements it.
type Link interface {
	// Send queues a message and returns at once. What cannot be sent is lost;
	// the Machine sends again what matters after the next Connected.
	Send(message ota.Up)
}

// Store keeps the machine's state. Memory implements it.
type Store interface {
	// Save replaces the kept state. It returns after the state would survive a
	// power cut.
	Save(state *State) error
}

// Fetcher brings a package's files. Package download implements it.
type Fetcher interface {
	// Fetch downloads every file of the job into its place and returns when
	// they are all verified and durable, or when nothing more can be done.
	Fetch(ctx context.Context, job FetchJob) FetchResult
}

// FetchJob is one download.
type FetchJob struct {
	Files     []ota.File        // from the verified manifest
	Addresses []ota.FileAddress // matched to Files by name
	Places    []firmware.Target // one for each of Files; the caller closes them
	Setbacks  Setbacks          // before this call
	Local     string            // a package file that holds the bytes; empty for those of the addresses
	ID        string            // of the job: what a Mark says of another one is not about these places
	Mark      Mark              // keeps how far a file without chunks has come; nil keeps nothing
	Online    func() bool       // whether the device is connected to its platform; nil if it is not known
	Started   func()            // called once, before the first byte is asked for
	// Progress is called from time to time with the verified bytes in place.
	Progress func(done, total int64)
	// Delayed is called before a pause with why the last request brought too little,
	// and how long the pause is; nil if no one listens.
	Delayed func(why string, pause time.Duration)
}

// Claimed reports whether the job is of a file that no one has signed: it is the only
// one, and has no chunks.
func (j *FetchJob) Claimed() bool {
	return slices.ContainsFunc(j.Files, func(f ota.File) bool { return f.Claimed != nil })
}

// Mark keeps some bytes of a download over restarts.
type Mark interface {
	// Keep makes the content durable, in the place of what was kept before.
	Keep(content []byte) error
	// Kept returns it; nil if there is none that can be read.
	Kept() []byte
}

// Marks keeps the Mark of each component. Memory implements it.
type Marks interface {
	Mark(component string) Mark
}

// FetchResult is how a download ended: verified, in need of other addresses, or
// failed.
type FetchResult struct {
	Need     ota.AddressReason // set when other addresses could help
	Failure  *ota.Failure      // set when nothing can
	Gained   bool              // a new verified chunk came, though that was not the end
	Found    ota.Digest        // of a file that was known by a weak digest, its SHA-256; zero for other ones
	Setbacks Setbacks          // for the next call
}

// Setbacks is what has gone wrong in a download since its last new verified
// chunk. It is carried on when other addresses come, and forgotten at a restart.
type Setbacks struct {
	Fruitless int           // requests in a row that brought no new chunk
	Failed    int           // of these and of those made while offline, the ones by which pauses grow
	Wrong     int           // of these, the last ones that were answered, and wrongly
	Waited    time.Duration // how long they and their pauses took
	Spent     time.Duration // how long all requests for the file under way took
	Retry     time.Duration // how long the servers ask not to be asked again
	Renewed   bool          // other addresses were asked for because all had failed
	// Held is what the fetcher remembers of the places, so that it need not read
	// them again before an address expires; nil for nothing.
	Held any
}

// Health says whether the device works with a component's new version.
type Health interface {
	// Check returns nil when every check passes within its time, or an error
	// that says which one does not.
	Check(ctx context.Context) error
}

// Power restarts the agent or the device.
type Power interface {
	// Restart asks for a restart, and does not wait for it to happen. It is called
	// again while it fails, or nothing happens.
	Restart(ctx context.Context, scope firmware.Restart) error
}

// URLCache keeps package addresses over restarts, since they do not fit into the
// small state. Memory implements it.
type URLCache interface {
	// KeepPackage makes the address of a component's package durable.
	KeepPackage(p *ota.Package) error
	// KeptPackage returns it, or nil if there is none that can be read.
	KeptPackage(component string) *ota.Package
	// ForgetPackage drops it.
	ForgetPackage(component string)
}

// Sensors measure what the conditions of a plan speak of.
type Sensors interface {
	// Read measures now, within a few seconds. What cannot be measured is nil.
	Read(ctx context.Context) Readings
}

// Confirmer answers a plan in the operator's place.
type Confirmer interface {
	// Confirm says whether to agree, with a reason. An error that is
	// firmware.ErrRetry asks to be asked again in a minute; another one leaves the
	// plan waiting for the operator.
	Confirm(ctx context.Context, plan *ota.Plan) (accept bool, detail string, err error)
}
