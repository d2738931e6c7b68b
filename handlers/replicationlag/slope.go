package replicationlag

import (
	"math"
	"time"
)

// trend is how one standby moved over the looks that are decided on, from the first to the last.
type trend struct {
	ok bool // two positions of both, some time apart, of the same primary
	// written and replayed are bytes/s of WAL on the primary and on the standby; eta is when they meet, in seconds.
	written, replayed float64
	gaining           bool
	eta               float64
	// ages is by how many seconds the lag grew in each second; 0 where the seconds are not known.
	ages float64
	// baseline is what was written per second in the looks before; 0: there are none. over is how long those looks cover.
	baseline float64
	over     time.Duration
}

// gains is by how much faster than the primary a standby must be to gain on it, as a share: two rates that differ by less are the same.
const gains = 0.05

// trendOf compares the first of the looks with the last.
func trendOf(states []state) trend {
	var t trend
	if len(states) < 2 {
		return t
	}
	a, b := states[0], states[len(states)-1]
	if !a.lag.known || !b.lag.known || a.primary.Name != b.primary.Name {
		return t
	}
	wrote, ok := rate(a.primary.Primary.Current, b.primary.Primary.Current, b.primary.ReadAt.Sub(a.primary.ReadAt))
	moved, also := rate(*a.standby().Replayed, *b.standby().Replayed, b.node.ReadAt.Sub(a.node.ReadAt))
	if !ok || !also {
		return t
	}
	t = trend{ok: true, written: wrote, replayed: moved}
	if difference := moved - wrote; difference > gains*wrote && difference > 0 && b.lag.bytes < a.lag.bytes {
		t.gaining, t.eta = true, float64(b.lag.bytes)/difference
	}
	if a.lag.kind == exactly && b.lag.kind == exactly {
		t.ages = (b.lag.seconds - a.lag.seconds) / b.node.ReadAt.Sub(a.node.ReadAt).Seconds()
	}
	return t
}

// rate is bytes per second between two positions. A position that goes back is another history, which has no rate.
func rate(from, to LSN, took time.Duration) (float64, bool) {
	if took <= 0 || to < from {
		return 0, false
	}
	return float64(to-from) / took.Seconds(), true
}

// idle says that hardly anything is written: less than a running server notes by itself.
func (t trend) idle() bool { return t.ok && t.written < quiet }

// quiet is the WAL in bytes/s below which a primary is idle. A server without any work still notes its running transactions, about a
// hundred bytes each 15 s.
const quiet = 1024

// withBaseline adds what was written in the looks before the ones that are decided on. Those looks are of this incident, so they can lie
// inside of the burst already; then the burst shows in none of the ratios, and only the replay that is outrun tells of it.
func (r deciding) withBaseline(t trend) trend {
	n := len(r.sights) - r.thresholds.Samples
	if !t.ok || n < 2 {
		return t
	}
	first, last := r.sights[0], r.sights[n-1]
	if first.trouble != "" || last.trouble != "" || first.primary.Name != last.primary.Name {
		return t
	}
	took := last.primary.ReadAt.Sub(first.primary.ReadAt)
	if took < 2*r.thresholds.SampleEvery.D() {
		return t
	}
	if wrote, ok := rate(first.primary.Primary.Current, last.primary.Primary.Current, took); ok {
		t.baseline, t.over = max(wrote, quiet), took
	}
	return t
}

// unmoved is how long the position of replay has stood where it is now, over all looks that are kept: from the first look that saw it
// there to the last one. While there is something to replay the same position means that nothing was replayed between them.
func (r deciding) unmoved(node string, ok func(state) bool) time.Duration {
	n, found := r.named(node)
	if !found || len(r.all) == 0 {
		return 0
	}
	var newest, oldest time.Time
	var position LSN
	for i := len(r.all) - 1; i >= 0; i-- {
		s := r.all[i]
		if s.trouble != "" {
			break
		}
		st := r.stateOf(s, n)
		if !st.readable() || st.standby().Replayed == nil || !st.lag.known || st.lag.bytes <= r.slackOf(st) || !ok(st) {
			break
		}
		if newest.IsZero() {
			newest, position = s.at, *st.standby().Replayed
		}
		if *st.standby().Replayed != position {
			break
		}
		oldest = s.at
	}
	return newest.Sub(oldest)
}

// finite says that a number can be written down.
func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
