package virtual

// random is a device's own source of what needs no draw by name: jitter and
// back-off. It is SplitMix64.
type random struct{ state uint64 }

// newRandom returns the source of a device.
func newRandom(seed uint64, device string) random {
	h := seed ^ 14695981039346656037
	for i := range len(device) {
		h = (h ^ uint64(device[i])) * 1099511628211
	}
	return random{h}
}

// next is a number 0 <= u < 1.
func (r *random) next() float64 {
	r.state += 0x9e3779b97f4a7c15
	z := r.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	z ^= z >> 31
	return float64(z>>11) / (1 << 53)
}
