// Package verdict judges the recorded history of a run: what became of every
// device, whether every report arrived, how long upgrades took, which faults
// fired, and whether the scenario's expectations hold.
//
// One flow through it: the simulator and the fake platform record Events; a Judge
// takes them one by one, in any interleaving of devices; Figures sums up; New
// holds the expectations of the scenario against the sums. Package report draws
// the result.
//
// It is pure: it looks at what was recorded and never at a running system, so
// that a history can be judged again. What the devices say and what the
// platform says are judged against each other, neither is believed alone.
package verdict
