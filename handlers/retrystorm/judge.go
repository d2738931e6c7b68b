package retrystorm

import (
	"math"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
)

const (
	// gone is what may remain of the attempts, or of the failures, for the load on the dependency to be gone.
	gone = 0.1
	// slack is what the ratio may exceed a retry budget by: a budget of 10 % that is used up reads 1.10, give or take.
	slack = 0.05
	// sigmas is how far a fall must be beyond chance: events that come by themselves scatter by their square root.
	sigmas = 3
)

// judging is one change while it is being judged.
type judging struct {
	*Handler
	think.Case[Observation]
	edge edge
	// before and after are the newest samples of each side, on the instances that are in both.
	before, after rates
}

// Judge says what a change did, from the newest sample before it and the newest one that lies wholly after it: a
// Prometheus window, or a pair of counters, that began before the change (or before the present step of the ramp)
// says nothing and is not used. Judge is pure.
//
// While the change stands in full (Released 0), goodput is compared with what it was before, less what fewer offered calls
// explain. "Lower" means by more than goodput_drop and by more than chance (3 √n). Then:
//
//   - retry_budget: worse if the goodput is lower; improved if the ratio is at most ratio_healed, or what the budget
//     itself lets through, and the goodput is not lower.
//   - open: calls of an open edge fail fast, so its goodput goes to nothing by design. That loss is the price that was
//     known when fewer than half of the calls ended well before and the attempts are gone now. Otherwise a lower goodput is
//     worse, and so are more attempts than before. Improved if nine tenths of the attempts, or of the failures, are gone.
//   - shed: as retry_budget, but the share that is shed on purpose is not a loss; improved if the queue is young again.
//
// If none of them held when Until has passed, the change had no effect; so it is too if the edge could not be read.
//
// On the ramp (Released above 0) worse means that the ratio is above thresholds.ratio or the error share above error_share;
// improved means healed at this level; everything else is pending, and there is no end by time: the limit of the step is.
func (h *Handler) Judge(c think.Case[Observation]) incidents.Judgement {
	e, ok := h.find(c.Target.Name)
	if !ok || c.Step == nil {
		return incidents.Judgement{Effect: incidents.NoEffect,
			Words: words("no change of the edge %q can be judged: the policy does not name it, or nothing was changed", c.Target.Name)}
	}
	j := judging{Handler: h, Case: c, edge: e}
	if why := j.read(); why != "" {
		return j.pending(why)
	}
	if c.Step.Released > 0 {
		return j.ramp()
	}
	switch c.Step.Fix {
	case fixOpen:
		return j.open()
	case fixBudget:
		return j.budget()
	case fixShed:
		return j.shed()
	}
	return j.pending(words("the fix %q is not known here", c.Step.Fix))
}

// since is when the present state of the change began.
func (j *judging) since() time.Time {
	if j.Step.Released > 0 && !j.Step.ReleasedAt.IsZero() {
		return j.Step.ReleasedAt
	}
	return j.Step.Since
}

// read finds the two samples, or says why there are none.
func (j *judging) read() string {
	var fresh []look
	for _, l := range j.After {
		if !madeAt(l).Add(-l.Seen.Window.D()).Before(j.since()) {
			fresh = append(fresh, l)
		}
	}
	if fresh = j.recent(fresh); len(fresh) == 0 {
		return "no look lies wholly after the change yet"
	}
	last := fresh[len(fresh)-1]
	if p := last.Seen.Problem(); p != "" {
		return "the edge could not be read: " + p
	}
	if age := j.Now.Sub(madeAt(last)); age > j.maxGap() {
		return words("the last look is %s old", age.Round(time.Second))
	}
	after := j.samples(fresh, 1)
	if len(after) == 0 {
		return "one more look is needed for a difference"
	}
	j.after = after[0]
	before := j.samples(j.recent(j.Before), 1)
	if j.Step.Released > 0 {
		if len(before) > 0 {
			j.before = before[0]
		}
		return ""
	}
	if len(before) == 0 {
		return "there is no look before the change to compare with"
	}
	if j.before, j.after, _ = common(before[0], after[0]); len(j.after.parts) == 0 {
		return "no instance could be read both before and after the change"
	}
	return ""
}

// budget judges a retry budget.
func (j *judging) budget() incidents.Judgement {
	limit := budgetLimit(j.thresholds, j.edge.Fix.BudgetPercent, 0)
	said := words("%.2f attempts per call (before %.2f, healed at %.2f), goodput %.1f/s (before %.1f/s)",
		j.after.ratio(), j.before.ratio(), limit, j.after.Successes, j.before.Successes)
	switch {
	case j.after.Covered < j.thresholds.MinCalls:
		return j.tooFew()
	case j.lost(1):
		return j.say(incidents.Worse, "the goodput fell: "+said)
	case j.after.ratio() <= limit:
		return j.say(incidents.Improved, "the retries are gone: "+said)
	}
	return j.pending("the retries are not gone: " + said)
}

// open judges an open edge by the load that still reaches the dependency.
func (j *judging) open() incidents.Judgement {
	b, a := j.before, j.after
	said := words("%.1f attempts/s at the dependency (before %.1f/s), %.1f/s fail (before %.1f/s), goodput %.1f/s (before %.1f/s)",
		a.Attempts, b.Attempts, a.Failures, b.Failures, a.Successes, b.Successes)
	relieved := a.Attempts <= gone*b.Attempts
	explained := relieved && b.served() < serving
	switch {
	case b.Attempts*a.seconds() < j.thresholds.MinCalls:
		return j.tooFew()
	case beyond(b.Attempts*a.seconds(), a.Attempts*a.seconds(), b.Attempts*b.seconds(), j.thresholds.GoodputDrop, true):
		return j.say(incidents.Worse, "the load on the dependency rose: "+said)
	case !relieved && j.lost(1) && j.spreading():
		return j.pending("the change has not reached every caller yet: " + said)
	case !explained && j.lost(1):
		return j.say(incidents.Worse, "the goodput fell, and the open edge does not excuse it: "+said)
	case relieved, a.Failures <= gone*b.Failures:
		return j.say(incidents.Improved, "the load on the dependency is gone, and callers fail fast: "+said)
	}
	return j.pending("the dependency is still called: " + said)
}

// spreading says that the edge is open for some of the callers only, or was for a part of the sample: fewer attempts are made, and of those
// that are made as many end well as before. Goodput that is missing then is that of the calls which fail fast, as it is when all do.
func (j *judging) spreading() bool {
	b, a := j.before, j.after
	if b.Attempts <= 0 || a.Attempts <= 0 || b.served() >= serving {
		return false
	}
	return a.Attempts < b.Attempts && a.Successes/a.Attempts >= (1-j.thresholds.GoodputDrop)*b.Successes/b.Attempts
}

// shed judges shedding by the age of the queue.
func (j *judging) shed() incidents.Judgement {
	q := j.After[len(j.After)-1].Seen.queueAge()
	if !q.usable() {
		return j.pending("the age of the queue could not be read: " + q.why())
	}
	said := words("the oldest request has waited %.1f s (old above %.0f s), goodput %.1f/s (before %.1f/s)",
		q.Value, queueOld, j.after.Successes, j.before.Successes)
	switch {
	case j.after.Covered < j.thresholds.MinCalls:
		return j.tooFew()
	case j.lost(1 - float64(j.edge.Fix.ShedPercent)/100):
		return j.say(incidents.Worse, "the goodput fell by more than what is shed: "+said)
	case q.Value <= queueOld:
		return j.say(incidents.Improved, "the queue is young again: "+said)
	}
	return j.pending("the queue is still old: " + said)
}

// ramp judges one step of giving the calls back. An open edge and shedding hold calls back, so that only the released
// share can end well, and the ratio over all calls reads too low: "healed" also asks for fewer failures than a storm needs.
func (j *judging) ramp() incidents.Judgement {
	t, a := j.thresholds, j.after
	released := min(float64(j.Step.Released)/100, 1)
	limit, let := t.RatioHealed, released
	if j.Step.Fix == fixBudget {
		limit, let = budgetLimit(t, j.edge.Fix.BudgetPercent, j.Step.Released), 1
	}
	said := words("at %d %%: %.2f attempts per call, %s of the attempts fail, %s of the calls end well",
		j.Step.Released, a.ratio(), percent(a.errorShare()), percent(a.served()))
	queue := j.After[len(j.After)-1].Seen.queueAge()
	switch {
	case a.Covered < t.MinCalls, a.Attempts*a.seconds() < t.MinCalls*released/2:
		return j.tooFew()
	case a.ratio() > t.Ratio, a.errorShare() > t.ErrorShare:
		return j.say(incidents.Worse, "the symptom is back "+said)
	case j.Step.Fix == fixShed && queue.usable() && queue.Value > queueOld:
		return j.say(incidents.Worse, words("the queue is old again (%.1f s) %s", queue.Value, said))
	case a.ratio() <= limit && a.errorShare() <= j.sick() && a.Successes >= (1-t.GoodputDrop)*let*a.Calls:
		return j.say(incidents.Improved, "well "+said)
	}
	return j.pending("neither well nor back " + said)
}

// lost says that the goodput is lower than before, where keep is the share of it that the change leaves on purpose.
// Fewer offered calls explain a lower goodput; more of them do not raise what is expected.
func (j *judging) lost(keep float64) bool {
	load := 1.0
	if j.before.Calls > 0 {
		load = min(1, j.after.Calls/j.before.Calls)
	}
	s := j.after.seconds()
	expected := j.before.Successes * keep * load * s
	return beyond(expected, j.after.Successes*s, j.before.Successes*j.before.seconds(), j.thresholds.GoodputDrop, false)
}

// beyond says that a count differs from what was expected by more than the share and by more than chance, upwards or
// downwards. base is the count that the expectation itself rests on, which scatters too.
func beyond(expected, got, base, share float64, up bool) bool {
	apart := expected - got
	if up {
		apart = -apart
	}
	if expected <= 0 || base <= 0 {
		return up && apart > 0
	}
	return apart > share*expected && apart > sigmas*math.Sqrt(expected*(1+expected/base))
}

// tooFew waits for more calls.
func (j *judging) tooFew() incidents.Judgement {
	return j.pending(words("only %.0f calls and %.0f attempts are covered: too few to judge (min_calls %.0f)",
		j.after.Covered, j.after.Attempts*j.after.seconds(), j.thresholds.MinCalls))
}

// pending waits for another look, while there is time.
func (j *judging) pending(why string) incidents.Judgement {
	until := j.Step.Until
	if until.IsZero() {
		until = j.Step.Since.Add(j.thresholds.VerifyWithin.D())
	}
	if j.Step.Released == 0 && !j.Now.Before(until) {
		return j.say(incidents.NoEffect, "no effect until the time for it was over: "+why)
	}
	return j.say(incidents.Pending, why)
}

func (j *judging) say(e incidents.Effect, text string) incidents.Judgement {
	return incidents.Judgement{Effect: e, Words: text, Evidence: j.evidence()}
}
