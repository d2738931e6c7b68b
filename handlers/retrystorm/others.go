package retrystorm

import (
	"slices"

	"github.com/firebreak-sre/firebreak/incidents"
)

// considered are the causes that the numbers are held against, in the order of the rules, and what is done about each.
func considered() []incidents.Other {
	return []incidents.Other{
		{Name: string(CauseSharedCause), Why: "page"},
		{Name: string(CausePoolExhausted), Why: "page"},
		{Name: string(CauseRecovering), Why: "wait"},
		{Name: string(CauseDependencyDown), Why: fixOpen},
		{Name: string(CauseRetryStorm), Why: fixBudget},
		{Name: string(CauseMetastable), Why: fixShed},
		{Name: string(CauseHealthy), Why: "false positive"},
	}
}

// numbers says whether there are enough samples to hold the rules against.
func (r reading) numbers() bool {
	failed, _ := r.failed()
	return failed == 0 && len(r.samples) >= r.thresholds.Samples
}

// ruleWords is the rule of a cause, with the policy's limits in it; "" for causes that are no rule's.
func (r reading) ruleWords(c Cause) string {
	t := r.thresholds
	switch c {
	case CauseSharedCause:
		return words("%d or more edges have an open incident at once → page", t.ManyEdges)
	case CausePoolExhausted:
		return words("callers wait for a database connection in each of the last %d looks → page", t.Samples)
	case CauseTooFewCalls:
		return words("a sample covers fewer than %.0f calls → wait", t.MinCalls)
	case CauseRecovering:
		return words("the excess shrank by %s or more, the goodput rose, and the attempts did not → wait", percent(shrunk))
	case CauseDependencyDown:
		return words("more than %s of the attempts fail, and fewer than %s of the calls end well → open", percent(t.ErrorShare), percent(serving))
	case CauseRetryStorm:
		return words("more than %.2f attempts per call, and fewer than %s of the calls end well or ever fewer while the attempts rise → retry_budget",
			t.Ratio, percent(1-t.GoodputDrop))
	case CauseMetastable:
		return words("the dependency is well (at most %.2f attempts per call), and the callers' oldest request waits for more than %.0f s and is not catching up → shed",
			t.RatioHealed, queueOld)
	case CauseHealthy, CauseLoad:
		return words("at most %.2f attempts per call, at least %s of the calls end well, and no old queue → false positive",
			t.RatioHealed, percent(1-t.GoodputDrop))
	case CauseGathering, CauseProbeUnknown, CauseUndecided:
	}
	return ""
}

// others are the rules that did not hold, each with the number that was in the way. They say what the newest sample says; where the
// samples do not agree, the decision's own reason does.
func (r reading) others(chosen Cause) []incidents.Other {
	if chosen == CauseGathering || chosen == CauseProbeUnknown || !r.numbers() {
		return nil
	}
	if chosen == CauseLoad {
		chosen = CauseHealthy
	}
	t := r.develop(r.samples)
	newest := r.samples[len(r.samples)-1]
	var out []incidents.Other
	for _, o := range considered() {
		c := Cause(o.Name)
		if c == chosen {
			continue
		}
		if why := r.whyNot(c, newest, t); why != "" {
			out = append(out, incidents.Other{Name: o.Name + " → " + o.Why, Why: why})
		}
	}
	return out
}

// whyNot is what keeps a rule from holding; "" where nothing of its own does, but a rule before it.
func (r reading) whyNot(c Cause, newest rates, t trend) string {
	switch c {
	case CauseSharedCause:
		if r.Busy+1 < r.thresholds.ManyEdges {
			return words("%d other edges have an open incident; with %d it would be a shared cause", r.Busy, r.thresholds.ManyEdges-1)
		}
	case CausePoolExhausted:
		return r.notThePool()
	case CauseRecovering:
		if len(r.samples) < 2 {
			return "one sample does not show whether it shrinks by itself"
		}
		if !t.recovering {
			return words("it does not shrink by itself: the goodput went from %.1f/s to %.1f/s and the attempts from %.1f/s to %.1f/s",
				r.samples[0].Successes, newest.Successes, r.samples[0].Attempts, newest.Attempts)
		}
	case CauseDependencyDown:
		return r.notDown(newest)
	case CauseRetryStorm:
		return r.noStorm(newest, t)
	case CauseMetastable:
		return r.notMetastable(newest)
	case CauseHealthy:
		return r.notHealthy(newest)
	case CauseGathering, CauseProbeUnknown, CauseTooFewCalls, CauseLoad, CauseUndecided:
	}
	return ""
}

func (r reading) notThePool() string {
	last := r.looks[max(0, len(r.looks)-r.thresholds.Samples):]
	read := false
	for _, l := range last {
		w := l.Seen.poolWaiting()
		if w.usable() && w.Value > 0 {
			return "" // its own rule says what it says
		}
		read = read || w.usable()
	}
	if !read {
		return "the policy does not ask for the connection pool of this edge"
	}
	return "nobody waits for a database connection"
}

func (r reading) notDown(newest rates) string {
	s := r.state(newest)
	switch {
	case !s.down:
		return words("%s of the attempts fail; more than %s would be down", percent(newest.errorShare()), percent(r.thresholds.ErrorShare))
	case s.serving:
		return words("%s of the attempts fail, but %s of the calls still end well: opening would take that away",
			percent(newest.errorShare()), percent(newest.served()))
	case !slices.Contains(r.edge.Fix.Allow, fixOpen):
		return words("%s of the attempts fail, but the policy does not allow open (handlers.retrystorm.edges[%s].fix.allow)",
			percent(newest.errorShare()), r.edge.name)
	}
	return ""
}

func (r reading) noStorm(newest rates, t trend) string {
	s := r.state(newest)
	switch {
	case !s.multiplied:
		return words("%.2f attempts per call; more than %.2f would be a storm", newest.ratio(), r.thresholds.Ratio)
	case !s.goodputLow && !t.proof:
		return words("%.2f attempts per call, but %s of the calls end well: the retries do their work",
			newest.ratio(), percent(newest.served()))
	case s.down && !s.serving:
		return words("%.2f attempts per call, but the dependency is down: opening takes the whole load away, a retry budget only the retries",
			newest.ratio())
	}
	return ""
}

func (r reading) notMetastable(newest rates) string {
	age := r.looks[len(r.looks)-1].Seen.queueAge()
	switch s, q := r.state(newest), r.queue(); {
	case !age.usable():
		return "the policy does not ask for the age of this edge's queue"
	case q == queueYoung:
		return words("the oldest request has waited %.1f s; more than %.0f s would be an old queue", age.Value, queueOld)
	case q == queueUnclear:
		return words("the oldest request has waited %.1f s, but the queue is catching up, or was not old at each look", age.Value)
	case !s.calm:
		return words("the queue is old, but %.2f attempts per call and %s failing are its cause", newest.ratio(), percent(newest.errorShare()))
	}
	return ""
}

func (r reading) notHealthy(newest rates) string {
	s := r.state(newest)
	switch {
	case !s.calm && newest.ratio() > r.thresholds.RatioHealed:
		return words("%.2f attempts per call; at most %.2f are well", newest.ratio(), r.thresholds.RatioHealed)
	case !s.calm:
		return words("%s of the attempts fail; at most %s are well", percent(newest.errorShare()), percent(r.sick()))
	case s.goodputLow:
		return words("only %s of the calls end well; at least %s are well", percent(newest.served()), percent(1-r.thresholds.GoodputDrop))
	case r.queue() != queueYoung:
		return words("the oldest request has waited %.1f s", r.looks[len(r.looks)-1].Seen.queueAge().Value)
	}
	return ""
}
