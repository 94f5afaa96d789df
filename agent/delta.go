package agent

import "otafleet/internal/ota"

// maxDeltas is how often the platform may send a delta that is of no use before
// the device takes it that there is no full package: those that were on their
// way when it asked must not end the upgrade.
const maxDeltas = 3

// unusable reports whether a failure says that a delta does not fit what runs,
// where the full package would.
func (t task) unusable(failure *ota.Failure) bool {
	if t.wants.Package != ota.Delta {
		return false
	}
	return (failure.Code == ota.DeltaFailed || failure.Code == ota.VersionMismatch) &&
		(t.manifest == nil || t.manifest.Package == ota.Delta)
}

// fallBack asks for the full package of a part in the place of a delta, and reports
// whether it did. Nothing of the delta has been used yet.
func (m *Machine) fallBack(t task, failure *ota.Failure) bool {
	if !t.unusable(failure) {
		return false
	}
	if !t.Full {
		t.Full, m.dirty = true, true
	}
	if t.Status == ota.DownloadSucceeded || t.deltas == maxDeltas {
		return false
	}
	*t.work = work{deltas: t.deltas + 1}
	m.effect(Forget{t.wants.ID})
	m.address = search{}
	m.refresh(t, ota.AddressFull)
	return true
}

// checkDelta refuses a delta where one has been of no use.
func (m *Machine) checkDelta(t task, _ *ota.Package, manifest *ota.Manifest) *ota.Failure {
	if t.Full && manifest.Package == ota.Delta && t.Status != ota.DownloadSucceeded {
		return &ota.Failure{Code: ota.DeltaFailed,
			Detail: "the delta does not fit what runs, and the platform has no full package"}
	}
	return nil
}
