package verdict

import (
	"cmp"
	"slices"
)

// ranking keeps the first of many values, by a key and then by the ordinal of
// their device, so that it does not matter in which order they come: the parts
// of a run, merged, give the same as the whole. Values of one device with one key
// keep their order. The zero value keeps none.
type ranking[T any] struct {
	most  int
	items []ranked[T]
}

type ranked[T any] struct {
	key     int64 // the smallest comes first
	ordinal int
	value   T
}

// wants reports whether a value would be kept, so that none is made in vain.
func (r *ranking[T]) wants(key int64, ordinal int) bool {
	if len(r.items) < r.most {
		return true
	}
	if r.most == 0 {
		return false
	}
	last := &r.items[len(r.items)-1]
	return key < last.key || key == last.key && ordinal < last.ordinal
}

func (r *ranking[T]) add(key int64, ordinal int, value T) {
	if !r.wants(key, ordinal) {
		return
	}
	i, _ := slices.BinarySearchFunc(r.items, ranked[T]{key: key, ordinal: ordinal}, func(a, b ranked[T]) int {
		if c := cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.ordinal, b.ordinal)); c != 0 {
			return c
		}
		return -1 // behind those that are there
	})
	r.items = slices.Insert(r.items, i, ranked[T]{key, ordinal, value})
	r.items = r.items[:min(len(r.items), r.most)]
}

func (r *ranking[T]) merge(other *ranking[T]) {
	for _, item := range other.items {
		r.add(item.key, item.ordinal, item.value)
	}
}

// values gives what was kept, the first one first.
func (r *ranking[T]) values() []T {
	all := make([]T, len(r.items))
	for i := range r.items {
		all[i] = r.items[i].value
	}
	return all
}
