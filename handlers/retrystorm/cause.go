package retrystorm

// Cause is what is the matter with an edge. The set is closed.
type Cause string

// The causes, in the order in which they are looked for.
const (
	CauseGathering      Cause = "gathering"       // there are not enough looks yet
	CauseProbeUnknown   Cause = "probe_unknown"   // the numbers cannot be read: nothing is known, nothing is touched
	CauseSharedCause    Cause = "shared_cause"    // many edges at once: network, DNS or a deploy, not this edge
	CausePoolExhausted  Cause = "pool_exhausted"  // callers wait for database connections: that comes first
	CauseTooFewCalls    Cause = "too_few_calls"   // there are too few calls to tell anything from chance
	CauseRecovering     Cause = "recovering"      // it is getting well by itself
	CauseDependencyDown Cause = "dependency_down" // most attempts fail at the dependency
	CauseRetryStorm     Cause = "retry_storm"     // retries multiply the load, and the goodput suffers
	CauseMetastable     Cause = "metastable"      // the dependency is well, but the callers' queue stays old
	CauseLoad           Cause = "load"            // more calls, hardly any retries: load, not a storm
	CauseHealthy        Cause = "healthy"         // no fault at all
	CauseUndecided      Cause = "undecided"       // none of the above, or the samples do not agree
)

// The fixes, as the policy names them in fix.allow.
const (
	fixOpen   = "open"
	fixBudget = "retry_budget"
	fixShed   = "shed"
)

const (
	// queueOld is the age in seconds above which a caller's queue is old: nobody waits for the answers any more.
	queueOld = 5.0
	// serving is the share of calls that must end well for an edge to be worth keeping: from it on an edge is
	// never opened, since opening would take more from the users than the dependency's rest gives them.
	serving = 0.5
	// shrunk is the part of the excess that must be gone, between the first and the last sample, to call it recovering.
	shrunk = 0.2
)

// queue is what the last looks say about the callers' queue.
type queue int

// The states of a queue.
const (
	queueYoung    queue = iota // not old now, or not asked for
	queueUnclear               // old now, but draining, or not old in all of the looks
	queueStaysOld              // old in all of the looks, and not draining
)

// edgeState is one sample in the letters of the rules.
type edgeState struct {
	down       bool // error share > error_share
	multiplied bool // ratio > thresholds.ratio
	goodputLow bool // goodput < (1 − goodput_drop) × calls
	serving    bool // at least half of the calls end well
	calm       bool // ratio ≤ ratio_healed, and too few failures to feed a storm
}

// sick is the error share above which a dependency is not well. Every retry follows a failed attempt, so a ratio above
// r needs an error share above 1 − 1/r.
func (h *Handler) sick() float64 {
	return min(h.thresholds.ErrorShare, 1-1/h.thresholds.Ratio)
}

// state classes one sample.
func (h *Handler) state(r rates) edgeState {
	t := h.thresholds
	return edgeState{
		down:       r.errorShare() > t.ErrorShare,
		multiplied: r.ratio() > t.Ratio,
		goodputLow: r.Successes < (1-t.GoodputDrop)*r.Calls,
		serving:    r.served() >= serving,
		calm:       r.ratio() <= t.RatioHealed && r.errorShare() <= h.sick(),
	}
}

// trend is how the samples developed from the first to the last.
type trend struct {
	// proof is the table's proof of a storm: the goodput fell while the attempts rose.
	proof bool
	// recovering: the excess (the retries, or the errors where nobody retries) shrank by a fifth or more, the goodput rose,
	// and the attempts did not.
	recovering bool
	// busier: more calls than at first.
	busier bool
}

// develop compares the first sample with the last, on the instances that are in both.
func (h *Handler) develop(samples []rates) trend {
	if len(samples) < 2 {
		return trend{}
	}
	a, b, ok := common(samples[0], samples[len(samples)-1])
	if !ok {
		return trend{}
	}
	drop := h.thresholds.GoodputDrop
	less := func(first, last float64) bool { return last <= (1-shrunk)*first }
	excess := less(a.ratio()-1, b.ratio()-1)
	if !h.state(a).multiplied {
		excess = less(a.errorShare(), b.errorShare())
	}
	return trend{
		proof:      b.Successes < (1-drop)*a.Successes && b.Attempts > a.Attempts,
		recovering: excess && b.Successes > (1+drop)*a.Successes && b.Attempts <= (1+drop)*a.Attempts,
		busier:     b.Calls > (1+drop)*a.Calls,
	}
}

// cause is what one sample says, by decision-table 2.3. Where the dependency is down and retries multiply too, opening
// goes first if the policy allows it: it takes the whole load away, a retry budget only the multiple.
func (h *Handler) cause(r rates, t trend, openAllowed bool, q queue) Cause {
	s := h.state(r)
	storm := s.multiplied && (s.goodputLow || t.proof)
	switch {
	case s.down && storm && (s.serving || !openAllowed):
		return CauseRetryStorm
	case s.down:
		return CauseDependencyDown
	case storm:
		return CauseRetryStorm
	case s.calm && q == queueStaysOld:
		return CauseMetastable
	case s.calm && !s.goodputLow && q == queueYoung:
		return CauseHealthy
	default:
		return CauseUndecided
	}
}
