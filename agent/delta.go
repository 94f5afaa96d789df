package agent

import "otafleet/internal/ota"

// maxDeltas is how often the platform may send a delta that is of no use before
// the device takes it that there is no full package: those that were on their
// way when it asked must not end the upgrade.
const maxDeltas = 3

// unusable reports whether a failure says that a delta does not fit what runs,
// where the full package would.
func (m *Machine) unusable(i int, failure *ota.Failure) bool {
	if m.state.Run.Plan.Components[i].Package != ota.Delta {
		return false
	}
	manifest := m.work[i].manifest
	return (failure.Code == ota.DeltaFailed || failure.Code == ota.VersionMismatch) && (manifest == nil || manifest.Package == ota.Delta)
}

// fallBack asks for the full package of part i in the place of a delta, and
// reports whether it did. Nothing of the delta has been used yet.
func (m *Machine) fallBack(i int, failure *ota.Failure) bool {
	w, part := &m.work[i], &m.state.Run.Parts[i]
	if !m.unusable(i, failure) {
		return false
	}
	if !part.Full {
		part.Full, m.dirty = true, true
	}
	if part.Status == ota.DownloadSucceeded || w.deltas == maxDeltas {
		return false
	}
	*w = work{deltas: w.deltas + 1}
	m.effect(Forget{m.state.Run.Plan.Components[i].ID})
	m.address = backoff{}
	m.refresh(i, ota.AddressFull)
	return true
}

// checkDelta refuses a delta where one has been of no use.
func (m *Machine) checkDelta(i int, _ *ota.Package, manifest *ota.Manifest) *ota.Failure {
	if part := &m.state.Run.Parts[i]; part.Full && manifest.Package == ota.Delta && part.Status != ota.DownloadSucceeded {
		return &ota.Failure{Code: ota.DeltaFailed, Detail: "the delta does not fit what runs, and the platform has no full package"}
	}
	return nil
}
