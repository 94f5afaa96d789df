package fault

import "otafleet/simulator/scenario"

// aspect separates the random numbers that one fault needs for one device.
type aspect uint64

// The aspects of a draw.
const (
	aspectHas   aspect = iota // whether the device has the fault
	aspectTimes               // how often it strikes
	aspectAfter               // when within the step
	aspectFor                 // how long it lasts
	aspectByte                // which byte is wrong
	aspectOrder               // the order in which devices are chosen exactly
	aspectBy                  // by how much something is more
)

// draw is a random number 0 <= u < 1 that depends on its arguments alone. So
// neither the order of goroutines, nor timing, nor sharding changes what is
// drawn, and a device can be run again by itself.
func draw(seed uint64, device, fault string, a aspect, occurrence int) float64 {
	h := mix(seed)
	h = mix(h ^ hash(device))
	h = mix(h ^ hash(fault))
	h = mix(h ^ uint64(a)<<32 ^ uint64(occurrence))
	return float64(h>>11) / (1 << 53)
}

// Uniform is the number 0 <= u < 1 that a device draws for a purpose that is no
// fault's: its battery, its arrival, the time of an installation.
func Uniform(seed uint64, device, purpose string, occurrence int) float64 {
	return draw(seed, device, purpose, aspectHas, occurrence)
}

// hash is FNV-1a.
func hash(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

// mix is the finaliser of SplitMix64: every input bit changes half of the
// output bits.
func mix(h uint64) uint64 {
	h += 0x9e3779b97f4a7c15
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// chosen reports whether device number n, of count that can have the fault, is
// among the share of them that must: exactly so many, each as likely as any
// other. It needs no list of the devices.
func chosen(seed uint64, fault string, n, count int, share scenario.Percent) bool {
	return permute(mix(seed^hash(fault)^uint64(aspectOrder)), uint64(n), uint64(count)) < uint64(share.Of(count))
}

// permute is a permutation of 0..count-1: a four-round Feistel network over the
// next even power of two, walked until it falls back into the range.
func permute(key, n, count uint64) uint64 {
	half := uint(1)
	for half < 32 && uint64(1)<<(2*half) < count {
		half++
	}
	mask := uint64(1)<<half - 1
	for {
		left, right := n>>half, n&mask
		for round := range uint64(4) {
			left, right = right, left^(mix(key^round<<56^right)&mask)
		}
		if n = left<<half | right; n < count {
			return n
		}
	}
}

// Strikes is how often a fault of the scenario is drawn to strike device n, from
// 1, of a fleet; 0 if the device does not have it. It strikes less often where
// its place does not come so often.
func (s *Set) Strikes(f *scenario.Fault, fleet *scenario.Fleet, n int) int {
	device := fleet.Device(n)
	if !f.Covers(fleet) || !s.has(f, fleet, n, device) {
		return 0
	}
	return f.Times.At(draw(s.seed, device, f.Name, aspectTimes, 0))
}
