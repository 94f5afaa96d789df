package model

import (
	"otafleet/firmware"
	"otafleet/internal/ota"
)

// Slots is what one component runs and holds. It outlives power cuts. It is not
// safe for concurrent use.
type Slots struct {
	Running string
	Restart firmware.Restart // that an activation or a rollback needs

	previous string // to roll back to; empty if there is none
	undone   string // the target of the job that was reverted last
	next     image  // in the inactive place
}

// image is what wrong in the inactive place.
type image struct {
	target string
	files  []ota.File
	staged bool
	active bool // running, or to run after the restart
}

// Open prepares the inactive place for a job, and reports whether it is empty:
// what is there of the same image stays.
func (s *Slots) Open(job *firmware.Job) (empty bool) {
	if s.Holds(job) {
		return false
	}
	s.next = image{target: job.Target, files: job.Files}
	return true
}

// Holds reports whether the inactive place is the job's.
func (s *Slots) Holds(job *firmware.Job) bool {
	m := &s.next
	if m.target != job.Target || len(m.files) != len(job.Files) || m.active {
		return false
	}
	for i := range m.files {
		if m.files[i].SHA256 != job.Files[i].SHA256 {
			return false
		}
	}
	return true
}

// Files are those that the inactive place is for.
func (s *Slots) Files() []ota.File { return s.next.files }

// Stage declares the inactive place whole. The caller has looked that it is.
func (s *Slots) Stage(job *firmware.Job) error {
	if !s.Holds(job) {
		return firmware.Failf(ota.WriteFailed, "the inactive place does not hold %s", job.Target)
	}
	s.next.staged, s.previous, s.undone = true, "", ""
	return nil
}

// Ready reports whether the job's image runs already; the error says that it
// cannot, since it is not staged.
func (s *Slots) Ready(job *firmware.Job) (already bool, err error) {
	switch {
	case s.next.active && s.Running == job.Target:
		return true, nil
	case !s.next.staged || s.next.target != job.Target:
		return false, firmware.Failf(ota.InstallerFailed, "%s is not staged", job.Target)
	}
	return false, nil
}

// Activate lets the staged image run. Its files are not looked at again.
func (s *Slots) Activate() {
	s.previous, s.Running = s.Running, s.next.target
	s.next = image{target: s.next.target, staged: true, active: true}
}

// Commit checks that the job's version runs, and is permanent from then on.
func (s *Slots) Commit(job *firmware.Job) error {
	if s.Running != job.Target {
		return firmware.Failf(ota.VerifyFailed, "runs %s, not %s", s.Running, job.Target)
	}
	return nil
}

// Revert brings the previous version back, and says which restart that needs:
// the same one when it was done before the power was cut, none when nothing was
// activated.
func (s *Slots) Revert(job *firmware.Job) firmware.Restart {
	s.next.staged = false
	switch {
	case s.Running == job.Target && s.previous != "":
		s.Running, s.previous, s.undone = s.previous, "", job.Target
		s.next = image{}
		return s.Restart
	case s.undone == job.Target && s.Running != job.Target:
		return s.Restart
	}
	return firmware.RestartNone
}
