package retrystorm

import (
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
)

// maxWaits bounds waiting: what is waited for at so many looks in a row, without a long pause between them, is ended.
const maxWaits = 12

// waitedLong says that each of the last maxWaits looks ended in waiting, this one included. Decide keeps nothing, so it
// derives what it said at those looks again. A long pause begins a new story: what was undecided
// long ago does not keep a clear storm from being acted on now.
func (r reading) waitedLong() bool {
	if len(r.looks) < maxWaits {
		return false
	}
	for k := 1; k < maxWaits; k++ {
		earlier := r
		earlier.looks = r.looks[:len(r.looks)-k]
		earlier.samples = r.Handler.samples(earlier.looks, r.thresholds.Samples)
		earlier.Now = madeAt(earlier.looks[len(earlier.looks)-1])
		if earlier.rule().Verdict != incidents.Wait {
			return false
		}
	}
	return true
}

// afterWaiting ends the waiting. Too few calls that do well are a false alarm; all else is for a person.
func (r reading) afterWaiting(d incidents.Decision) incidents.Decision {
	told := words("no decision at %d looks in a row: %s", maxWaits, d.Reason)
	switch Cause(d.Cause) {
	case CauseProbeUnknown:
		return r.page(CauseProbeUnknown, told)
	case CauseTooFewCalls:
		for _, s := range r.samples {
			if s.errorShare() > r.sick() || s.ratio() > r.thresholds.Ratio {
				return r.page(CauseTooFewCalls, told+"; yet some of them fail or are retried, so a person must look")
			}
		}
		d.Verdict, d.Until, d.Reason = incidents.FalsePositive, time.Time{}, told+"; the few that there are do well"
		return d
	default:
		return r.page(CauseUndecided, told)
	}
}
