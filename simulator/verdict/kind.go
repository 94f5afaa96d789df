package verdict

// Kind says what an Event is.
type Kind uint8

// The kinds. The first group is seen at the device, the second at the platform.
const (
	Arrived      Kind = iota // the device was switched on for the first time; Text is its fleet
	Connected                // a session was opened
	Disconnected             // a session was lost
	PowerCut                 // the power was cut; Text is the fault
	Numbered                 // a report was made durable at the device
	Downloaded               // N verified bytes were put in place
	FaultFired               // fault Text fired
	Violation                // an invariant did not hold; Text says which

	Stored      // a report was stored by the platform
	Answered    // the device's decision: N is 1 for yes, Text the reason of a refusal
	StatusIs    // the device's status under a plan is N now (an ota.DeviceStatus)
	Illegal     // a report broke the status table
	OutOfOrder  // a report arrived after one with a higher number
	Duplicate   // a report arrived again
	Conflicting // a report arrived again with another content

	// Unacknowledged is seen at the device when the run ends: N reports of a plan
	// were still kept, since no acknowledgement had come. Text is UntilEnd if none was to
	// come yet.
	Unacknowledged
	// NoPlan is seen at the device: the platform has no plan for it; Text is the
	// reason that it gives.
	NoPlan
	// Unreached is seen at the device when the run ends: it never had a session;
	// Text says why.
	Unreached
	// Mistaken is seen at the platform when the run ends: it believes that component
	// Component of the device runs version Text.
	Mistaken
	kindCount
)

// UntilEnd is the Text of Unacknowledged where a platform takes the reports of a plan
// together, when the device has come to the end of it.
const UntilEnd = "until the end of the plan"

// Kinds lists all kinds.
func Kinds() []Kind {
	all := make([]Kind, kindCount)
	for i := range all {
		all[i] = Kind(i)
	}
	return all
}

// kindNames are the names in a recorded history, by Kind. They are released and
// never reused.
var kindNames = [kindCount]string{
	Arrived: "arrived", Connected: "connected", Disconnected: "disconnected", PowerCut: "power_cut", Numbered: "numbered",
	Downloaded: "downloaded", FaultFired: "fault_fired", Violation: "violation",
	Stored: "stored", Answered: "answered", StatusIs: "status_is", Illegal: "illegal", OutOfOrder: "out_of_order",
	Duplicate: "duplicate", Conflicting: "conflicting", Unacknowledged: "unacknowledged",
	NoPlan: "no_plan", Unreached: "unreached", Mistaken: "mistaken",
}

// String returns the name in a recorded history.
func (k Kind) String() string {
	if k >= kindCount {
		return "unknown"
	}
	return kindNames[k]
}

// AtPlatform reports whether the event is seen at the platform, and not at the
// device.
func (k Kind) AtPlatform() bool { return k >= Stored && k < Unacknowledged || k == Mistaken }
