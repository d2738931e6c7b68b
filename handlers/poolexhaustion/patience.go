package poolexhaustion

import "github.com/firebreak-sre/firebreak/incidents"

// maxWaits bounds waiting: what is waited for at so many looks in a row, without a long pause between them, is ended.
const maxWaits = 12

// waitedLong says that each of the last looks ended in waiting, this one included. Decide keeps nothing, so it derives what it said at those
// looks again. A long pause begins a new story.
func (r deciding) waitedLong() bool {
	for k := 1; k < maxWaits; k++ {
		if k >= len(r.sights) {
			return false
		}
		earlier := r.until(k)
		if d, _ := earlier.rule(); d.Verdict != incidents.Wait {
			return false
		}
	}
	return true
}

// until is the case as it was before its last n looks.
func (r deciding) until(n int) deciding {
	r.sights = r.sights[:len(r.sights)-n]
	if len(r.sights) > 0 {
		r.Now = r.newest().at
	}
	return r
}

// afterWaiting ends the waiting: a person must look.
func (r deciding) afterWaiting(d incidents.Decision) incidents.Decision {
	c := Cause(d.Cause)
	if c == CauseGathering {
		c = CauseUndecided
	}
	return r.page(c, words("no end of it in %d looks: %s", maxWaits, d.Reason))
}
