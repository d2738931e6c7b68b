package replicationlag

import (
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
)

const (
	// maxWaits bounds waiting: what is waited for at so many looks in a row, without a long pause between them, is ended.
	maxWaits = 12
	// keptWaits is near to the number of looks that a decision is given at most: waiting that fills them is long, however short it was.
	keptWaits = 100
)

// waitedLong says that each look ended in waiting for as long as this cause is waited for, this one included. Decide keeps nothing, so
// it derives what it said at those looks again. A long pause begins a new story. The longest patience of the story counts: two looks that
// do not agree at the end of a long catching up are no reason to call a person.
func (r deciding) waitedLong(c Cause, f finding) bool {
	allowed := r.patience(c, f)
	for k := 1; ; k++ {
		if k >= maxWaits && (r.newest().at.Sub(r.sights[len(r.sights)-k].at) >= allowed || k >= keptWaits) {
			return true
		}
		if k >= len(r.sights) {
			return false
		}
		earlier := r
		earlier.sights = r.sights[:len(r.sights)-k]
		earlier.all = r.all[:len(r.all)-k]
		earlier.Now = earlier.newest().at
		d, about := earlier.rule()
		if d.Verdict != incidents.Wait {
			return false
		}
		allowed = max(allowed, earlier.patience(Cause(d.Cause), about))
	}
}

// patience is for how long one may wait at least: nothing beyond the looks themselves, unless the rule is only a matter of time. What is
// waited for is said in the words of [deciding.drain] and [deciding.endConflict]: the lag must reach a limit, or a conflict an age.
func (r deciding) patience(c Cause, f finding) time.Duration {
	t := r.thresholds
	switch {
	case c == CauseCatchingUp:
		return t.CatchUpWithin.D()
	case f.known() && slices.Contains([]Cause{CauseSnapshotConflict, CauseLockConflict}, c):
		return t.ConflictAge.D() + 2*t.SLO.D() + maxWaits*t.SampleEvery.D()
	case f.known() && slices.Contains([]Cause{CauseSenderStarved, CauseStandbyDisk, CauseWriteBurst}, c):
		return t.SLO.D() + maxWaits*t.SampleEvery.D()
	}
	return 0
}

// afterWaiting ends the waiting: a person must look.
func (r deciding) afterWaiting(d incidents.Decision) incidents.Decision {
	c := Cause(d.Cause)
	if c == CauseGathering {
		c = CauseUndecided
	}
	return r.page(c, words("no end of it in %d looks or more: %s", maxWaits, d.Reason))
}
