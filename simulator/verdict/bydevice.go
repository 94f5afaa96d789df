package verdict

import "iter"

// byDevice keeps something for each device of a run, by its ordinal: its position
// among the devices of all fleets, from 0. It takes memory in pieces, for the
// neighbours of devices that were used.
type byDevice[T any] struct{ pieces [][]T }

const pieceSize = 1024

// at is the slot of a device.
func (b *byDevice[T]) at(ordinal int) *T {
	piece := ordinal / pieceSize
	for len(b.pieces) <= piece {
		b.pieces = append(b.pieces, nil)
	}
	if b.pieces[piece] == nil {
		b.pieces[piece] = make([]T, pieceSize)
	}
	return &b.pieces[piece][ordinal%pieceSize]
}

// get is the slot of a device, or nil if none of its neighbours was used.
func (b *byDevice[T]) get(ordinal int) *T {
	piece := ordinal / pieceSize
	if piece >= len(b.pieces) || b.pieces[piece] == nil {
		return nil
	}
	return &b.pieces[piece][ordinal%pieceSize]
}

// all goes through the slots in the order of the devices.
func (b *byDevice[T]) all() iter.Seq2[int, *T] {
	return func(yield func(int, *T) bool) {
		for i, piece := range b.pieces {
			for k := range piece {
				if !yield(i*pieceSize+k, &piece[k]) {
					return
				}
			}
		}
	}
}
