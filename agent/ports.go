package agent

import (
	"context"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

// Link sends messages to the platform. package link implements it.
type Link interface {
	// Send queues a message and returns at once. What cannot be sent is lost;
	// the Machine sends again what matters after the next Connected.
	Send(message ota.Up)
}

// Store keeps the machine's state. Package journal implements it.
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
	Places    []firmware.Place  // one for each of Files; the caller closes them
	Fruitless int               // requests without a new chunk before this call
	Local     string            // a package file that holds the bytes; empty for those of the addresses
	Renewed   bool              // these addresses came because all mirrors had failed
	Started   func()            // called once, before the first byte is asked for
	// Progress is called from time to time with the verified bytes in place.
	Progress func(done, total int64)
}

// FetchResult is how a download ended: verified, in need of other addresses, or
// failed.
type FetchResult struct {
	Need      ota.AddressReason // set when other addresses could help
	Failure   *ota.Failure      // set when nothing can
	Fruitless int
}

// Health says whether the device works with a component's new version.
type Health interface {
	// Check returns nil when every check passes within its time, or an error
	// that says which one does not.
	Check(ctx context.Context) error
}

// Power restarts the agent or the device.
type Power interface {
	// Restart does not wait for the restart to happen.
	Restart(scope firmware.Restart) error
}

// Desk keeps package addresses over restarts, since they do not fit into the
// small state. Package journal implements it.
type Desk interface {
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
	// Confirm says whether to agree, with a reason; an error leaves the plan
	// waiting for the operator.
	Confirm(ctx context.Context, plan *ota.Plan) (accept bool, detail string, err error)
}
