package kpi

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// Quantiles are right to half a percent, and half a millisecond, whatever is counted, and what is held stays small.
func TestSpread(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 2, 3, 10, 1000, 100_000} {
		var s, half spread
		all := make([]time.Duration, 0, n)
		for i := range n {
			d := time.Duration(math.Exp(r.Float64()*28) * 1000) // a microsecond to three weeks
			all = append(all, d)
			if i%2 == 0 {
				s.add(d)
			} else {
				half.add(d)
			}
		}
		s.merge(&half)
		slices.Sort(all)
		for _, q := range []float64{0, 0.5, 0.95, 1} {
			want := all[max(0, int(math.Ceil(q*float64(n)))-1)]
			off := s.quantile(q) - want
			if off.Abs() > want/190+unit {
				t.Errorf("%d, %v: got %s, want %s", n, q, s.quantile(q), want)
			}
		}
		if s.most != all[n-1] || s.least != all[0] || s.n != uint64(n) {
			t.Errorf("%d: got %d from %s to %s", n, s.n, s.least, s.most)
		}
		if len(s.counts) > 2200 {
			t.Errorf("%d: %d steps are held", n, len(s.counts))
		}
	}
	var none spread
	if none.quantile(0.5) != 0 {
		t.Error("the median of nothing is something")
	}
	none.add(-time.Second)
	if none.quantile(0.5) != 0 || none.most != 0 {
		t.Errorf("got %s of less than nothing", none.quantile(0.5))
	}
}

// Spans read as people write them.
func TestShort(t *testing.T) {
	t.Parallel()
	for seconds, want := range map[float64]string{0: "0s", 0.0426: "43ms", 0.85: "850ms", 12.34: "12.3s", 59.96: "1m", 60: "1m", 250: "4m10s", 600: "10m",
		3599.9: "1h", 3600: "1h", 7500: "2h5m", 36000: "10h"} {
		if got := short(seconds); got != want {
			t.Errorf("%v: got %q, want %q", seconds, got, want)
		}
	}
}
