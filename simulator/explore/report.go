package explore

import (
	"cmp"
	"slices"
)

// sortFailures puts the shortest failures first, and keeps the first ones.
func (r *Report) sortFailures() {
	slices.SortFunc(r.Failures, func(a, b Failure) int {
		return cmp.Or(cmp.Compare(len(a.Cuts), len(b.Cuts)), slices.CompareFunc(a.Cuts, b.Cuts, func(a, b Cut) int {
			return cmp.Or(cmp.Compare(a.Device, b.Device), cmp.Compare(a.Output, b.Output), cmp.Compare(a.Trouble, b.Trouble))
		}))
	})
	r.Failures = r.Failures[:min(len(r.Failures), keptFailures)]
}
