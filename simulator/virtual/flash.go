package virtual

import (
	"time"

	"otafleet/agent/download/policy"
	"otafleet/firmware"
	"otafleet/internal/ota"
	"otafleet/simulator/model"
)

// flash is the memory of one component: which version runs, and which chunks of
// the next one are in the inactive place. It outlives power cuts.
type flash struct {
	model.Slots
	install time.Duration   // that an activation takes
	have    []policy.Chunks // of each file in the inactive place
	healthy bool            // the version that runs has passed its checks since the device has power
}

// open prepares the inactive place. Chunks of the same image are still there.
func (f *flash) open(job *firmware.Job) {
	if !f.Open(job) {
		return
	}
	f.have = make([]policy.Chunks, len(job.Files))
	for i := range job.Files {
		f.have[i] = policy.NewChunks(len(job.Files[i].Chunks))
	}
}

// stage checks that every chunk is there.
func (f *flash) stage(job *firmware.Job) error {
	for i := range f.have {
		if n := f.have[i].Left(); n > 0 && f.Holds(job) {
			return firmware.Failf(ota.DigestMismatch, "%s: %s missing", job.Files[i].Name, ota.Counted(n, "chunk"))
		}
	}
	return f.Stage(job)
}

// inChunks gives files without chunks those of the package that they are of: the store
// that is modelled sends nothing else, and what comes of it is noted by the chunk.
func (r *run) inChunks(files []ota.File) []ota.File {
	if len(files) != 1 || files[0].Claimed == nil {
		return files
	}
	for _, made := range r.artifacts {
		if made.Manifest.Files[0].SHA256 == files[0].SHA256 {
			return made.Manifest.Files[:1]
		}
	}
	return files
}
