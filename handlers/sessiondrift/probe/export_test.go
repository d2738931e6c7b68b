package probe

import "time"

// Shorten makes the looks of a prober shorter and smaller, so that tests need not wait.
func (p *Prober) Shorten(look time.Duration, scanned int) {
	p.limits = limits{look: look, members: look / 2, positions: look / 2, scan: look * 7 / 8, scanned: scanned}
}

// LookWithin is how long a look may take.
const LookWithin = lookWithin
