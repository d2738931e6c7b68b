package sessiondrift

import "github.com/firebreak-sre/firebreak/incidents"

const (
	// maxWaits bounds waiting: what is waited for at so many looks in a row, without a long pause between them, is ended.
	maxWaits = 12
	// mostPatient bounds waiting for what is known to take minutes, where the time does not bound it: fewer than the looks that are kept.
	mostPatient = 100
)

// waitedLong says that each of the last looks ended in waiting, this one included. Decide keeps nothing, so it derives what it said at those
// looks again. A long pause begins a new story. A membership that has to become stable is waited for twice as long as that takes: if it is
// not stable then, it flaps.
func (r deciding) waitedLong(f finding) bool {
	most := maxWaits
	if f.patient {
		most = mostPatient
	}
	for k := 1; k < most; k++ {
		if f.patient && r.newest().at.Sub(r.sights[max(0, len(r.sights)-k)].at) > 2*r.thresholds.Stable.D() {
			return true
		}
		if k >= len(r.sights) {
			return false
		}
		if e := r.earlier(k).rule(); e.verdict != incidents.Wait || e.patient != f.patient {
			return false
		}
	}
	return true
}

// earlier is the case as it was before its last n looks.
func (r deciding) earlier(n int) deciding {
	r.sights = r.sights[:len(r.sights)-n]
	if len(r.sights) > 0 {
		r.Now = r.newest().at
	}
	return r
}

// afterWaiting ends the waiting: a person must look.
func (r deciding) afterWaiting(f finding) finding {
	c := f.cause
	if c == CauseGathering {
		c = CauseUndecided
	}
	looks := maxWaits
	if f.patient {
		return page(c, words("no end of it in %s: %s", span(r.newest().at.Sub(r.sights[0].at)), f.why))
	}
	return page(c, words("no end of it in %d looks: %s", looks, f.why))
}
