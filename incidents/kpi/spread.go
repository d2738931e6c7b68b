package kpi

import (
	"math"
	"time"
)

// spread is how durations are spread, in little memory however many there are: it counts them in steps of one percent. A quantile is
// right to half a percent, or half a millisecond; the least and the most are exact.
type spread struct {
	counts      map[int]uint64
	n           uint64
	least, most time.Duration
}

const (
	// step is how much wider each step is than the one before.
	step = 1.01
	// zero is the step of what took less than unit.
	zero = math.MinInt
	unit = time.Millisecond
)

// add counts one duration. Less than nothing counts as nothing.
func (s *spread) add(d time.Duration) {
	d = max(0, d)
	if s.counts == nil {
		s.counts, s.least = map[int]uint64{}, d
	}
	s.counts[stepOf(d)]++
	s.n++
	s.least, s.most = min(s.least, d), max(s.most, d)
}

func stepOf(d time.Duration) int {
	if d < unit {
		return zero
	}
	return int(math.Floor(math.Log(float64(d)/float64(unit)) / math.Log(step)))
}

// quantile is the duration that a share q of all did not exceed, by rank. It is 0 if there are none.
func (s *spread) quantile(q float64) time.Duration {
	if s.n == 0 {
		return 0
	}
	rank := max(1, uint64(math.Ceil(q*float64(s.n))))
	if rank >= s.n {
		return s.most
	}
	var below uint64
	for _, at := range sortedKeys(s.counts) {
		if below += s.counts[at]; below >= rank {
			return min(max(middle(at), s.least), s.most)
		}
	}
	return s.most
}

// middle stands for everything in a step.
func middle(at int) time.Duration {
	if at == zero {
		return unit / 2
	}
	return time.Duration(float64(unit) * math.Pow(step, float64(at)+0.5))
}

// wilson is the 95 % interval of Wilson for a share: where the true share lies, given that good of n were. It is honest for few, and
// for none or all, where the plain share would claim to be certain.
func wilson(good, n int) (low, high float64) {
	if n == 0 {
		return 0, 1
	}
	const z = 1.959963984540054 // 97.5 % of a normal distribution lie below it
	p, all := float64(good)/float64(n), float64(n)
	mid := p + z*z/(2*all)
	half := z * math.Sqrt(p*(1-p)/all+z*z/(4*all*all))
	of := 1 + z*z/all
	return max(0, (mid-half)/of), min(1, (mid+half)/of)
}
